"""Endpoints over HTTP: the order of the checks, the shape of every answer, and what never leaves (S23, S44)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from msgspec import Struct
from starlette.applications import Starlette

from atendeja.db import LostRace
from atendeja.endpoint import PEOPLE, Access, Api, Call, Caller, Endpoint, File, Listing, Page, Problem, Trouble, answer_bug, tag
from atendeja.endpoint.serving import AT_ONCE, MOST_WAITING
from atendeja.errors import Refused, Unavailable
from atendeja.runtime import Runtime

SECRET = "segredo-que-ninguem-ve"
BOSS = Caller(1, "owner", account_id=UUID(int=1))
CALLERS = {
    "boss": BOSS,
    "boss-of-2": Caller(2, "owner", account_id=UUID(int=2)),
    "looker": Caller(1, "viewer"),
    "key": Caller(1, key_id=UUID(int=3), scopes=frozenset({"things:read"})),
}
RAISED: dict[str, Callable[[], Exception]] = {
    "refused": lambda: Refused("thing_exists", "it exists"),
    "strange": lambda: Refused("thing_strange", "it is strange"),
    "away": lambda: Unavailable("the database is away"),
    "lost": lambda: LostRace(SECRET),
    "unique": lambda: asyncpg.UniqueViolationError(f"Key (email)=({SECRET}) already exists"),
    "full": lambda: asyncpg.DiskFullError(SECRET),
    "data": lambda: asyncpg.DataError(SECRET),
    "bug": lambda: ZeroDivisionError(SECRET),
}


class Thing(Struct, forbid_unknown_fields=True):
    name: str


class Asked(Struct, forbid_unknown_fields=True):
    raises: str | None = None


class After(Struct):
    n: int


async def give(_rt: Runtime, call: Call[Asked]) -> Thing:
    if call.body.raises is not None:
        raise RAISED[call.body.raises]()
    return Thing(f"{call.ids['id']} of {call.tenant_id} for {call.address}")


async def change(_rt: Runtime, call: Call[Thing]) -> Thing:
    call.check_tag(Thing("as it was"))
    return call.body


async def forget(_rt: Runtime, _call: Call[Struct]) -> None:
    return None


async def count(_rt: Runtime, call: Call[Listing]) -> Page[int]:
    after = call.after(call.body, After)
    start = 0 if after is None else after.n + 1
    return Page(*call.cut(call.body, list(range(start, min(7, start + call.body.limit + 1))), After))


async def download(rt: Runtime, call: Call[Struct]) -> File:
    return File(rt.config.state_dir / str(call.ids["id"]), 'relatório "x".html', "text/html")


async def greet(_rt: Runtime, call: Call[Struct]) -> Thing:
    return Thing(str(call.by))


ENDPOINTS: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/things/{id}", "give", give, who=PEOPLE, scope="things:read", takes=Asked, gives=Thing,
             refuses={"thing_exists": 422}, says=""),
    Endpoint("PATCH", "/v1/things/{id}", "change", change, who=frozenset({"owner"}), scope="things:write", takes=Thing, gives=Thing,
             is_tagged=True, says=""),
    Endpoint("DELETE", "/v1/things/{id}", "forget", forget, who=frozenset({"owner"}), says=""),
    Endpoint("GET", "/v1/numbers", "count", count, who=PEOPLE, takes=Listing, gives=Page[int], says=""),
    Endpoint("GET", "/v1/files/{id}", "download", download, who=PEOPLE, gives=File, says=""),
    Endpoint("POST", "/v1/hello", "greet", greet, who=None, gives=Thing, status=201, says=""),
    Endpoint("POST", "/v1/nobody", "nobody", forget, who=frozenset(), says=""),
]  # fmt: skip
ID = "01980000-0000-7000-8000-000000000000"
JSON = {"Content-Type": "application/json"}


async def gate(bearer: str, *, anew: bool = False) -> Caller | None:
    return CALLERS.get(bearer)


@asynccontextmanager
async def opened(rt: Runtime, closed: str | None = None, peer: str = "10.0.0.7") -> AsyncIterator[httpx.AsyncClient]:
    api = Api(rt, ENDPOINTS, gate, rt.config.secret_keys, [ip_network("10.0.0.0/30")], closed)
    app = Starlette(routes=api.routes(), exception_handlers={Exception: answer_bug})
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        yield http


@pytest.fixture
async def http(rt: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    async with opened(rt) as client:
        yield client


def as_(who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {who}"}


def trouble(answer: httpx.Response) -> Trouble:
    """The problem of an answer, which has everything that each must have."""
    assert answer.headers["content-type"] == "application/problem+json"
    said = msgspec.json.decode(answer.content, type=Trouble)
    assert said.status == answer.status_code and str(said.request_id) == answer.headers["x-request-id"]
    return said


async def test_every_answer_says_that_it_is_not_to_be_kept(http: httpx.AsyncClient) -> None:
    for answer in (
        await http.get(f"/v1/things/{ID}", headers=as_("boss")),
        await http.delete(f"/v1/things/{ID}", headers=as_("boss")),
        await http.get("/v1/nowhere"),
        await http.get(f"/v1/things/{ID}"),
        await http.get(f"/v1/things/{ID}?raises=bug", headers=as_("boss")),
    ):
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert not any(name.startswith("access-control") for name in answer.headers)
        UUID(answer.headers["x-request-id"])


async def test_a_file_is_an_attachment_that_nothing_runs(rt: Runtime, http: httpx.AsyncClient) -> None:
    """S38."""
    content = b"<script>alert(1)</script>" * 10_000
    (rt.config.state_dir / ID).write_bytes(content)
    answer = await http.get(f"/v1/files/{ID}", headers=as_("boss"))
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, "text/html; charset=utf-8")
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''relat%C3%B3rio%20%22x%22.html"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    part = await http.get(f"/v1/files/{ID}", headers=as_("boss") | {"Range": "bytes=1-6"})
    assert (part.status_code, part.content) == (206, b"script")
    assert trouble(await http.get(f"/v1/files/{UUID(int=1)}", headers=as_("boss"))).status == 404


async def test_what_does_not_exist_is_the_same_answer_everywhere(http: httpx.AsyncClient) -> None:
    for path in (
        "/v1",
        "/v1/",
        "/v1/nowhere",
        "/v1/things/",
        "/v1/things/1",
        f"/v1/things/{ID}/x",
        f"/v1/things/{ID}\u00a0",
        "/v1/things/" + "x" * 36,
    ):
        said = trouble(await http.get(path, headers=as_("boss")))
        assert (said.status, said.code, said.detail, said.errors) == (404, "not_found", "there is no such thing here", ())


async def test_a_method_that_a_path_does_not_have_is_told_which_it_has(http: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "OPTIONS", "HEAD", "FROBNICATE"):
        answer = await http.request(method, f"/v1/things/{ID}", headers={"Origin": "https://evil.example", **as_("boss")})
        assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, PATCH")


@pytest.mark.parametrize(
    "headers",
    [[], [("Authorization", "Bearer nobody")], [("Authorization", "boss")], [("Authorization", "Basic boss")],
     [("Authorization", "Bearer ")], [("Authorization", "Bearer boss"), ("Authorization", "Bearer boss")]],
)  # fmt: skip
async def test_who_shows_nothing_that_we_know_is_not_let_in(headers: list[tuple[str, str]], http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/v1/things/{ID}", headers=headers)
    assert (trouble(answer).code, answer.status_code, answer.headers["www-authenticate"]) == ("not_signed_in", 401, "Bearer")


@pytest.mark.parametrize(
    ("who", "statuses"), [("boss", (200, 200, 204, 403)), ("looker", (200, 403, 403, 403)), ("key", (200, 403, 403, 403))]
)
async def test_who_may_is_what_the_declaration_says_and_nothing_else(
    who: str, statuses: tuple[int, ...], http: httpx.AsyncClient
) -> None:
    """S23: an endpoint without a role is nobody's, one without a scope is no key's."""
    thing = {"json": {"name": "x"}, "headers": as_(who)}
    asked = (
        await http.get(f"/v1/things/{ID}", headers=as_(who)),
        await http.patch(f"/v1/things/{ID}", **thing),  # type: ignore[arg-type]  # httpx has no type for its options
        await http.delete(f"/v1/things/{ID}", headers=as_(who)),
        await http.post("/v1/nobody", headers=as_(who)),
    )
    assert tuple(answer.status_code for answer in asked) == statuses


def test_a_scope_may_be_given_by_who_may_do_all_of_it() -> None:
    access = Access(ENDPOINTS)
    assert access.grantable("owner") == {"things:read", "things:write"}
    assert access.grantable("viewer") == {"things:read"}


async def test_a_strangers_body_is_not_read(http: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        raise AssertionError("read on")

    answer = await http.patch(f"/v1/things/{ID}", content=endless(), headers=JSON)
    assert (answer.status_code, answer.headers["connection"]) == (401, "close")


async def test_a_body_is_read_strictly(http: httpx.AsyncClient) -> None:
    """S24: what nobody asked for is refused, not ignored."""
    url, boss = f"/v1/things/{ID}", as_("boss")
    said = trouble(await http.patch(url, json={"name": "x", "role": "owner"}, headers=boss))
    assert (said.status, said.code, said.errors[0].reason) == (422, "invalid", "Object contains unknown field `role`")
    assert trouble(await http.patch(url, content=b"{", headers=boss | JSON)).status == 400
    assert trouble(await http.patch(url, content=b"{}", headers=boss)).status == 415
    large = await http.patch(url, content=b" " * 262_145, headers=boss | JSON)
    assert (trouble(large).code, large.headers["connection"]) == ("too_large", "close")
    assert trouble(await http.patch(f"{url}?x=1", json={"name": "x"}, headers=boss)).status == 422
    assert trouble(await http.get(f"{url}?x=1", headers=boss)).status == 422
    assert trouble(await http.post("/v1/hello", json={"x": 1})).status == 422


async def test_an_error_is_answered_by_what_it_says_to_do(http: httpx.AsyncClient) -> None:
    """S44: nothing of the database, nothing of a bug."""
    wanted = {
        "refused": (422, "thing_exists", "it exists"),
        "strange": (409, "thing_strange", "it is strange"),
        "away": (503, "unavailable", "the database is away"),
        "lost": (503, "unavailable", "the database is away: LostRace"),
        "full": (503, "unavailable", "the database is away: DiskFullError 53100"),
    }
    for raised in RAISED:
        answer = await http.get(f"/v1/things/{ID}?raises={raised}", headers=as_("boss"))
        said = trouble(answer)
        assert SECRET not in answer.text
        assert (said.status, said.code, said.detail) == wanted.get(raised, (500, "bug", said.detail)), raised
        assert ("retry-after" in answer.headers) == (said.status == 503)


async def test_a_bug_outside_of_the_api_is_answered_in_plain_text(rt: Runtime) -> None:
    async def broken(_request: object) -> None:
        raise ZeroDivisionError(SECRET)

    app = Starlette(exception_handlers={Exception: answer_bug})
    app.add_route("/broken", broken)  # type: ignore[arg-type]  # it never answers
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://app") as http:
        answer = await http.get("/broken")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")


async def test_ids_tenant_and_address_are_given_to_the_endpoint(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"/v1/things/{ID}", headers=as_("key"))).json() == {"name": f"{ID} of 1 for 10.0.0.7"}


async def test_behind_a_proxy_the_address_is_whom_it_saw(rt: Runtime) -> None:
    async with opened(rt, peer="10.0.0.1") as http:
        answer = await http.get(f"/v1/things/{ID}", headers=as_("key") | {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})
    assert answer.json()["name"].endswith("for 203.0.113.9")


async def test_two_who_edit_one_thing_find_out(http: httpx.AsyncClient) -> None:
    url, boss = f"/v1/things/{ID}", as_("boss")
    answer = await http.patch(url, json={"name": "new"}, headers=boss | {"If-Match": tag(Thing("as it was"))})
    assert (answer.status_code, answer.headers["etag"]) == (200, tag(Thing("new")))
    assert (
        trouble(await http.patch(url, json={"name": "new"}, headers=boss | {"If-Match": tag(Thing("as I saw it"))})).status == 412
    )


async def test_a_list_comes_in_pages_that_are_one_tenants(http: httpx.AsyncClient) -> None:
    seen: list[int] = []
    url = "/v1/numbers?limit=3"
    while True:
        page = (await http.get(url, headers=as_("boss"))).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        url = f"/v1/numbers?limit=3&cursor={page['next_cursor']}"
    assert seen == list(range(7))
    assert trouble(await http.get(url, headers=as_("boss-of-2"))).code == "bad_cursor"
    for limit in ("0", "201", "x", ""):
        assert trouble(await http.get(f"/v1/numbers?limit={limit}", headers=as_("boss"))).status == 422


async def test_where_anybody_may_ask_nobody_is_known(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/hello", headers=as_("boss"))
    assert (trouble(answer).status, trouble(answer).code) == (500, "bug")


async def test_a_closed_api_says_why_and_lets_nobody_in(rt: Runtime) -> None:
    async with opened(rt, "JWT_SECRET is missing") as http:
        for answer in (await http.get(f"/v1/things/{ID}", headers=as_("boss")), await http.post("/v1/hello")):
            said = trouble(answer)
            assert (said.status, said.code, said.detail) == (503, "closed", "JWT_SECRET is missing")


def test_a_problem_is_one_of_ours() -> None:
    assert str(Problem(404, "not_found", "gone")) == "gone"


async def test_few_are_at_the_database_and_too_many_are_told_to_come_again(rt: Runtime) -> None:
    """Webhooks and sending have the same dozen connections, and strangers may ask as often as they like."""
    api: Api[Runtime] = Api(rt, [], known, [b"k" * 32])
    busy, most = 0, 0

    async def ask() -> None:
        nonlocal busy, most
        async with api.turn():
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0.001)
            busy -= 1

    ends = await asyncio.gather(*(ask() for _ in range(MOST_WAITING + 50)), return_exceptions=True)
    assert most == AT_ONCE
    refused = [end for end in ends if isinstance(end, Problem)]
    assert len(refused) == 50 and {problem.status for problem in refused} == {503}
    await ask()


async def known(bearer: str, *, anew: bool = False) -> Caller | None:
    return BOSS
