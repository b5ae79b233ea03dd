"""Templates that WhatsApp has stopped: paused, disabled, missing, or at odds with the parameters that we fill in.

The account's messages of such a template wait, all others go. After a while one of them goes as a probe, and what comes of it
decides: accepted, the template goes on; refused, it waits twice as long as before. So does one that is stopped again soon after it
went on: WhatsApp may accept what it then reports as failed.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from atendeja.db import Nothing, Tx, query, records
from atendeja.outbound.outcomes import Claim
from atendeja.outbound.protocol import WRONG_PARAMETERS, Candidate, Settlement

FIRST_S = 60
MOST_S = 3600
"""Seconds until the first probe; twice as many after each refusal, up to the most."""
SOON = dt.timedelta(hours=2)
"""A template that is stopped again so soon after it went on is no better than before."""
WRONG_MOST = 3
"""So many messages in a row that are at odds with their template stop it: one may be wrong by itself."""
PROBE_S = 60.0
"""Longest that the outcome of a probe is waited for: then another goes."""
BEHIND_PROBE_S = 5.0
"""What would go while a probe is on its way looks again this much later."""

Key = tuple[str, str]
"""A template's name and language: within one account they are the template."""


class Stop(Struct, frozen=True):
    name: str
    language: str
    code: int
    refusals: int
    """In a row."""
    until: dt.datetime
    lifted_at: dt.datetime | None = None
    """When it went on: it is remembered for a while."""

    @property
    def key(self) -> Key:
        return self.name, self.language


class _Named(Struct):
    type: str = ""
    name: str = ""
    language: str = ""


_named = msgspec.json.Decoder(_Named)

STOPS = query("outbound.template_stops", Stop)
WRITE = query("outbound.write_template_stops", Nothing)


class Templates:
    """What the account's rows say, and what answers have said since that is not written yet."""

    def __init__(self, waba_id: str) -> None:
        self._waba_id = waba_id
        self._rows: dict[Key, Stop] = {}
        self._probes: dict[Key, tuple[UUID, dt.datetime]] = {}
        """Attempts that went as probes, and when."""
        self._wrong: Counter[Key] = Counter()
        """Messages in a row that were at odds with their template."""
        self._unwritten: set[Key] = set()
        self._writing: list[Stop] = []

    async def load(self, tx: Tx) -> None:
        """As the rows say, but for what is not written yet."""
        kept = {key: self._rows[key] for key in self._unwritten}
        self._rows = {stop.key: stop for stop in await tx.all(STOPS, waba_id=self._waba_id)} | kept

    @property
    def any_stopped(self) -> bool:
        return any(stop.lifted_at is None for stop in self._rows.values())

    def wait_s(self, message: Candidate, now: dt.datetime, probes: Collection[Key] = ()) -> float:
        """Seconds until this may go; 0 when now. `probes` are being claimed in the same transaction."""
        if (stop := self._stop(message)) is None:
            return 0.0
        if stop.key in probes or self._probing(stop.key, now):
            return BEHIND_PROBE_S
        return max(0.0, (stop.until - now).total_seconds())

    def stopped(self, message: Candidate) -> set[Key]:
        """The template of this message, if it is stopped: what goes of it is its probe."""
        stop = self._stop(message)
        return set() if stop is None else {stop.key}

    def launched(self, claims: Sequence[Claim], now: dt.datetime) -> None:
        """These are committed, and go."""
        for claim in claims:
            for key in self.stopped(claim.message):
                self._probes[key] = claim.attempt_id, now

    def learn(self, claim: Claim, settlement: Settlement, now: dt.datetime) -> bool:
        """At once, before it is written. True when a template goes on."""
        if not (settlement.stop_template or self._probes or self._wrong) or (key := _key(claim.message)) is None:
            return False
        is_probe = self._probes.get(key, (None, now))[0] == claim.attempt_id
        if is_probe:
            del self._probes[key]
        stop = self._stop(claim.message)
        if settlement.stop_template:
            if is_probe or (stop is None and self._is_its_own(key, settlement)):  # else it was on the wire before the stop
                self._put(_stopped(key, settlement.code or 0, self._rows.get(key), now))
        elif settlement.attempt == "accepted":
            del self._wrong[key]
            if is_probe and stop is not None:
                self._put(replace(stop, lifted_at=now))
                return True
        return False

    def _is_its_own(self, key: Key, settlement: Settlement) -> bool:
        """Whether it is the template that is wrong, and not this message alone."""
        if settlement.code not in WRONG_PARAMETERS:
            return True
        self._wrong[key] += 1
        return self._wrong[key] >= WRONG_MOST

    def _put(self, stop: Stop) -> None:
        self._rows[stop.key] = stop
        self._unwritten.add(stop.key)

    async def write(self, tx: Tx) -> None:
        """What answers have said since the last time."""
        self._writing = [self._rows[key] for key in sorted(self._unwritten)]
        if self._writing:
            await tx.run(WRITE, waba_id=self._waba_id, stops=records(self._writing))

    def wrote(self) -> Iterable[Stop]:
        """What `write` wrote is committed: the templates that people should be told of."""
        self._unwritten -= {stop.key for stop in self._writing if self._rows[stop.key] is stop}
        told = [stop for stop in self._writing if stop.lifted_at is None and stop.refusals == 1]
        self._writing = []
        return told

    def _stop(self, message: Candidate) -> Stop | None:
        """The stop of this message's template, while it lasts."""
        if not self._rows or (key := _key(message)) is None:
            return None
        stop = self._rows.get(key)
        return stop if stop is not None and stop.lifted_at is None else None

    def _probing(self, key: Key, now: dt.datetime) -> bool:
        probe = self._probes.get(key)
        return probe is not None and now - probe[1] < dt.timedelta(seconds=PROBE_S)


def _stopped(key: Key, code: int, before: Stop | None, now: dt.datetime) -> Stop:
    """Its next stop, after the one before."""
    fresh = before is None or (before.lifted_at is not None and now - before.lifted_at > SOON)
    refusals = 1 if fresh or before is None else before.refusals + 1
    return Stop(*key, code, refusals, now + dt.timedelta(seconds=min(FIRST_S << min(refusals - 1, 10), MOST_S)))


def _key(message: Candidate) -> Key | None:
    """Which template this is; None when it is none."""
    if message.category == "service":
        return None
    named = _named.decode(message.content)
    return (named.name, named.language) if named.type == "template" else None
