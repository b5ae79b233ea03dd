"""What a turn decides, without a database: inputs from events, who has the conversation, which timer rings first."""

import datetime as dt
from collections.abc import Iterator
from itertools import count
from typing import cast
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from atendeja.flow import document, engine
from atendeja.flow import session as flow
from atendeja.turn.decide import HUMAN_FOR, Decision, Situation, Talk, Unhandled, decide, read_input
from atendeja.wa import messages as wa
from tests.turn.shop import HEAD, PERSON

NOW = dt.datetime(2027, 3, 10, 13, tzinfo=dt.UTC)
ASKING = """
  a:
    do: [{say: {text: "Qual o nome?"}}]
    wait: {reply: [text], timeout: 10m}
    route: [{timeout: true, to: aviso}, {any: true, to: fim}]
  aviso:
    do: [{say: {text: "Ainda aí?"}}]
    wait: {reply: [text]}
    route: [{any: true, to: fim}]
  fim: {do: [{say: {text: "Pronto."}}, {end: {}}]}
"""

_ids = (UUID(int=i) for i in count(1000))


def new_id() -> UUID:
    return next(cast("Iterator[UUID]", _ids))


def event(content: object = None, *, at: dt.datetime = NOW, arrival: int = 1, **more: object) -> Unhandled:
    kept = msgspec.json.encode({"content": content if content is not None else wa.Text("oi"), **more})
    return Unhandled(new_id(), f"w{arrival}", arrival, 0, msgspec.Raw(kept), at)


def talk(*events: Unhandled, program: engine.Program | None = None, **more: object) -> Talk:
    program = program or engine.compile(document.load(f"{HEAD.format(key='p')}nodes:{ASKING}{PERSON}", "p"), str(UUID(int=9)))
    base = Talk(UUID(int=2), UUID(int=1), UUID(int=3), "open", "bot", None, None, 4, 7, None, program, [program], events)
    return replace(base, **more)


def decided(one: Talk, now: dt.datetime = NOW) -> Decision:
    return decide(Situation(UUID(int=1), flow.Facts(), [one]), now, new_id).decisions[0]


def said(decision: Decision) -> list[str]:
    return [say.content.body for say in decision.says]


def waiting(now: dt.datetime = NOW) -> Talk:
    """A conversation whose session asked for a name at `now`."""
    first = decided(talk(event(at=now)), now)
    (session,) = first.sessions.values()
    return replace(first.talk, session=session, events=[], turn_no=5)


# ── what an event is to the flow ───────────────────────────────────────────────────────────────────────────────────────────

INPUTS: list[tuple[object, flow.Input]] = [
    (wa.Text("quero AGENDAR"), flow.Input("text", "quero AGENDAR")),
    (wa.ButtonReply("sim", "Sim, pode"), flow.Input("button", "Sim, pode", "sim")),
    (wa.ListReply("freios", "Freios"), flow.Input("list", "Freios", "freios")),
    (wa.Button("promo_1", "Quero"), flow.Input("button", "Quero", "promo_1")),
    (wa.Button("promo_1", "SAIR"), flow.Input("text", "SAIR")),
    (wa.MediaReceived("image", id="m1", caption="o carro"), flow.Input("image", "o carro", data={"id": "m1", "kind": "image"})),
    (wa.Location(-23.5, -46.6), flow.Input("location", data={"latitude": -23.5, "longitude": -46.6})),
    (wa.FormReply("f", "feito", {"nome": "Ana"}), flow.Input("form", "feito", data={"nome": "Ana"})),
    (wa.Order(text="dois"), flow.Input("order", "dois")),
    (wa.CallPermission("accept"), flow.Input("unsupported")),
    (wa.Unsupported("poll_creation"), flow.Input("unsupported")),
]


@pytest.mark.parametrize(("content", "wanted"), INPUTS, ids=lambda value: type(value).__name__)
def test_each_kind_of_message_is_an_input(content: object, wanted: flow.Input) -> None:
    one = event(content)
    assert read_input(one) == replace(wanted, event_id=str(one.id))


def test_the_ad_that_brought_a_customer_is_shown_to_the_flow() -> None:
    given = read_input(event(referral={"source_id": "ad-7"}))
    assert given.data == {"referral": {"source_id": "ad-7"}} and given.text == "oi"


# ── turns ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_first_message_opens_a_flow() -> None:
    decision = decided(talk(event()))
    assert said(decision) == ["Qual o nome?"]
    assert decision.turn_no == 5
    assert [(c.turn_no, c.reason) for c in decision.closings] == [(5, None)]
    assert decision.due_at == NOW + dt.timedelta(minutes=10)
    assert {trace.row.node for trace in decision.traces} == {"a"}


def test_without_a_flow_the_message_is_put_aside() -> None:
    decision = decided(talk(event(), book=[]))
    assert (decision.turn_no, decision.says) == (None, [])
    assert [(c.turn_no, c.reason) for c in decision.closings] == [(None, "no_flow")]


def test_the_same_situation_gives_the_same_decision() -> None:
    """Replay: no clock and no dice but what is given."""
    one, ids = talk(event(arrival=1), event(wa.Text("Ana"), arrival=2)), [UUID(int=77)] * 9
    first, second = (decide(Situation(UUID(int=1), flow.Facts(), [one]), NOW, iter(ids).__next__) for _ in range(2))
    assert msgspec.to_builtins([d.says for d in first.decisions]) == msgspec.to_builtins([d.says for d in second.decisions])
    assert first.decisions[0].sessions == second.decisions[0].sessions


def test_a_timer_that_is_up_rings() -> None:
    now = NOW + dt.timedelta(minutes=10)
    decision = decided(waiting(), now)
    assert said(decision) == ["Ainda aí?"]
    assert (decision.turn_no, decision.closings) == (6, [])


def test_a_timer_that_is_not_up_yet_changes_nothing() -> None:
    decision = decided(waiting(), NOW + dt.timedelta(minutes=9))
    assert (decision.turn_no, decision.says) == (None, [])
    assert decision.due_at == NOW + dt.timedelta(minutes=10)


@pytest.mark.parametrize(("minute", "wanted"), [(9, ["Pronto."]), (11, ["Ainda aí?", "Pronto."])])
def test_a_message_and_a_timer_come_in_the_order_of_their_times(minute: int, wanted: list[str]) -> None:
    """The turn runs late: what counts is when the message arrived here."""
    arrived = event(wa.Text("Ana"), at=NOW + dt.timedelta(minutes=minute))
    assert said(decided(replace(waiting(), events=[arrived]), NOW + dt.timedelta(minutes=30))) == wanted


def test_with_a_person_the_bot_is_silent() -> None:
    decision = decided(talk(event(), owner="human", queue="vendas", human_at=NOW - dt.timedelta(hours=1)))
    assert (decision.turn_no, decision.says) == (None, [])
    assert [c.reason for c in decision.closings] == ["human"]
    assert (decision.owner, decision.queue) == ("human", "vendas")


def test_with_a_person_no_timer_rings_and_none_keeps_the_contact_due() -> None:
    """A takeover leaves the session as it was: its timer, long past, must not make the contact due for ever."""
    taken = replace(waiting(), owner="human", human_at=NOW + dt.timedelta(minutes=5))
    decision = decided(taken, NOW + dt.timedelta(minutes=30))
    assert (decision.turn_no, decision.says, decision.due_at) == (None, [], None)


def test_sair_is_heard_even_with_a_person() -> None:
    decision = decided(talk(event(wa.Text("SAIR")), owner="human", queue="vendas", human_at=NOW))
    assert [c.state for c, *_ in decision.consents] == ["out"]
    assert len(decision.says) == 1 and decision.owner == "human"


@pytest.mark.parametrize(("spent", "owner"), [(HUMAN_FOR - dt.timedelta(seconds=1), "human"), (HUMAN_FOR, "bot")])
def test_the_bot_is_back_twelve_hours_after_the_last_human_word(spent: dt.timedelta, owner: str) -> None:
    decision = decided(talk(event(), owner="human", queue="vendas", human_at=NOW - spent))
    assert decision.owner == owner
    assert (said(decision) == ["Qual o nome?"]) == (owner == "bot")


def test_a_handoff_is_for_what_follows_in_the_same_turn_too() -> None:
    decision = decided(talk(event(wa.Text("oi")), event(wa.Text("atendente"), arrival=2), event(wa.Text("alô?"), arrival=3)))
    assert (decision.owner, decision.queue, decision.human_at) == ("human", "gente", NOW)
    assert [c.reason for c in decision.closings] == [None, None, "human"]
    assert decision.notices == [("handoff", "gente")]
    assert decision.due_at is None


def test_an_erasure_request_is_a_notice() -> None:
    decision = decided(talk(event(wa.Text("apagar meus dados"))))
    assert ("erasure_asked", "") in decision.notices


def test_a_session_whose_version_is_gone_goes_to_a_person() -> None:
    decision = decided(replace(waiting(), program=None, book=[], events=[event(wa.Text("Ana"))]))
    assert decision.owner == "human"
    assert {kind for kind, _ in decision.notices} == {"flow_trouble", "handoff"}


def test_the_earliest_conversation_says_when_the_contact_is_due() -> None:
    soon, late = waiting(NOW - dt.timedelta(minutes=5)), waiting()
    verdict = decide(Situation(UUID(int=1), flow.Facts(), [late, soon]), NOW, new_id)
    assert verdict.due_at == NOW + dt.timedelta(minutes=5)
    assert verdict.tags is None
