"""Templates that WhatsApp has stopped: paused, disabled, missing, or at odds with the parameters that we fill in.

The account's messages of such a template wait, all others go. After a while one of them goes as a probe, and what comes of it
decides: accepted, the template goes on; refused, it waits twice as long as before.
"""

import datetime as dt
from collections.abc import Iterable
from uuid import UUID

import msgspec
from msgspec import Struct

from atendeja.db import Nothing, Tx, query, records
from atendeja.outbound.outcomes import Claim
from atendeja.outbound.protocol import Candidate, Settlement

FIRST_S = 60
MOST_S = 3600
"""Seconds until the first probe; twice as many after each refusal, up to the most."""
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

    @property
    def key(self) -> Key:
        return self.name, self.language


class _Named(Struct):
    type: str = ""
    name: str = ""
    language: str = ""


_named = msgspec.json.Decoder(_Named)

STOPS = query("outbound.template_stops", Stop)
STOP = query("outbound.stop_template", Nothing)
GO_ON = query("outbound.go_on_with_template", Nothing)


class Templates:
    """What the account's rows say, and what answers have said since that is not written yet."""

    def __init__(self, waba_id: str) -> None:
        self._waba_id = waba_id
        self._stops: dict[Key, Stop] = {}
        self._probes: dict[Key, tuple[UUID, dt.datetime]] = {}
        """Attempts that went as probes, and when."""
        self._unwritten: set[Key] = set()
        self._writing: dict[Key, Stop | None] = {}
        """What the rows say when the transaction that writes is committed."""

    async def load(self, tx: Tx) -> None:
        """As the rows say, but for what is not written yet."""
        kept = {key: stop for key, stop in self._stops.items() if key in self._unwritten}
        rows = await tx.all(STOPS, waba_id=self._waba_id)
        self._stops = {stop.key: stop for stop in rows if stop.key not in self._unwritten} | kept

    def wait_s(self, message: Candidate, now: dt.datetime) -> float:
        """Seconds until this may go; 0 when now."""
        if not self._stops or (stop := self._stop(message)) is None:
            return 0.0
        if self._probing(stop.key, now):
            return BEHIND_PROBE_S
        return max(0.0, (stop.until - now).total_seconds())

    def claimed(self, claim: Claim, now: dt.datetime) -> None:
        """This goes: of a template that is stopped as its probe."""
        if self._stops and (stop := self._stop(claim.message)) is not None:
            self._probes[stop.key] = claim.attempt_id, now

    def learn(self, claim: Claim, settlement: Settlement, now: dt.datetime) -> bool:
        """At once, before it is written. True when a template goes on."""
        if not (settlement.stop_template or self._probes) or (key := _key(claim.message)) is None:
            return False
        stop, (probe, _) = self._stops.get(key), self._probes.get(key, (None, now))
        if probe == claim.attempt_id:
            del self._probes[key]
        if settlement.stop_template and (stop is None or probe == claim.attempt_id):  # else it was on the wire before the stop
            refusals = 1 if stop is None else stop.refusals + 1
            wait = dt.timedelta(seconds=min(FIRST_S << min(refusals - 1, 10), MOST_S))
            self._stops[key] = Stop(*key, settlement.code or 0, refusals, now + wait)
            self._unwritten.add(key)
        elif probe == claim.attempt_id and settlement.attempt == "accepted" and stop is not None:
            del self._stops[key]
            self._unwritten.add(key)
            return True
        return False

    async def write(self, tx: Tx) -> None:
        """What answers have said since the last time."""
        self._writing = {key: self._stops.get(key) for key in sorted(self._unwritten)}
        if stops := [stop for stop in self._writing.values() if stop is not None]:
            await tx.run(STOP, waba_id=self._waba_id, stops=records(stops))
        if gone := [key for key, stop in self._writing.items() if stop is None]:
            names, languages = zip(*gone, strict=True)
            await tx.run(GO_ON, waba_id=self._waba_id, names=list(names), languages=list(languages))

    def wrote(self) -> Iterable[Stop]:
        """What `write` wrote is committed: the templates that people should be told of."""
        self._unwritten -= {key for key, stop in self._writing.items() if self._stops.get(key) is stop}
        told = [stop for stop in self._writing.values() if stop is not None and stop.refusals == 1]
        self._writing = {}
        return told

    def _stop(self, message: Candidate) -> Stop | None:
        key = _key(message)
        return None if key is None else self._stops.get(key)

    def _probing(self, key: Key, now: dt.datetime) -> bool:
        probe = self._probes.get(key)
        return probe is not None and now - probe[1] < dt.timedelta(seconds=PROBE_S)


def _key(message: Candidate) -> Key | None:
    """Which template this is; None when it is none."""
    if message.category == "service":
        return None
    named = _named.decode(message.content)
    return (named.name, named.language) if named.type == "template" else None
