"""Both clients against the real API on a port of this machine."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from atendeja.client import ApiError
from tests import readme
from tests.client.conftest import Make
from tests.office import PASSWORD, Office, serve_office

ANA = "ana@a.example"


@pytest.fixture
async def url(office: Office) -> AsyncIterator[str]:
    await office.settle(ANA, "owner", office.world.a)
    async with serve_office(office) as url:
        yield url


async def test_people_are_invited_come_in_are_listed_and_changed(make: Make, url: str, office: Office) -> None:
    ana, bia = make(url), make(url)
    assert (await ana.do("login", email=ANA, password=PASSWORD)).role == "owner"
    invited = await ana.do("invite_user", email="bia@a.example", role="agent")
    await bia.do("accept", token=invited.token, password=PASSWORD, name="Bia")
    await bia.do("login", email="bia@a.example", password=PASSWORD)
    assert (await bia.do("me")).account_id == invited.user.id
    more = [(await ana.do("invite_user", email=f"{n}@a.example", role="viewer")).user.id for n in range(3)]
    ids = [user.id for user in await ana.take("list_users", limit=2)]
    assert ids == sorted({(await ana.do("me")).account_id, invited.user.id, *more})
    page = await ana.do("request", "list_users", query={"limit": 2})
    assert len(page.json()["items"]) == 2
    seen = await ana.do("show_user", invited.user.id)
    assert (seen.state, seen.etag is None, invited.user.etag) == ("active", False, None)
    office.later(1)
    changed = await ana.do("change_user", seen.id, role="viewer", if_match=seen.etag)
    assert (changed.role, changed.etag == seen.etag) == ("viewer", False)
    with pytest.raises(ApiError) as refusal:
        await ana.do("change_user", seen.id, role="admin", if_match=seen.etag)
    assert (refusal.value.status, refusal.value.code) == (412, "changed_meanwhile")
    told = await ana.take("list_changes", most=2, limit=1)
    assert len(told) == 2 and told[0].action == "user_changed" and told[0].after == {"role": "viewer", "state": "active"}
    await bia.do("logout")
    with pytest.raises(ApiError, match="401 not_signed_in"):
        await bia.do("me")


async def test_a_no_tells_what_is_wrong_and_where(make: Make, url: str, office: Office) -> None:
    ana = make(url)
    await ana.do("login", email=ANA, password=PASSWORD)
    for call, status, code, path in (
        (ana.do("show_user", office.rt.new_id()), 404, "not_found", None),
        (ana.do("show_user", "../keys"), 404, "not_found", None),
        (ana.do("show_user", "%2e%2e/keys?limit=1#"), 404, "not_found", None),
        (ana.do("invite_user", email="x", role="agent"), 422, "invalid", "$.email"),
        (ana.do("make_key", name="x", scopes=["none:such"]), 422, "key_refused", None),
        (make(url, key="atj_no").do("me"), 401, "not_signed_in", None),
        (make(url).do("login", email=ANA, password="x"), 401, "sign_in_failed", None),
    ):
        with pytest.raises(ApiError) as no:
            await call
        found = (no.value.status, no.value.code, no.value.errors[0].path if no.value.errors else None)
        assert found == (status, code, path), str(no.value)
        assert no.value.detail and no.value.request_id is not None


async def test_a_key_is_made_once_and_holds_until_it_is_dropped(make: Make, url: str, office: Office) -> None:
    ana = make(url)
    await ana.do("login", email=ANA, password=PASSWORD)
    made = [await ana.do("make_key", name="ERP", scopes=["users:read"], idempotency_key="ERP-1") for _ in range(2)]
    assert made[0] == made[1]
    with pytest.raises(ApiError, match="key_reused"):
        await ana.do("make_key", name="other", scopes=["users:read"], idempotency_key="ERP-1")
    assert (await ana.do("make_key", name="ERP", scopes=["users:read"])).secret != made[0].secret
    erp = make(url, key=made[0].secret)
    assert [user.email for user in await erp.take("list_users")] == [ANA]
    with pytest.raises(ApiError, match="403 forbidden"):
        await erp.do("me")
    assert await ana.do("drop_key", made[0].key.id) is None
    office.later(5)
    with pytest.raises(ApiError, match="401 not_signed_in"):
        await erp.take("list_users")


async def test_a_sign_in_goes_on_after_its_token_is_over_and_says_when_it_has_ended(make: Make, url: str, office: Office) -> None:
    ana = make(url)
    await ana.do("login", email=ANA, password=PASSWORD)
    for _ in range(3):
        office.later(3600)
        assert (await ana.do("me")).email == ANA
    for _ in range(2):
        office.later(3600)
        at_once = await asyncio.gather(*(ana.do("me") for _ in range(5)))
        assert {me.email for me in at_once} == {ANA}, "of several that find out at once none ends the sign-in"
    office.later(31 * 86400)
    with pytest.raises(ApiError, match="401 refresh_failed"):
        await ana.do("me")
    with pytest.raises(ApiError, match="401 not_signed_in"):
        await ana.do("me")


async def test_the_lines_of_the_readme_about_people_do_what_they_say(
    url: str, office: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = readme.block("api.invite_user(")
    for name, value in {"ATENDEJA_URL": url, "EMAIL": ANA, "PASSWORD": PASSWORD}.items():
        monkeypatch.setenv(name, value)
    office.later(1)
    await asyncio.to_thread(exec, lines, {})
    people, changes = capsys.readouterr().out.splitlines()
    assert people == f"[('{ANA}', 'owner'), ('bia@loja.example', 'viewer')]"
    assert {"user_invited", "user_changed", "key_made"} <= {*re.findall(r"\w+", changes)}
