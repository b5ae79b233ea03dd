"""Whatever a database says through an endpoint, a client hears nothing of it (S44); a page elsewhere hears nothing at all (S47)."""

import asyncpg
import httpx
import pytest
from msgspec import Struct
from starlette.applications import Starlette

from atendeja.db import TRANSIENT
from atendeja.endpoint import Api, Call, Caller, Endpoint, answer_bug
from atendeja.runtime import Runtime
from tests import canary
from tests.office import Office

ERRORS = [kind for kind in vars(asyncpg.exceptions).values() if isinstance(kind, type) and issubclass(kind, asyncpg.PostgresError)]
CODES = [(str(getattr(kind, "sqlstate", None)), kind) for kind in sorted(ERRORS, key=lambda kind: -len(kind.__mro__))]
STATES = {code: kind for code, kind in CODES if len(code) == 5 and code[:2] not in ("00", "01", "02")}
"""Every SQLSTATE that asyncpg knows and that is an error."""
TELLTALES = ("canario", "0417", "contact_phone", "DETAIL", "HINT", "SELECT", "DO $", "public")


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    state: str


async def fail(rt: Runtime, call: Call[Wanted]) -> None:
    """Have the database raise this, with all the words that it can say."""
    said = f"'Key (phone)=({canary.CANARY_PHONE}) exists: {canary.CANARY_TEXT}'"
    async with rt.db.tenant(1) as tx:
        await tx._connection.execute(
            f"DO $$ BEGIN RAISE EXCEPTION {said} USING ERRCODE = '{call.body.state}', DETAIL = {said}, HINT = {said},"
            f" COLUMN = 'phone', CONSTRAINT = 'contact_phone', TABLE = 'contact', SCHEMA = 'public'; END $$"
        )


async def nobody(bearer: str, *, anew: bool = False) -> Caller | None:
    return None


async def test_no_word_of_any_error_of_a_database_reaches_a_client(rt: Runtime) -> None:
    """S44, for each SQLSTATE that there is; S43, for the log is searched for these words when the run ends."""
    endpoint = Endpoint("POST", "/v1/fail", "fail", fail, who=None, takes=Wanted, says="")
    app = Starlette(routes=Api(rt, [endpoint], nobody, [b"k" * 32], rate=1e9).routes(), exception_handlers={Exception: answer_bug})
    assert len(STATES) > 200 and {state[:2] for state in STATES} >= {
        "08",
        "22",
        "23",
        "25",
        "40",
        "42",
        "53",
        "55",
        "57",
        "58",
        "XX",
    }
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://app") as http:
        for state, kind in STATES.items():
            answer = await http.post("/v1/fail", json={"state": state})
            wanted = (503, "unavailable") if issubclass(kind, TRANSIENT) else (500, "bug")
            assert (answer.status_code, answer.json()["code"]) == wanted, state
            shown = answer.text + str(answer.headers)
            assert [word for word in TELLTALES if word in shown] == [], state


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
async def test_no_other_sites_page_may_use_it(method: str, office: Office) -> None:
    """S47: nothing is allowed to another origin, and nobody is let in by what a browser sends by itself."""
    bearer = await office.sign_in("ana@a.example", "owner", office.world.a)
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization",
        "Cookie": f"access_token={bearer}; Authorization=Bearer {bearer}",
    }
    for path in ("/v1/users", "/v1/me", "/v1/auth/login", "/v1/nowhere"):
        answer = await office.http.request(method, path, headers=asked)
        assert answer.status_code in (401, 404, 405, 415, 422), (method, path)
        assert [name for name in answer.headers if name.startswith("access-control-") or name == "set-cookie"] == []
    form = {
        "Authorization": f"Bearer {bearer}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": "https://evil.example",
    }
    assert (await office.http.post("/v1/keys", content=b"name=x", headers=form)).status_code == 415
