import msgspec
import pytest

from atendeja.simulator.bodies import Send
from atendeja.simulator.faults import Fault, Faults, Match

ANA = Send("whatsapp", "text", to="+5511900000001")
CAIO = Send("whatsapp", "text", recipient="BR.10000000000000000003")


def struck(fault: Fault, sends: list[tuple[str, Send, bytes]], *, accepted: bool = False) -> list[bool]:
    faults = Faults()
    faults.add(fault)
    return [faults.take(number, send, raw, accepted=accepted) is fault for number, send, raw in sends]


@pytest.mark.parametrize(
    ("match", "hits"),
    [
        (Match(), [True, True, True]),
        (Match(phone_number_id="1"), [True, False, True]),
        (Match(to="5511900000001"), [True, False, False]),
        (Match(to="+5511900000001"), [True, False, False]),
        (Match(to="BR.10000000000000000003"), [False, True, True]),
        (Match(contains="olá"), [False, True, False]),
        (Match(phone_number_id="1", to="BR.10000000000000000003"), [False, False, True]),
    ],
)
def test_all_that_is_given_must_match(match: Match, hits: list[bool]) -> None:
    sends = [("1", ANA, b"oi"), ("2", CAIO, "olá".encode()), ("1", CAIO, b"oi")]
    assert struck(Fault("code", match, times=None), sends) == hits


@pytest.mark.parametrize(
    ("nth", "times", "hits"),
    [(1, 1, [True, False, False, False]), (2, 2, [False, True, True, False]), (3, None, [False, False, True, True])],
)
def test_nth_and_times_count_what_matches(nth: int, times: int | None, hits: list[bool]) -> None:
    others = [("1", CAIO, b"")] * 2
    sends = [*others, *[("1", ANA, b"")] * 4]
    assert struck(Fault("code", Match(to="5511900000001", nth=nth), times=times), sends) == [False, False, *hits]


@pytest.mark.parametrize(("path", "hits"), [("messages", [False, True]), ("media", [True, False])])
def test_uploads_are_struck_only_when_they_are_meant(path: str, hits: list[bool]) -> None:
    faults = Faults()
    fault = msgspec.convert({"do": "code", "match": {"path": path}}, Fault)
    faults.add(fault)
    assert [faults.take("1", send, b"", accepted=False) is fault for send in (None, ANA)] == hits


@pytest.mark.parametrize("do", ["failed", "held"])
def test_an_upload_has_no_statuses(do: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="an upload has no statuses"):
        msgspec.convert({"do": do, "match": {"path": "media"}}, Fault)


AFTER = {
    "rst_before": False,
    "5xx_before": False,
    "code": False,
    "rst_after": True,
    "5xx_after": True,
    "delay": True,
    "failed": True,
    "held": True,
}


@pytest.mark.parametrize(("do", "after"), AFTER.items())
def test_a_fault_strikes_before_or_after_acceptance(do: str, after: bool) -> None:
    fault = msgspec.convert({"do": do}, Fault)
    assert struck(fault, [("1", ANA, b"")], accepted=False) == [not after]
    assert struck(fault, [("1", ANA, b"")], accepted=True) == [after]


def test_the_first_rule_that_strikes_wins_and_both_are_counted() -> None:
    faults = Faults()
    faults.add(Fault("code", value=4))
    faults.add(Fault("code", value=190))
    values = [fault.value if fault else None for fault in (faults.take("1", ANA, b"", accepted=False) for _ in range(3))]
    assert values == [4, 190, None]
    assert [rule.hits for rule in faults.rules] == [1, 1]
