import pytest
from msgspec import UNSET, UnsetType

from atendeja.flow import grammar
from atendeja.flow.conditions import Condition
from atendeja.flow.grammar import Grammar, Problem
from atendeja.flow.types import FlowError
from atendeja.flow.values import Value, value_of

from .test_text import scope


class Holder(Grammar):
    value: Value = None
    condition: Condition | UnsetType = UNSET


def held(raw: object) -> Holder:
    problems: list[Problem] = []
    found = grammar.read(Holder, raw, "", problems)
    assert found is not None, problems
    return found


def condition(raw: object) -> Condition:
    found = held({"condition": raw}).condition
    assert found is not UNSET
    return found


def value(raw: object) -> object:
    return value_of(held({"value": raw}).value, scope())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (5, 5),
        (None, None),
        ("{{ nome }}", "{{ nome }}"),
        ([1, "a", {"k": 1}], [1, "a", {"k": 1}]),
        ({"var": "m"}, 3),
        ({"var": "obj.codigo"}, "A17"),
        ({"var": "falta.isso"}, None),
        ({"add": [{"var": "m"}, 2]}, 5),
        ({"sub": [1, 2.5]}, -1.5),
        ({"mul": [{"add": [1, 2]}, 4]}, 12),
        ({"div": [10, 4]}, 2.5),
        ({"div": [10, 5]}, 2),
        ({"concat": ["R", {"var": "m"}]}, "R3"),
        ({"append": [{"var": "itens"}, "vela"]}, ["óleo", "filtro", "vela"]),
        ({"append": [None, 1]}, [1]),
        ({"round": [2.345, 2]}, 2.35),
        ({"round": [-2.5, 0]}, -3),
        ({"date_add": [{"var": "dia"}, "20d"]}, "2027-04-01"),
        ({"date_add": [{"var": "dia"}, "2h"]}, "2027-03-12T02:00:00-03:00"),
        ({"now": True}, "2027-03-10T10:05:00-03:00"),
    ],
)
def test_values(raw: object, expected: object) -> None:
    found = value(raw)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "raw",
    [
        {"add": ["1", 2]},
        {"add": [True, 2]},
        {"div": [1, 0]},
        {"mul": [9007199254740992, 9007199254740992]},
        {"concat": [["a"], "b"]},
        {"concat": ["x" * 4096, "y"]},
        {"append": ["a", 1]},
        {"round": [None, 1]},
        {"date_add": ["amanhã", "1d"]},
        {"date_add": ["9999-12-31", "1d"]},
    ],
)
def test_impossible_values(raw: object) -> None:
    with pytest.raises(FlowError):
        value(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"var": "m", "eq": 3}, True),
        ({"var": "m", "eq": 3.0}, True),
        ({"var": "n", "eq": True}, False),
        ({"var": "sim", "eq": True}, True),
        ({"var": "m", "ne": 3}, False),
        ({"var": "falta", "eq": None}, True),
        ({"var": "m", "lt": 4}, True),
        ({"var": "m", "lte": 3}, True),
        ({"var": "m", "gt": {"var": "n"}}, True),
        ({"var": "m", "gte": 4}, False),
        ({"var": "dia", "gt": "2027-03-11"}, True),
        ({"var": "m", "in": [1, 3]}, True),
        ({"var": "m", "in": []}, False),
        ({"var": "itens", "has": "óleo"}, True),
        ({"var": "cidade", "has": "PAULO"}, True),
        ({"var": "falta", "has": 1}, False),
        ({"var": "falta", "empty": True}, True),
        ({"var": "nome", "empty": False}, True),
        ({"var": "cidade", "matches_any_word": ["rio", "Sao"]}, True),
        ({"var": "m", "matches_any_word": ["3"]}, False),
        ({"tag": "vip"}, True),
        ({"tag": "novo"}, False),
        ({"not": {"tag": "vip"}}, False),
        ({"all": [{"tag": "vip"}, {"var": "m", "eq": 3}]}, True),
        ({"all": [{"tag": "vip"}, {"var": "m", "eq": 4}]}, False),
        ({"any": [{"tag": "novo"}, {"var": "m", "eq": 3}]}, True),
        ({"any": []}, False),
    ],
)
def test_conditions(raw: object, expected: bool) -> None:
    assert condition(raw).holds(scope()) is expected


@pytest.mark.parametrize(
    "raw",
    [
        {"var": "nome", "lt": 3},
        {"var": "falta", "gt": 3},
        {"var": "sim", "lt": 3},
        {"var": "m", "has": 3},
    ],
)
def test_values_that_cannot_be_compared(raw: object) -> None:
    with pytest.raises(FlowError):
        condition(raw).holds(scope())
