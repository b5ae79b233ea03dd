"""The document of the API: valid, complete, true to what is answered, and with examples that are taken."""

import json
import re
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import Struct
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.routing import Route

from atendeja import app, openapi
from atendeja.endpoint import Endpoint, File, Trouble
from atendeja.runtime import Runtime
from atendeja.wa import content
from tests.office import Office

DOCUMENT = openapi.document(app.ENDPOINTS)
METAS = {"phone_number_id", "waba_id", "portfolio_id"}
"""Ids of Meta's, which are digits."""
OPERATIONS = {op["operationId"]: op for path in DOCUMENT["paths"].values() for op in path.values()}


def test_it_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


async def test_every_route_under_v1_is_in_it(rt: Runtime) -> None:
    """S29."""
    routes = [route for route in app.build(rt, "web").routes if isinstance(route, Route) and route.path.startswith("/v1/")]
    assert {route.path for route in routes} - {"/v1/{rest:path}"} == set(DOCUMENT["paths"])
    assert sorted(OPERATIONS) == sorted(e.operation for e in app.ENDPOINTS)


def test_every_operation_is_in_a_group_that_says_what_it_is_about() -> None:
    """And no group is told that has none."""
    told = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    used = {path: {tag for op in methods.values() for tag in op["tags"]} for path, methods in DOCUMENT["paths"].items()}
    assert {path: tags for path, tags in used.items() if tags != {path.split("/")[2]}} == {}
    assert told == openapi.TAGS and all(told.values()) and told.keys() == set().union(*used.values())


def check(content: dict[str, Any], kind: Any) -> None:  # Any: a document, and a struct
    msgspec.json.decode(msgspec.json.encode(content["application/json"]["example"]), type=kind)


@pytest.mark.parametrize("endpoint", app.ENDPOINTS, ids=lambda e: e.operation)
def test_every_body_has_an_example_that_fits(endpoint: Endpoint[Runtime]) -> None:
    operation = OPERATIONS[endpoint.operation]
    assert operation["summary"] and operation["description"]
    if endpoint.has_body and endpoint.takes is not None:
        check(operation["requestBody"]["content"], endpoint.takes)
    if endpoint.gives not in (None, File):
        check(operation["responses"][str(endpoint.status)]["content"], endpoint.gives)
    for status, response in operation["responses"].items():
        if status >= "400":
            (content,) = response["content"].values()
            assert {shown["value"]["status"] for shown in content["examples"].values()} == {int(status)}
            read = [msgspec.convert(shown["value"], Trouble) for shown in content["examples"].values()]
            assert [trouble.code for trouble in read if trouble.errors] == (["invalid"] if status == "422" else [])


CONTENTS = {kind.__name__ for kind in vars(content).values() if isinstance(kind, type) and issubclass(kind, Struct)}
"""What is sent is named as Meta has it, and so are its ids: texts."""


def test_times_and_ids_say_what_they_are() -> None:
    """A client is made of this: a time is no mere text."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, part in schema["properties"].items():
            kinds = [one.get("format") for one in part.get("anyOf", [part])]
            assert (field.endswith("_at") or field == "at") <= ("date-time" in kinds), (name, field)
            is_metas = field in METAS or name in CONTENTS
            is_id = re.search(r"(^|[a-z]_)id$", field) is not None and field != "tenant_id" and not is_metas
            assert is_id <= ("uuid" in kinds), (name, field)


def test_no_secret_and_no_telephone_number_is_in_it() -> None:
    """S42."""
    text = msgspec.json.encode(DOCUMENT).decode().replace(openapi.AN_ID, "").replace(str(2**53), "")
    assert not re.search(r"at[jro]_[\w-]{20}|\+?\d{10,}|eyJ", text)


async def test_what_is_answered_is_in_it(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    bia = (await office.post("/users", {"email": "bia@a.example", "role": "agent"}, boss)).json()["user"]["id"]
    nobody = str(office.rt.new_id())
    ana = (await office.get("/me", boss)).json()["account_id"]
    answers: list[tuple[str, httpx.Response]] = [
        ("me", await office.get("/me", boss)),
        ("me", await office.get("/me")),
        ("me", await office.get("/me?x=1", boss)),
        ("list_users", await office.get("/users?cursor=x", boss)),
        ("list_users", await office.get("/users", boss)),
        ("show_user", await office.get(f"/users/{bia}", boss)),
        ("show_user", await office.get(f"/users/{nobody}", boss)),
        ("invite_user", await office.post("/users", {"email": "bia@a.example"}, boss)),
        ("invite_user", await office.http.post("/v1/users", content=b"{", headers={"Authorization": f"Bearer {boss}"})),
        ("change_user", await office.patch(f"/users/{bia}", {}, boss, '"x"')),
        ("change_user", await office.patch(f"/users/{ana}", {"disabled": True}, boss)),
        ("accept", await office.post("/auth/accept", {"token": "x", "password": "x"})),
        ("refresh", await office.post("/auth/refresh", {"refresh_token": "x"})),
        ("make_key", await office.post("/keys", {"name": "x", "scopes": ["x"]}, boss)),
        ("make_key", await office.post("/keys", {"name": "x", "scopes": ["users:read"]}, boss)),
        *[("login", await office.login("no@a.example", "x")) for _ in range(6)],
    ]
    assert {answer.status_code for _, answer in answers} == {200, 201, 400, 401, 404, 409, 412, 415, 422, 429}
    for operation, answer in answers:
        described = OPERATIONS[operation]["responses"][str(answer.status_code)]
        ((kind, content),) = described["content"].items()
        assert answer.headers["content-type"] == kind
        assert "code" not in answer.json() or answer.json()["code"] in content["examples"], (operation, answer.text)
        headers = {name.lower() for name in described.get("headers", {})}
        assert headers == {"etag", "retry-after", "www-authenticate"} & answer.headers.keys(), (operation, answer.text)


async def test_it_is_served_to_everybody() -> None:
    transport = httpx.ASGITransport(Starlette(routes=openapi.routes(app.ENDPOINTS)))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        answer = await http.get("/openapi.json")
    read: dict[str, Any] = answer.json()  # Any: a document
    assert (answer.status_code, read) == (200, DOCUMENT)
    assert not any(name.startswith("access-control") for name in answer.headers)


ODD: list[Any] = [
    *(None, True, 0, -1, 2**63, 10**30, 1.5, 1e308, [], {}, ["x"] * 60, [[[]]], {"a": {"b": None}}),
    *("", "x", "\0", "\U0001f600", "a" * 300, "ana@a.example", "'; DROP TABLE account; --", "01980000-0000-7000-8000-000000000000"),
    *("2026-03-04T12:30:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-03-04T12:30:00"),
]
QUERIES = ["", "?limit=1", "?limit=-1", "?cursor=%00", "?cursor=", "?x", "?limit=1&limit=2", "?limit=%ff", "?%00=1"]


IDS = [openapi.AN_ID, "x", "%00", "..%2f"]
TEXTS = {"slug": "a", "place": "2026-03-04-1"}
"""What may stand in a path that is no UUID."""


@pytest.mark.parametrize(
    "endpoint", [e for e in app.ENDPOINTS if e.operation != "logout" and not e.tells], ids=lambda e: e.operation
)
async def test_whatever_is_sent_gets_an_answer_that_is_described(endpoint: Endpoint[Runtime], office: Office) -> None:
    """S12, S44: no 5xx and nothing undocumented, of every odd value in every place, query and id."""
    of_operators = endpoint.who == frozenset({"operator"})
    if of_operators:
        boss = await office.sign_in("ana@a.example", is_operator=True)
    else:
        boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    headers = {"Authorization": f"Bearer {boss}", "Content-Type": "application/json"}
    usual = next((TEXTS[name] for name in endpoint.texts), IDS[0])
    described, fields = OPERATIONS[endpoint.operation], example_of(OPERATIONS[endpoint.operation])
    bodies = [fields, *ODD, *({**fields, name: odd} for name in [*fields, "strange"] for odd in ODD)]
    sent = [(body, "", usual) for body in bodies if endpoint.has_body]
    for body, query, id_ in [*sent, *((fields, query, usual) for query in QUERIES), *((fields, "", id_) for id_ in IDS)]:
        content = json.dumps(body) if endpoint.has_body else None
        path = re.sub(r"{\w+}", id_, endpoint.path) + query
        answer = await office.http.request(endpoint.method, path, content=content, headers=headers)
        is_away = endpoint.asks and answer.status_code == 503  # the Cloud API, which is nowhere here
        assert (answer.status_code < 500 or is_away) and str(answer.status_code) in described["responses"], (
            path,
            content,
            answer.text,
        )


def example_of(operation: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    content = operation.get("requestBody", {"content": {}})["content"]
    found: dict[str, Any] = content.get("application/json", {"example": {}})["example"]
    return found
