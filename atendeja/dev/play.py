"""Playing golden conversations to the real server: a customer writes through a signed webhook, and the replies that reach the
simulator must be those that the engine gives on paper, one by one, none missing and none more.

A conversation is rehearsed on paper first, at the present time: one that needs the clock to move, a contact with a past, or
another date than today's cannot be played live and is left out, and said so.
"""

import asyncio
import contextlib
import datetime as dt
import secrets

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from atendeja.flow import engine, testing
from atendeja.flow import session as s
from atendeja.flow.golden import In, Sent, Test
from atendeja.flow.model import Flow
from atendeja.flow.run import choices
from atendeja.simulator import Incoming, Simulator
from atendeja.simulator.feed import Bubble, Ticked, Watcher
from atendeja.wa import content as wa
from atendeja.wa import request

REPLY_S = 10.0
QUIET_S = 0.3
STATUSES_S = 2.0
NAMES = ("Ana", "Bia", "Caio", "Duda", "Edu", "Flávia", "Gil", "Helena")

Reply = wa.Text | wa.Buttons | wa.Options


class Line(Struct):
    """One thing the customer sends, and what must come back."""

    given: s.Input
    shown: str
    replies: list[Reply]


class Rehearsal(Struct):
    """A conversation as it goes on paper, now, with a customer of this name."""

    flow: str
    test: str
    customer: str
    lines: list[Line]


class Got(Struct):
    """A reply that reached the customer."""

    wamid: str
    text: str
    ms: float
    expected: bool
    tick: str = ""


class Played(Struct):
    """How a conversation went: for each line the replies that came, and what is wrong."""

    rehearsal: Rehearsal
    got: list[list[Got]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[Got] = field(default_factory=list)

    @property
    def replies(self) -> list[Got]:
        return [g for line in self.got for g in line] + self.unexpected

    @property
    def good(self) -> bool:
        return not self.missing and not self.unexpected and all(g.expected for g in self.replies)


def rehearse(flow: Flow, test: Test, business: str, business_phone: str, name: str, now: dt.datetime) -> Rehearsal | None:
    """Play a test on paper at `now`; None when it cannot be played live, or does not go as written at this date."""
    if testing.needs_clock(test.steps) or test.contact.tags or test.contact.fields:
        return None
    today = replace(test, now=now, contact=replace(test.contact, name=name))
    if not testing.run(msgspec.structs.replace(flow, tests=[today]))[0].passed:
        return None
    program, session, owner, tags = engine.compile(flow, "rehearsal"), None, "bot", list[str]()
    rehearsal, labels = Rehearsal(flow.key, test.name, name, []), dict[str, str]()
    for n, sent in enumerate(step.in_ for step in test.steps if isinstance(step, In)):
        given = sent.input(str(n), labels)
        facts = s.Facts(
            name=name,
            tags=tags,
            business_name=business,
            business_phone=business_phone,
            owner="human" if owner == "human" else "bot",
        )
        answer = engine.answer([program], session, program, given, facts, now, f"session-{n}")
        session = answer.session if answer.session is not None and answer.session.live else None
        replies = [e.content for e in answer.effects if isinstance(e, s.Say)]
        owner = "human" if any(isinstance(e, s.Handoff) for e in answer.effects) else owner
        labels |= {id_: label for reply in replies for id_, label in choices(reply)}
        rehearsal.lines.append(Line(given, _shown(given, sent), replies))
    return rehearsal


def _shown(given: s.Input, sent: Sent) -> str:
    return f"[{given.text}]" if given.kind in ("button", "list") else str(sent)


def show(content: Reply) -> str:
    """A message as one line: its text, and what can be tapped."""
    labels = " | ".join(label for _, label in choices(content))
    return content.body.replace("\n", " ⏎ ") + (f" [{labels}]" if labels else "")


async def play(simulator: Simulator, phone_number_id: str, rehearsal: Rehearsal) -> Played:
    """Play it live with a new customer, and note every reply that comes."""
    phone = f"55119{secrets.randbelow(10**8):08d}"
    watcher = simulator.board.feed.watch()
    inbox: asyncio.Queue[Bubble] = asyncio.Queue()
    ticks, moved = dict[str, str](), asyncio.Event()
    reading = asyncio.get_running_loop().create_task(_read(watcher, phone, inbox, ticks, moved))
    played = Played(rehearsal)
    try:
        for line in rehearsal.lines:
            await _say(simulator, phone_number_id, phone, rehearsal.customer, line, inbox, played)
        await _listen_on(inbox, played)
        await _await_ticks(played, ticks, moved)
    finally:
        simulator.board.feed.leave(watcher)
        reading.cancel()
    return played


async def _read(watcher: Watcher, phone: str, inbox: "asyncio.Queue[Bubble]", ticks: dict[str, str], moved: asyncio.Event) -> None:
    """Sort what the simulator shows: replies to this customer, and how far each has come."""
    mine: set[str] = set()
    while (event := await watcher.get()) is not None:
        if isinstance(event, Bubble) and event.by == "business" and phone in event.customer:
            mine.add(event.wamid)
            await inbox.put(event)
        elif isinstance(event, Ticked) and event.wamid in mine:
            ticks[event.wamid] = event.tick
            moved.set()


async def _say(
    simulator: Simulator, phone_number_id: str, phone: str, name: str, line: Line, inbox: "asyncio.Queue[Bubble]", played: Played
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await simulator.receive(Incoming(phone_number_id=phone_number_id, content=_content(line.given), from_=phone, name=name))
    got: list[Got] = []
    for expected in line.replies:
        try:
            bubble = await asyncio.wait_for(inbox.get(), REPLY_S)
        except TimeoutError:
            played.missing.append(show(expected))
            continue
        text, fits = _compare(bubble, expected)
        got.append(Got(bubble.wamid, text, (loop.time() - began) * 1000, fits))
    played.got.append(got)


async def _listen_on(inbox: "asyncio.Queue[Bubble]", played: Played) -> None:
    """Whatever comes after the last line was not expected."""
    try:
        while True:
            bubble = await asyncio.wait_for(inbox.get(), QUIET_S)
            played.unexpected.append(Got(bubble.wamid, bytes(bubble.message).decode(), 0.0, expected=False))
    except TimeoutError:
        return


async def _await_ticks(played: Played, ticks: dict[str, str], moved: asyncio.Event) -> None:
    """Give the statuses of the last replies the time they take."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STATUSES_S):
            while any(ticks.get(g.wamid) != "read" for g in played.replies):
                moved.clear()
                await moved.wait()
    for got in played.replies:
        got.tick = ticks.get(got.wamid, "")


def _compare(bubble: Bubble, expected: Reply) -> tuple[str, bool]:
    """What came, as one line, and whether it is the reply that was expected, tapped ids and all."""
    came = msgspec.json.decode(bubble.message, type=dict[str, object])
    wanted = request.build(expected, wa.Recipient(phone="0"))
    kind = str(wanted["type"])
    fits = came.get("type") == kind and came.get(kind) == wanted[kind]
    return show(expected) if fits else bytes(bubble.message).decode(), fits


def _content(given: s.Input) -> dict[str, object]:
    """The input as the customer's telephone sends it."""
    match given.kind:
        case "text":
            return {"type": "text", "text": {"body": given.text}}
        case "button" | "list":
            tapped = {"id": given.id, "title": given.text}
            return {"type": "interactive", "interactive": {"type": f"{given.kind}_reply", f"{given.kind}_reply": tapped}}
        case "location":
            return {"type": "location", "location": dict(given.data or {})}
        case "image" | "audio" | "document":
            media = {
                "id": secrets.token_hex(8),
                "mime_type": {"image": "image/jpeg", "audio": "audio/ogg", "document": "application/pdf"}[given.kind],
            }
            return {"type": given.kind, given.kind: media | ({"caption": given.text} if given.text else {})}
        case kind:
            return {"type": kind, kind: dict(given.data or {})}
