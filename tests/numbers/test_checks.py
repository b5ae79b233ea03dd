"""What Meta's answers say of a number, whatever they may be."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from atendeja import numbers
from atendeja.cloud import Cloud, Fetched
from atendeja.errors import Refused, Unavailable
from atendeja.numbers import Check, Verification, checks

SAMPLES = Path(__file__).parents[1] / "wa" / "samples"
READERS: list[Callable[[Fetched], Check]] = [
    checks.read_number,
    lambda answer: checks.read_account(answer, False, "1", "2"),
    lambda answer: checks.read_portfolio(answer, "2", "3"),
    lambda answer: checks.read_subscription(answer, "2"),
]


def sample(name: str) -> Fetched:
    return Fetched(200, msgspec.json.decode((SAMPLES / f"{name}.json").read_bytes(), type=dict[str, object]))


@pytest.mark.parametrize("read", READERS)
def test_a_refusal_is_told_and_what_cannot_be_asked_now_is_none(read: Callable[[Fetched], Check]) -> None:
    check = read(Fetched(400, {"error": {"message": "(#200) Permissions error", "code": 200}}))
    assert not check.ok and "(#200) Permissions error" in check.line and check.hint
    for code in (4, 80007, 2, 131016):
        with pytest.raises(Unavailable):
            read(Fetched(400, {"error": {"code": code}}))
    oddities: list[dict[str, object]] = [
        {},
        {"error": None},
        {"error": []},
        {"error": {"code": "x", "message": 5}},
        {"error": {"message": "x" * 9999}},
    ]
    for odd in oddities:
        assert len(read(Fetched(400, odd)).line) < 500


def test_metas_own_samples_are_as_they_should_be() -> None:
    """Copies of the reference's answers."""
    number = sample("response-phone-number")
    assert checks.read_number(number).ok
    assert all(check.ok for check in checks.read_details(number, "551140000001"))
    assert checks.read_subscription(sample("response-subscribed-apps"), "2").ok


def test_what_is_not_as_it_should_be_is_told_with_what_to_do() -> None:
    found = Fetched(200, {"display_phone_number": "+1 555", "status": "PENDING", "quality_rating": "RED"})
    assert [(c.name, c.ok, c.hint is not None) for c in checks.read_details(found, "+551140000001")] == [
        ("display_number", False, True),
        ("status", False, True),
        ("quality", False, True),
    ]
    assert checks.read_details(Fetched(200, {"display_phone_number": 5, "status": None}), "1") == []
    assert not checks.read_subscription(Fetched(200, {"data": []}), "2").ok


def test_only_what_nothing_works_without_keeps_a_number_out() -> None:
    numbers.require(Verification(False, [Check("number", True, "x"), Check("quality", False, "x")], None, None), checks.CLAIMED)
    with pytest.raises(Refused, match="nope"):
        numbers.require(
            Verification(False, [Check("number", True, "x"), Check("account", False, "nope")], None, None), checks.NEEDED
        )
    moved = Verification(False, [Check("portfolio", False, "another's")], None, None)
    numbers.require(moved, checks.NEEDED)
    with pytest.raises(Refused, match="another's"):
        numbers.require(moved, checks.CLAIMED)


def test_a_portfolio_is_whose_meta_says_it_is() -> None:
    """An answer that does not say it proves nothing."""
    answers: list[tuple[dict[str, object], bool]] = [
        ({"owner_business_info": {"id": "3", "name": "Loja"}}, True),
        ({"owner_business_info": {"id": "4"}}, False),
        ({"owner_business_info": "3"}, False),
        ({"owner_business_info": {}}, False),
        ({"id": "2"}, False),
    ]
    for body, ok in answers:
        check = checks.read_portfolio(Fetched(200, body), "2", "3")
        assert (check.ok, check.hint is None) == (ok, ok)


class Pages(Cloud):
    """An account with its numbers on pages."""

    def __init__(self, pages: list[list[str]], *, turns: bool = False) -> None:
        self.pages, self.asked, self.turns = pages, 0, turns

    async def ask(self, path: str, token: str, **params: str) -> Fetched:
        """The page behind `after`; with `turns` the last leads to the first."""
        if not path.endswith("/phone_numbers"):
            return Fetched(200, {"data": [{}], "verified_name": "Loja"})
        n = int(params.get("after", "0"))
        self.asked += 1
        more = n + 1 < len(self.pages) or self.turns
        paging = {"cursors": {"after": str((n + 1) % len(self.pages))}} | ({"next": "https://…"} if more else {})
        return Fetched(200, {"data": [{"id": id_} for id_ in self.pages[n]], "paging": paging})


@pytest.mark.parametrize(("wanted", "is_there", "asked"), [("1", True, 1), ("4", True, 2), ("9", False, 3)])
async def test_an_accounts_numbers_are_looked_through_page_by_page(wanted: str, is_there: bool, asked: int) -> None:
    cloud = Pages([["1", "2"], ["3", "4"], ["5"]])
    found = await numbers.verify(cloud, "t", wanted, "2", "3", "+551140000001")
    assert ([c.ok for c in found.checks if c.name == "account"], cloud.asked) == ([is_there], asked)


async def test_pages_without_an_end_come_to_one() -> None:
    cloud = Pages([["1"], ["2"]], turns=True)
    assert not (await numbers.verify(cloud, "t", "9", "2", "3", "+551140000001")).ok
    assert cloud.asked == checks.MOST_PAGES
