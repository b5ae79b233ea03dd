"""A shop with its sender and a simulator to send to; statuses come back only when a test posts them."""

import asyncio
import datetime as dt
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from atendeja import outbound
from atendeja.db import Tx
from atendeja.outbound import Fallback, Outgoing
from atendeja.outbound.senders import Senders
from atendeja.runtime import Runtime
from atendeja.simulator import Simulator
from atendeja.simulator.faults import Fault
from atendeja.simulator.witness import Line
from atendeja.turn.take import Turns
from atendeja.wa.content import Content, Text
from tests import world
from tests.turn.shop import Shop

ANA, BIA, CAI = "5511900000001", "5511900000002", "5511900000003"

Category = Literal["service", "utility", "authentication", "marketing"]


class Office(Shop):
    """`put` queues, `open` starts the senders, `close` ends them as SIGTERM does, `crash` as a kill would."""

    def __init__(self, rt: Runtime, made: world.World, admin: asyncpg.Connection, simulator: Simulator) -> None:
        super().__init__(rt, made, admin)
        self.simulator, self.senders = simulator, Senders(rt)
        self.turns = Turns(rt, self.senders)
        self._no = 0
        rt.monotonic = lambda: time.monotonic() + self._ahead.total_seconds()

    async def hold_door(self, until: str = "1 day") -> None:
        """A process takes webhooks, as far as the others can tell."""
        await self.admin.execute(
            "INSERT INTO lease (name, holder, boot, until) "
            "VALUES ('door:x', gen_random_uuid(), gen_random_uuid(), now() + $1::text::interval) "
            "ON CONFLICT (name) DO UPDATE SET until = excluded.until",
            until,
        )

    def later(self, **span: float) -> None:
        """Move the clock on, while a worker renews what it holds."""
        super().later(**span)
        held = self.rt.leases._until
        held.update({name: until + dt.timedelta(**span).total_seconds() for name, until in held.items()})

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def put(
        self,
        *contents: Content | str,
        to: str = ANA,
        category: Category = "service",
        source: Literal["turn", "api"] = "api",
        fallback: Fallback | None = None,
    ) -> None:
        """Queue these (texts, where they are words) for a customer, who wrote just before the first of them, in one transaction."""
        if not await self.rows("SELECT id FROM contact WHERE wa_id = $1", to):
            await self.says("oi", to)
        talk = await self.talk(to)
        self._no += 1
        messages = [
            Outgoing(
                talk["number_id"], talk["contact_id"], talk["id"], source, UUID(int=self._no), 0, i,
                Text(content) if isinstance(content, str) else content,
                category=category, fallback=fallback,
            )
            for i, content in enumerate(contents)
        ]  # fmt: skip

        async def work(tx: Tx) -> None:
            await outbound.put(tx, messages, self.now, self.rt.new_id)

        await self.rt.db.transact(self.a, work)
        self.ring()

    def ring(self) -> None:
        for bell in self.rt.bells.numbers.values():
            bell.ring()

    async def open(self) -> None:
        """One look of the stage that starts senders."""
        await self.senders.work()

    async def close(self) -> None:
        """Stop as the worker does."""
        self.rt.stopping.set()
        await asyncio.wait_for(self.senders.drain(), 10)

    async def crash(self) -> None:
        """The process is gone, with all it had in memory; another begins in its directory."""
        tasks = set(self.senders._tasks)
        flights = {flight for sender in self.senders._senders.values() for flight in sender._flights}
        for task in tasks | flights:
            task.cancel()
        await asyncio.gather(*tasks, *flights, return_exceptions=True)
        self.rt.bells.numbers.clear()
        self.senders = Senders(self.rt)
        self.turns = Turns(self.rt, self.senders)

    def fault(self, do: str, value: float | None = None, *, times: int | None = 1, **match: object) -> None:
        """Break the answers to some sends."""
        self.simulator.board.faults.add(msgspec.convert({"do": do, "value": value, "times": times, "match": match}, Fault))

    async def status(self, *lines: Line | str, callback: bool = True, code: int | None = None) -> None:
        """WhatsApp reports on messages that the simulator has, in one body; the last argument is the status."""
        reports = [self._report(line, str(lines[-1]), callback, code) for line in lines if isinstance(line, Line)]
        await self.hear(world.envelope(world.A, {"statuses": reports}))

    def _report(self, line: Line, status: str, callback: bool, code: int | None) -> dict[str, Any]:
        report: dict[str, Any] = {
            "id": line.wamid or "wamid.of-a-refused-one",
            "status": status,
            "timestamp": str(int(time.time())),
            "recipient_id": line.to.lstrip("+"),
        }
        report |= {"biz_opaque_callback_data": line.opaque} if callback else {}
        return report | ({"errors": [{"code": code, "title": "x"}]} if code else {})

    # ── what is seen ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def posts(self) -> list[Line]:
        """What the simulator has been sent, in order: its witness."""
        return [msgspec.json.decode(raw, type=Line) for raw in self.simulator.board.witness.read(0, 10_000)]

    async def messages(self, to: str | None = None) -> list[dict[str, Any]]:
        """The messages, in the order in which they were put."""
        return await self.rows(
            "SELECT m.*, m.content->>'body' AS body FROM message m JOIN contact c ON c.id = m.contact_id "
            "WHERE $1::text IS NULL OR c.wa_id = $1 ORDER BY m.source_id, m.ordinal", to
        )  # fmt: skip

    async def states(self, to: str | None = None) -> list[str]:
        return [message["state"] for message in await self.messages(to)]

    async def attempts(self) -> list[str]:
        """The states of all attempts, by time."""
        return [row["state"] for row in await self.rows("SELECT state FROM attempt ORDER BY claimed_at, n")]

    async def until(self, states: Sequence[str] | str, to: str | None = None, timeout_s: float = 20) -> None:
        """Wait for the messages to be in these states (one: all of them)."""
        found: list[str] = []
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    found = await self.states(to)
                    if found and (set(found) == {states} if isinstance(states, str) else found == list(states)):
                        return
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"still {Counter(found)}, attempts {Counter(await self.attempts())}") from None
