"""Wake-ups between processes: a word says where there is something to look for, and every worker on the database hears it.

Problem: a ring is heard in one process, and what it is about is often another's to do, who holds the lease of digest or of a
number's sender: the work would wait for that one's sweep. Choice: whoever rings for what is elsewhere tells the word to all, by
NOTIFY on one channel; each worker listens on a connection of its own. Every commit with a NOTIFY in it takes one lock of the whole
database, so it is a statement of its own after the COMMIT, each word at most every 50 ms and once after it was last said; and
nothing is told where the lease is here. Refused: a job for each (2 ms of CPU, and whichever worker is free takes it), and calling
the holder (addresses, ports and secrets between processes).
A word is a stage, or a number's id: nothing of a tenant. It may be lost: who was deaf for a while looks everywhere, and the sweep
looks anyway.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct

from atendeja import db
from atendeja.db import Database, Session, query
from atendeja.errors import Unavailable

log = structlog.get_logger(__name__)

CHANNEL = "atendeja"
EVERYTHING = "everything"
"""Leases may have become free, or words have been missed: look at everything that could be yours."""
EVERY_S = 0.05
PROBE_EVERY_S = 3.0
PROBE_S = 2.0
"""A connection that does not answer for so long is given up: it may be cut without either end knowing."""


class Told(Struct):
    word: str


class Alive(Struct):
    alive: int


TELL = query("broadcast.tell", Told)
PROBE = query("broadcast.probe", Alive)


async def tell(session: Session, words: Sequence[str]) -> None:
    """Say these to all processes on the database, now."""
    await session.all(TELL, channel=CHANNEL, words=words)


class Throttle:
    """Which words may be told now: each at most every 50 ms, and once after it was last said. Pure, over a monotonic clock."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._told: dict[str, float] = {}

    def say(self, word: str) -> None:
        self._said.add(word)

    def take(self, now: float) -> list[str]:
        """The words to tell now."""
        self._told = {word: at for word, at in self._told.items() if now - at < EVERY_S}
        words = sorted(self._said - self._told.keys())
        self._said.difference_update(words)
        self._told |= dict.fromkeys(words, now)
        return words

    def wait_s(self, now: float) -> float | None:
        """Seconds until a word that was said may be told; None when there is none."""
        return min((max(0.0, self._told.get(word, now - EVERY_S) + EVERY_S - now) for word in self._said), default=None)


class Broadcast:
    """The words that this process says to all, itself included, and the connection on which it hears them."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._throttle = Throttle()
        self._sums: Counter[str] = Counter()
        """Of words that say how many: they are summed up until they are told."""
        self._telling: asyncio.Task[None] | None = None

    def tell(self, word: str, n: int = 0) -> None:
        """Tell all, soon; with `n` that so many more are meant. Never waits and never fails."""
        self._throttle.say(word)
        self._sums[word] += n
        if self._telling is None or self._telling.done():
            self._telling = asyncio.get_running_loop().create_task(self._tell(), name="tell")

    async def told(self) -> None:
        """Wait until what has been said is told."""
        if self._telling is not None:
            await self._telling

    async def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        while (wait_s := self._throttle.wait_s(loop.time())) is not None:
            await asyncio.sleep(wait_s)
            if not (words := self._throttle.take(loop.time())):
                continue  # the timer was early
            try:
                async with self._db.session() as session:
                    await tell(session, [self._with_sum(word) for word in words])
            except Unavailable as error:
                log.warning("words_not_told", error=str(error))  # the others' sweeps look anyway

    def _with_sum(self, word: str) -> str:
        n = self._sums.pop(word, 0)
        return f"{word}:{n}" if n else word

    async def listen(self, dsn: str, hear: Callable[[str], None], beat: Callable[[], None] = lambda: None) -> None:
        """Hear what is told, for as long as the connection lives: always ends with Unavailable, and is to be begun again. `beat` is
        called as long as it does.

        What was told before is lost, so everything is looked at first.
        """
        async with db.listening(dsn, CHANNEL, hear) as session:
            hear(EVERYTHING)
            while True:
                beat()
                await asyncio.sleep(PROBE_EVERY_S)
                async with asyncio.timeout(PROBE_S):
                    await session.one(PROBE)
