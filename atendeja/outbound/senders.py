"""Which numbers this process sends for: a sender for each that has something due and whose lease can be had."""

import asyncio
from contextlib import AbstractContextManager
from uuid import UUID

import structlog
from msgspec import Struct

from atendeja import numbers, queue, tenants
from atendeja.db import query
from atendeja.errors import Refused, Unavailable
from atendeja.notify import notice
from atendeja.numbers import Number
from atendeja.outbound.lending import Lending, lending
from atendeja.outbound.sender import Sender, lease_name
from atendeja.queue import Bell
from atendeja.runtime import Runtime
from atendeja.tenants import Tenant

log = structlog.get_logger(__name__)

RETRY_S = 0.5
AT_ONCE = 4
"""So many senders may be in a transaction, first come, first served. The pool does not see to that: who gives a connection back and
asks again at once gets it before those who wait, and where many have much to send some never had a turn, nor had a reply."""


class DueNumber(Struct, frozen=True):
    tenant_id: int
    number_id: UUID


DUE = query("outbound.due", DueNumber)


class Senders:
    """The resident loop's work of the send stage: for every number with something due, see that it has a sender somewhere."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._senders: dict[UUID, Sender] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._unreadable: dict[UUID, bytes] = {}
        """Numbers whose token does not open, with that token: said once."""

    async def work(self) -> bool:
        """Start a sender for each due number whose lease we can have. Always False: nothing is left over."""
        if self._rt.stopping.is_set() or self._rt.guard.hold is not None:
            return False
        async with self._rt.db.session() as session:
            due = await session.all(DUE, at=self._rt.now())
        await queue.each(due, self._see_to)
        return False

    async def _see_to(self, wanted: DueNumber) -> None:
        if await self._has_sender(wanted.number_id):
            self._rt.bells.ring_number(wanted.number_id)
        else:
            await self._start(wanted)

    def lending(self) -> AbstractContextManager[Lending]:
        """For a transaction that queues messages and may claim them too."""
        return lending(self._senders, self._rt.who.boot, self._rt.guard.seen)

    def send_for(self, tenant_id: int) -> bool:
        """Whether a number of this tenant has its sender here."""
        return any(sender.tenant_id == tenant_id for sender in self._senders.values())

    def leases(self) -> set[str]:
        """The leases under which this process sends."""
        return {lease_name(number_id) for number_id in self._senders}

    async def _has_sender(self, number_id: UUID) -> bool:
        """Whether a sender of this process may send for it. One whose lease has run out goes on if nobody else had it since; else
        it claims no more, and records what it has in flight."""
        sender = self._senders.get(number_id)
        if sender is None or sender.leased:
            return sender is not None
        if await self._take_lease(number_id) == sender.term:
            return True
        self._forget(sender)
        sender.let_go()
        log.warning("sender_lost_lease", number_id=str(number_id))
        return False

    async def _take_lease(self, number_id: UUID) -> int | None:
        instant = self._rt.monotonic()
        async with self._rt.db.session() as session:
            return await self._rt.leases.take(session, lease_name(number_id), instant)

    async def drain(self) -> None:
        """Wait until every sender has recorded what it had in flight; when we are cancelled, they are."""
        for sender in self._senders.values():
            self._rt.bells.ring_number(sender.number_id)
        tasks = set(self._tasks)
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _start(self, wanted: DueNumber) -> None:
        """Read the token before asking for the lease: a process that cannot send must not keep another from sending."""
        async with self._rt.db.session() as session:
            owner = await session.all(tenants.BY_IDS, ids=[wanted.tenant_id])
        found = await self._rt.db.transact(wanted.tenant_id, lambda tx: numbers.load(tx, [wanted.number_id]))
        if (token := self._read_token(owner[0], found[0])) is None:
            return
        if (term := await self._take_lease(wanted.number_id)) is None:
            self._rt.bells.send_elsewhere(wanted.number_id)
            return
        bell = self._rt.bells.numbers[wanted.number_id] = Bell()
        sender = self._senders[wanted.number_id] = Sender(self._rt, owner[0], found[0], token, bell, term, self._turns)
        task = asyncio.get_running_loop().create_task(self._keep(sender))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _read_token(self, owner: Tenant, number: Number) -> str | None:
        """None, with a notice the first time, when no SECRET_KEY opens it."""
        try:
            return numbers.read_token(owner, number, self._rt.config.secret_keys)
        except Refused as error:
            if self._unreadable.get(number.id) != number.token:
                self._unreadable[number.id] = number.token
                notice(self._rt.meter, "number_stopped", tenant_id=owner.id, number_id=str(number.id), why=str(error))
            return None

    async def _keep(self, sender: Sender) -> None:
        """A sender that fails goes on with what it holds: outcomes are in its memory until they are recorded."""
        try:
            while (error := await queue.outcome(sender.run())) is not None:
                self._rt.meter.count("loops_ended", label="send")
                log.warning("sender_failed", error=type(error).__name__, exc_info=None if isinstance(error, Unavailable) else error)
                await asyncio.sleep(RETRY_S)
        finally:
            await sender.close()
        self._forget(sender)

    def _forget(self, sender: Sender) -> None:
        if self._senders.get(sender.number_id) is sender:
            del self._senders[sender.number_id]
            self._rt.leases.forget(lease_name(sender.number_id))
            self._rt.bells.numbers.pop(sender.number_id, None)
