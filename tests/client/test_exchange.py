"""What a request goes through: tries, waiting, signing in again, pages. The other end of the wire is played."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import respx
from httpx import Response

from atendeja import app, openapi
from atendeja.client import OPERATIONS, ApiError, Client, Operation
from tests.client.conftest import Make

URL = "http://api.example"
AN_ID = UUID("01980000-0000-7000-8000-000000000000")
DOCUMENTED = {
    told["operationId"]: told for methods in openapi.document(app.ENDPOINTS)["paths"].values() for told in methods.values()
}


def example(operation: str) -> dict[str, Any]:  # Any: JSON
    """What the document says that it answers."""
    answers = DOCUMENTED[operation]["responses"]
    found: dict[str, Any] = answers["201" if "201" in answers else "200"]["content"]["application/json"]["example"]
    return found


AWAY = Response(503, json={"code": "unavailable", "detail": "the database is away"}, headers={"Retry-After": "5"})
LOST = httpx.ReadTimeout("")
REFUSED = httpx.ConnectError("")
PAGE: dict[str, object] = {"items": [], "next_cursor": None}


@pytest.fixture
def wire() -> Iterator[respx.Router]:
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        yield router


def keys(route: respx.Route) -> set[str | None]:
    return {call.request.headers.get("idempotency-key") for call in route.calls}


async def test_what_may_be_asked_twice_is_until_it_is_answered(make: Make, wire: respx.Router, naps: list[float]) -> None:
    route = wire.get("/v1/users")
    route.side_effect = [REFUSED, LOST, AWAY, Response(200, json=PAGE)]
    assert await make(URL, key="atj_k").take("list_users") == []
    assert [call.request.headers["authorization"] for call in route.calls] == ["Bearer atj_k"] * 4
    assert 0.25 <= naps[0] <= 0.5 <= naps[1] <= 1 and 5 <= naps[2] <= 5.5


async def test_tries_have_an_end_and_tell_the_last_answer(make: Make, wire: respx.Router, naps: list[float]) -> None:
    for last, error in ((LOST, httpx.ReadTimeout), (AWAY, ApiError)):
        route = wire.get("/v1/users").mock(side_effect=[AWAY, AWAY, last, *[AWAY] * 9])
        with pytest.raises(error):
            await make(URL, tries=3).take("list_users")
        assert route.call_count == 3
        wire.reset()


async def test_what_creates_is_tried_again_under_one_key_and_each_has_its_own(
    make: Make, wire: respx.Router, naps: list[float]
) -> None:
    api, seen = make(URL, key="atj_k"), set[str | None]()
    for given in ({}, {}, {"idempotency_key": "mine"}):
        route = wire.post("/v1/users").mock(side_effect=[LOST, AWAY, Response(201, json=example("invite_user"))])
        assert (await api.do("invite_user", email="b@a.example", role="agent", **given)).token == "text"
        assert len(keys(route)) == 1
        assert {call.request.content for call in route.calls} == {b'{"email":"b@a.example","role":"agent"}'}
        seen |= keys(route)
        wire.reset()
    assert len(seen) == 3 and "mine" in seen and None not in seen


@pytest.mark.parametrize(
    ("comes", "tries"), [(LOST, 1), (AWAY, 1), (Response(502), 1), (Response(500), 1), (REFUSED, 4), (Response(429), 4)]
)
async def test_what_may_not_be_done_twice_is_sent_again_only_when_it_was_not_done(
    comes: Response | Exception, tries: int, make: Make, wire: respx.Router, naps: list[float]
) -> None:
    route = wire.patch(f"/v1/users/{AN_ID}").mock(side_effect=[comes] * 9)
    with pytest.raises((httpx.TransportError, ApiError)):
        await make(URL, key="atj_k").do("change_user", AN_ID, disabled=True, if_match='"x"')
    assert (route.call_count, len(naps)) == (tries, tries - 1)
    assert {(call.request.headers["if-match"], call.request.content) for call in route.calls} == {('"x"', b'{"disabled":true}')}


async def test_a_wait_that_is_too_long_is_left_to_the_caller(make: Make, wire: respx.Router, naps: list[float]) -> None:
    wire.get("/v1/users").respond(429, json={"code": "too_fast", "detail": "…"}, headers={"Retry-After": "61"})
    with pytest.raises(ApiError) as no:
        await make(URL).take("list_users")
    assert (no.value.code, no.value.retry_after_s, naps) == ("too_fast", 61, [])


async def test_a_delete_whose_answer_was_lost_is_done(make: Make, wire: respx.Router, naps: list[float]) -> None:
    route = wire.delete(f"/v1/keys/{AN_ID}")
    route.side_effect = [LOST, Response(404, json={"code": "not_found"})]
    await make(URL).do("drop_key", AN_ID)
    route.side_effect = [REFUSED, Response(429), Response(404, json={"code": "not_found"})]
    with pytest.raises(ApiError, match="404 not_found"):
        await make(URL).do("drop_key", AN_ID)


async def test_an_answer_of_something_between_is_a_no_too(make: Make, wire: respx.Router, naps: list[float]) -> None:
    for answer, code in (
        (Response(404, html="<h1>nginx</h1>"), "http_404"),
        (Response(302, headers={"Location": "/x"}), "http_302"),
    ):
        wire.get("/v1/me").mock(return_value=answer)
        with pytest.raises(ApiError) as no:
            await make(URL, key="atj_k").do("me")
        assert (no.value.status, no.value.code, no.value.request_id) == (answer.status_code, code, None)


def tokens(n: int) -> dict[str, Any]:  # Any: JSON
    return example("login") | {"access_token": f"a{n}", "refresh_token": f"r{n}", "expires_in": 900}


async def test_a_token_is_renewed_before_its_end_and_when_it_is_not_taken(
    make: Make, wire: respx.Router, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    at = 1000.0
    monkeypatch.setattr("atendeja.client.exchange.time.monotonic", lambda: at)
    wire.post("/v1/auth/login").respond(json=tokens(1))
    renew = wire.post("/v1/auth/refresh").mock(side_effect=[LOST, Response(200, json=tokens(2)), Response(200, json=tokens(3))])
    me = wire.get("/v1/me").mock(
        side_effect=[
            *[Response(200, json=example("me"))] * 2,
            Response(401),
            Response(200, json=example("me")),
            *[Response(401)] * 2,
        ]
    )
    api = make(URL)
    await api.do("login", email="a@a.example", password="x")
    await api.do("me")
    at += 871
    await api.do("me")
    await api.do("me")
    assert [call.request.headers["authorization"] for call in me.calls] == [f"Bearer a{n}" for n in (1, 2, 2, 3)]
    assert [call.request.content for call in renew.calls] == [b'{"refresh_token":"r1"}'] * 2 + [b'{"refresh_token":"r2"}']
    assert all("authorization" not in call.request.headers for call in renew.calls)
    renew.mock(return_value=Response(200, json=tokens(4)))
    with pytest.raises(ApiError, match="401"):
        await api.do("me")
    assert (me.call_count, renew.call_count) == (6, 4), "one new token, and no more"


async def test_a_list_is_asked_for_as_far_as_it_is_read(make: Make, wire: respx.Router) -> None:
    items = example("list_users")["items"] * 2
    route = wire.get("/v1/users").mock(
        side_effect=[Response(200, json={"items": items, "next_cursor": f"c&{n}="}) for n in range(3)] + [Response(200, json=PAGE)]
    )
    assert len(await make(URL).take("list_users", most=3, limit=2)) == 3
    assert [dict(call.request.url.params) for call in route.calls] == [{"limit": "2"}, {"limit": "2", "cursor": "c&0="}]
    assert len(await make(URL).take("list_users")) == 2  # and an empty last page


async def test_a_file_is_sent_as_it_is_read_and_from_its_beginning_each_time(
    make: Make, wire: respx.Router, naps: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = Operation("upload", "POST", "/v1/files/{name}", once=True)
    api = make(URL)
    monkeypatch.setattr(type(api.client), "operations", {"upload": upload})
    (tmp_path / "file").write_bytes(b"x" * 200_000)
    route = wire.post("/v1/files/a%2Fb").mock(side_effect=[AWAY, LOST, Response(201), Response(201)])
    for content in (tmp_path / "file", b"bytes"):
        await api.do("request", "upload", ids={"name": "a/b"}, content=content, content_type="image/png")
    assert [len(call.request.content) for call in route.calls] == [200_000, 200_000, 200_000, 5]
    assert {call.request.headers["content-type"] for call in route.calls} == {"image/png"}
    assert [call.request.headers["content-length"] for call in route.calls] == ["200000"] * 3 + ["5"]
    assert {call.request.url.raw_path for call in route.calls} == {b"/v1/files/a%2Fb"}
    assert all("transfer-encoding" not in call.request.headers for call in route.calls)


async def test_times_and_other_values_are_written_as_the_api_reads_them(make: Make, wire: respx.Router) -> None:
    route = wire.get("/v1/users").respond(json=PAGE)
    query = {"since": dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC), "id": AN_ID, "yes": True, "n": 3, "text": '"a b"', "not": None}
    await make(URL).do("request", "list_users", query=query)
    assert dict(route.calls.last.request.url.params) == {
        "since": "2026-03-04T12:00:00Z", "id": str(AN_ID), "yes": "true", "n": "3", "text": '"a b"',
    }  # fmt: skip


async def test_an_address_may_have_a_path(make: Make) -> None:
    with respx.mock() as router:
        router.get("https://host.example/atende/v1/me").respond(json=example("me"))
        assert (await make("https://host.example/atende/").do("me")).role == example("me")["role"]


def test_no_secret_is_shown_by_what_fails_or_is_printed() -> None:
    """S42."""
    with Client(URL, key="atj_secret") as api, respx.mock(base_url=URL) as router:
        router.get("/v1/me").respond(403, json={"code": "forbidden", "detail": "you may not do this"})
        with pytest.raises(ApiError) as no:
            api.me()
    with pytest.raises(ValueError, match="a key has no blanks") as wrong:
        Client(URL, key="atj_secret\n")
    assert "atj_secret" not in f"{no.value!r} {no.value} {no.value.__dict__} {api!r} {wrong.value!r}"


def test_what_is_safe_is_told_by_the_operations() -> None:
    told = {name: operation.is_safe for name, operation in OPERATIONS.items() if operation.method != "GET"}
    assert told.items() >= {"login": False, "refresh": True, "make_key": True, "drop_key": True, "change_user": False}.items()
