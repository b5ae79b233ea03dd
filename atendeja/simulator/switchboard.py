"""What happens between a customer's phone and the app: everything of the simulator but HTTP."""

import asyncio
import base64
import hashlib
import secrets
import time
from itertools import count

from msgspec import Raw, Struct, field

from atendeja.errors import Refused
from atendeja.simulator import answers, changes, uploads
from atendeja.simulator.answers import Answer
from atendeja.simulator.bodies import BSUID, PHONE, Invalid, Read, Send, read
from atendeja.simulator.faults import Fault, Faults
from atendeja.simulator.feed import Bubble, Feed, Side, Tick
from atendeja.simulator.settings import Number, Settings
from atendeja.simulator.uploads import Form, Upload
from atendeja.simulator.webhooks import Webhooks
from atendeja.simulator.witness import Line, Witness
from atendeja.simulator.world import DEFAULT_NUMBER, Customer, World


class Incoming(Struct, forbid_unknown_fields=True):
    """A customer's message to send: `from` (phone) or `user_id` (BSUID, phone hidden), and Meta's `content`."""

    phone_number_id: str
    content: dict[str, object]
    """`type`, the object named like it, perhaps `context: {id}`."""
    from_: str | None = field(default=None, name="from")
    user_id: str | None = None
    name: str | None = None
    username: str | None = None
    timestamp: float | None = None
    """When it was written, unix seconds; now if None."""
    wait: bool = False
    """Whether to answer only when the app has answered the webhook with 200."""


class Tally(Struct):
    """Sends since the start or the last reset."""

    accepted: int = 0
    refused: int = 0
    reads: int = 0
    received: int = 0
    """Customers' messages."""


class Switchboard:
    """Takes the app's messages and the customers', and reports each to the other side."""

    def __init__(self, settings: Settings) -> None:
        self.world = World(settings)
        self.faults = Faults()
        self.feed = Feed()
        self.witness = Witness(settings.log)
        self.webhooks = Webhooks(self.world, self._posted)
        self.tally = Tally()
        self._serial = count(1)
        self._prefix = secrets.token_hex(6)
        self._media_prefix = 10**6 + secrets.randbelow(9 * 10**6)

    @property
    def settings(self) -> Settings:
        return self.world.settings

    def change(self, settings: Settings) -> None:
        """Go on with these settings."""
        for number in settings.numbers:
            self.world.numbers[number.phone_number_id] = number
        self.world.settings = settings

    def reset(self) -> None:
        """Forget customers, limits, faults, disorder and webhooks that wait; the witness forgets nothing."""
        self.world.forget()
        self.faults.rules.clear()
        self.webhooks.reset()
        self.tally = Tally()
        self.feed.reset()

    def numbers(self) -> list[Number]:
        """The numbers a customer can write to."""
        return list(self.world.numbers.values()) or [DEFAULT_NUMBER]

    # A customer writes.

    async def receive(self, incoming: Incoming) -> str:
        """Deliver a customer's message as a webhook and return its wamid. Raises Refused when it makes no sense."""
        number = self.world.number(incoming.phone_number_id)
        if number is None:
            raise Refused("unknown_number", f"no number {incoming.phone_number_id!r}")
        customer = self._customer(incoming)
        kind = incoming.content.get("type")
        if not isinstance(kind, str) or (kind not in incoming.content and kind not in ("unsupported", "request_welcome")):
            raise Refused("bad_content", "content needs a `type`, and the object named like it")
        now = time.time()
        at = now if incoming.timestamp is None else incoming.timestamp
        wamid = self._wamid("in")
        self.world.heard(number, customer, at, now)
        self.tally.received += 1
        self._show(customer, number, wamid, "customer", Raw(answers.encode(incoming.content)), now)
        done = asyncio.get_running_loop().create_future() if incoming.wait and self.settings.webhook_url else None
        self.webhooks.put(changes.inbound(number, customer, wamid, at, incoming.content), done=done)
        if done is not None:
            await done
        return wamid

    def _customer(self, incoming: Incoming) -> Customer:
        if incoming.from_ is None and incoming.user_id is None:
            raise Refused("bad_sender", "one of `from` and `user_id` is needed")
        if incoming.from_ is not None and not PHONE.fullmatch(incoming.from_):
            raise Refused("bad_sender", f"`from` is not a phone: {incoming.from_!r}")
        if incoming.user_id is not None and not BSUID.fullmatch(incoming.user_id):
            raise Refused("bad_sender", f"`user_id` is not a business-scoped user id: {incoming.user_id!r}")
        return self.world.customer(incoming.from_, incoming.user_id, incoming.name, incoming.username)

    # The app sends.

    async def send(self, phone_number_id: str, raw: bytes) -> tuple[Answer, Fault | None]:
        """Take the body of a POST to `…/messages`: what to answer, and the fault with which to spoil the answer."""
        now = time.time()
        number = self.world.number(phone_number_id)
        if number is None:
            return answers.unknown_id(phone_number_id, "post"), None
        try:
            body = read(raw)
        except Invalid as error:
            self.tally.refused += 1
            return answers.error(error.code, error.details), None
        if isinstance(body, Read):
            self.tally.reads += 1
            return answers.success(), None
        return await self._judge(number, body, raw, now)

    async def _judge(self, number: Number, send: Send, raw: bytes, now: float) -> tuple[Answer, Fault | None]:
        line = _line(number, send, raw, now)
        fault = self.faults.take(number.phone_number_id, send, raw, accepted=False)
        customer = self.world.addressee(send)
        code = None if fault else self.world.refusal(number, send, customer, now)
        if fault is not None:
            line.answer = fault.do
            answer = answers.error(int(fault.value or 131000)) if fault.do == "code" else answers.error(131000)
        elif code is not None:
            line.answer = str(code)
            answer = answers.error(code)
        else:
            fault = self.faults.take(number.phone_number_id, send, raw, accepted=True)
            line.answer, line.wamid = fault.do if fault else "ok", self._wamid("out")
            answer = self._accepted(send, customer, line.wamid, held=fault is not None and fault.do == "held")
        await self.witness.add(line)
        self._count(line.wamid)
        if line.wamid is not None and customer is not None:
            self._show(customer, number, line.wamid, "business", Raw(raw), now, "accepted")
            self._report(number, customer, send, line.wamid, fault)
        return answer, fault

    def _count(self, wamid: str | None) -> None:
        if wamid is None:
            self.tally.refused += 1
        else:
            self.tally.accepted += 1

    def _accepted(self, send: Send, customer: Customer | None, wamid: str, *, held: bool) -> Answer:
        told = "held_for_quality_assessment" if held else "accepted" if send.type == "template" else None
        named = send.to or send.recipient or ""
        by_phone = customer is not None and send.to is not None
        return answers.sent(
            named,
            wa_id=customer.wa_id if customer is not None and by_phone else None,
            user_id=customer.user_id if customer is not None else named,
            wamid=wamid,
            message_status=told,
        )

    def _report(self, number: Number, customer: Customer, send: Send, wamid: str, fault: Fault | None) -> None:
        """Order the statuses of an accepted message. A reaction is only `sent`."""
        settings, opaque = self.settings, send.biz_opaque_callback_data
        if fault is not None and fault.do == "failed":
            code = int(fault.value or 131026)
            self._later(settings.sent_s or 0, number, customer, wamid, opaque, "failed", code=code)
            return
        held_s = (fault.value or 60) if fault is not None and fault.do == "held" else 0
        waits: list[tuple[Tick, float | None]] = [("sent", settings.sent_s)]
        if send.type != "reaction":
            waits += [("delivered", settings.delivered_s), ("read", settings.read_s)]
        for kind, wait_s in waits:
            if wait_s is not None:
                self._later(wait_s + held_s, number, customer, wamid, opaque, kind, template=send.type == "template")

    def _later(
        self,
        wait_s: float,
        number: Number,
        customer: Customer,
        wamid: str,
        opaque: str | None,
        kind: Tick,
        *,
        template: bool = False,
        code: int = 0,
    ) -> None:
        at = time.time() + wait_s
        if kind == "failed":
            change = changes.failed(number, customer, wamid, code, at, opaque)
        else:
            change = changes.status(number, customer, wamid, kind, at, opaque, template=template)
        self.webhooks.put(change, wait_s)
        asyncio.get_running_loop().call_later(wait_s, self.feed.tick, wamid, kind)

    # The app uploads.

    async def upload(self, phone_number_id: str, content_type: str, raw: bytes) -> tuple[Answer, Fault | None]:
        """Take the form of a POST to `…/media`: what to answer, and the fault with which to spoil the answer."""
        now = time.time()
        number = self.world.number(phone_number_id)
        if number is None:
            return answers.unknown_id(phone_number_id, "post"), None
        try:
            form = await uploads.read(content_type, raw)
        except Invalid as error:
            return answers.error(error.code, error.details), None
        return self._judge_upload(number, form, raw, now)

    def _judge_upload(self, number: Number, form: Form, raw: bytes, now: float) -> tuple[Answer, Fault | None]:
        upload = Upload(round(now, 6), number.phone_number_id, form.mime, form.filename, form.size, form.sha256)
        self.world.uploads.append(upload)
        fault = self.faults.take(number.phone_number_id, None, raw, accepted=False)
        if fault is not None:
            upload.answer = fault.do
            return answers.error(int(fault.value or 131000) if fault.do == "code" else 131000), fault
        if (refused := uploads.refusal(form)) is not None:
            upload.answer = "131053"
            return answers.error(131053, refused), None
        fault = self.faults.take(number.phone_number_id, None, raw, accepted=True)
        upload.answer, upload.id = fault.do if fault else "ok", f"{self._media_prefix}{next(self._serial):08d}"
        self.world.media[upload.id] = upload
        return answers.uploaded(upload.id), fault

    def delete(self, media_id: str) -> Answer:
        """Forget an uploaded file."""
        known = self.world.media.get(media_id)
        if known is None or known.deleted:
            return answers.unknown_id(media_id, "delete")
        known.deleted = True
        return answers.success()

    def _show(self, customer: Customer, number: Number, wamid: str, by: Side, message: Raw, at: float, tick: Tick = "") -> None:
        self.feed.add(customer, Bubble(wamid, customer.key, number.phone_number_id, by, message, at, tick))

    def _posted(self, body: bytes, status: int | None) -> None:
        self.feed.exchange("webhook", "POST webhook", body, status)

    def _wamid(self, way: str) -> str:
        """A new id, never given before, not even by another process."""
        return "wamid." + base64.b64encode(f"{way}-{self._prefix}-{next(self._serial):08d}".encode()).decode()


def _line(number: Number, send: Send, raw: bytes, now: float) -> Line:
    """The witness's line of a message, not judged yet."""
    return Line(
        seq=0,
        at=round(now, 6),
        phone_number_id=number.phone_number_id,
        to=send.to or send.recipient or "",
        sha256=hashlib.sha256(raw).hexdigest(),
        opaque=send.biz_opaque_callback_data,
        wamid=None,
        answer="",
    )
