"""People of a business: nobody grants more than he has, the last owner stays, what another knows stays there (S18, S25)."""

import asyncio
import datetime as dt
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from atendeja import accounts
from atendeja.accounts import members
from atendeja.accounts.members import RANKS, Member, UserChange
from atendeja.errors import Refused
from tests.office import PASSWORD, Office

NOW = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)
ROLES: list[members.MemberRole] = ["owner", "admin", "agent", "viewer"]
PERSON = st.tuples(st.sampled_from([ROLES[0], *ROLES]), st.sampled_from([NOW, NOW, None]), st.sampled_from([None, None, NOW]))
PEOPLE = st.lists(PERSON, min_size=1, max_size=3).map(
    lambda people: [Member(UUID(int=n), "", None, role, NOW, joined, disabled) for n, (role, joined, disabled) in enumerate(people)]
)
CHANGES = st.builds(UserChange, st.sampled_from([UNSET, *ROLES]), st.sampled_from([UNSET, True, False]))


def owners(found: list[Member]) -> int:
    return sum(m.role == "owner" and m.joined_at is not None and m.disabled_at is None for m in found)


@settings(max_examples=300)
@given(PEOPLE, st.integers(0, 3), CHANGES, st.sampled_from(["owner", "admin"]))
def test_no_change_leaves_a_business_without_its_owner_or_makes_somebody_more_than_the_caller(
    found: list[Member], n: int, change: UserChange, by: members.MemberRole
) -> None:
    """S25, as a property."""
    try:
        changed = members.decide(found, UUID(int=n), change, by, NOW)
    except Refused as refusal:
        assert refusal.code in ("above_you", "last_owner")
        return
    if changed is None:
        assert n >= len(found)
        return
    before = found[n]
    assert RANKS[changed.role] <= RANKS[by] and RANKS[before.role] <= RANKS[by]
    assert owners([changed if m.id == changed.id else m for m in found]) >= min(1, owners(found))
    assert changed.role == (before.role if change.role is UNSET else change.role)
    assert (changed.disabled_at is not None) == ((before.disabled_at is not None) if change.disabled is UNSET else change.disabled)


async def test_an_invited_person_comes_in_with_the_role_of_the_invitation(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    invited = await office.post("/users", {"email": "Bia@A.example", "role": "agent"}, boss)
    said, user = invited.json(), invited.json()["user"]
    assert (invited.status_code, user["state"], user["role"], user["email"]) == (201, "invited", "agent", "bia@a.example")
    assert (await office.post("/auth/accept", {"token": said["token"], "password": PASSWORD, "name": "Bia"})).status_code == 204
    bia = (await office.login("bia@a.example")).json()
    assert (bia["role"], bia["tenant"]) == ("agent", "a")
    shown = (await office.get(f"/users/{said['user']['id']}", boss)).json()
    assert (shown["state"], shown["name"]) == ("active", "Bia")
    again = await office.post("/users", {"email": "bia@a.example", "role": "viewer"}, boss)
    assert (again.status_code, again.json()["code"]) == (409, "user_exists")


async def test_an_invitation_holds_for_a_week_and_only_the_newest(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    bia = {"email": "bia@a.example"}
    first, second = [(await office.post("/users", bia | {"role": role}, boss)).json() for role in ("agent", "viewer")]
    assert second["user"]["id"] == first["user"]["id"]
    assert (await office.post("/auth/accept", {"token": first["token"], "password": PASSWORD})).status_code == 401
    office.later(7 * 86_400)
    assert (await office.post("/auth/accept", {"token": second["token"], "password": PASSWORD})).status_code == 401


async def test_an_invitation_of_somebody_known_elsewhere_tells_nothing_and_opens_nothing_of_his(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    await office.settle("bia@b.example", "owner", office.world.b)
    emails = ("bia@b.example", "new@b.example")
    said = [(await office.post("/users", {"email": email, "role": "viewer"}, boss)).json() for email in emails]
    own = {"id": "", "email": ""}
    users = [one["user"] | own for one in said]
    assert users[0] == users[1] and users[0]["name"] is None and users[0]["state"] == "invited"
    assert said[0] | {"user": "", "token": ""} == said[1] | {"user": "", "token": ""}
    assert [len(one["token"]) for one in said] == [47, 47]
    weak = [await office.post("/auth/accept", {"token": one["token"], "password": "password1234"}) for one in said]
    told = [(answer.status_code, answer.json() | {"request_id": ""}) for answer in weak]
    assert told[0] == told[1] and (told[0][0], told[0][1]["code"]) == (422, "weak_password")
    token = said[0]["token"]
    stolen = await office.post("/auth/accept", {"token": token, "password": "outra senha bem longa"})
    assert (stolen.status_code, stolen.json()["code"]) == (401, "sign_in_failed")
    assert (await office.login("bia@b.example", tenant="a")).status_code == 401, "an invitation alone lets nobody in"
    assert (await office.post("/auth/accept", {"token": token, "password": PASSWORD, "name": "Other"})).status_code == 204
    assert [(await office.login("bia@b.example", tenant=slug)).json()["role"] for slug in ("a", "b")] == ["viewer", "owner"]
    (shown,) = [user for user in (await office.get("/users", boss)).json()["items"] if user["email"] == "bia@b.example"]
    assert shown["name"] == "bia", "the name is his own"


async def test_who_has_the_token_of_a_small_invitation_does_not_come_in_by_a_greater_one(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    admin = await office.sign_in("bia@a.example", "admin", office.world.a)
    new = {"email": "new@a.example", "role": "agent"}
    made = (await office.post("/users", new, admin)).json()
    user = f"/users/{made['user']['id']}"
    assert (await office.patch(user, {"role": "owner"}, boss)).status_code == 200
    kept = await office.post("/auth/accept", {"token": made["token"], "password": PASSWORD})
    assert (kept.status_code, kept.json()["code"]) == (401, "token_refused")
    again = (await office.post("/users", new | {"role": "owner"}, boss)).json()
    assert (await office.patch(user, {"role": "viewer"}, boss)).status_code == 200
    assert (await office.post("/auth/accept", {"token": again["token"], "password": PASSWORD})).status_code == 204, (
        "less is the same"
    )


async def test_who_was_put_out_before_he_came_may_be_invited_again(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    new = {"email": "new@a.example", "role": "agent"}
    made = (await office.post("/users", new, boss)).json()
    assert (await office.patch(f"/users/{made['user']['id']}", {"disabled": True}, boss)).status_code == 200
    assert (await office.post("/auth/accept", {"token": made["token"], "password": PASSWORD})).status_code == 401
    again = (await office.post("/users", new, boss)).json()
    assert again["user"]["state"] == "invited"
    assert (await office.post("/auth/accept", {"token": again["token"], "password": PASSWORD})).status_code == 204
    assert (await office.login("new@a.example")).json()["role"] == "agent"


async def test_a_role_that_is_changed_is_another_within_five_seconds_without_signing_in_anew(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    bia = await office.sign_in("bia@a.example", "admin", office.world.a)
    assert (await office.get("/users", bia)).status_code == 200
    her = (await office.get("/me", bia)).json()["account_id"]
    assert (await office.patch(f"/users/{her}", {"role": "agent"}, boss)).status_code == 200
    office.later(4.9)
    assert (await office.get("/users", bia)).status_code == 403
    assert (await office.get("/me", bia)).json()["role"] == "agent"


async def test_nobody_grants_or_touches_what_is_above_him(office: Office) -> None:
    """S25."""
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    admin = await office.sign_in("bia@a.example", "admin", office.world.a)
    ana, bia = (await office.get("/users", boss)).json()["items"]
    for answer in (
        await office.post("/users", {"email": "new@a.example", "role": "owner"}, admin),
        await office.patch(f"/users/{bia['id']}", {"role": "owner"}, admin),
        await office.patch(f"/users/{ana['id']}", {"role": "viewer"}, admin),
        await office.patch(f"/users/{ana['id']}", {"disabled": True}, admin),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "above_you")
    pending = (await office.post("/users", {"email": "new@a.example", "role": "owner"}, boss)).json()
    assert (await office.post("/users", {"email": "new@a.example", "role": "viewer"}, admin)).status_code == 403
    assert (await office.get(f"/users/{pending['user']['id']}", boss)).json()["role"] == "owner"


async def test_the_last_owner_stays_also_when_two_go_at_once(office: Office) -> None:
    """S25."""
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    other = await office.sign_in("bia@a.example", "owner", office.world.a)
    ids = [user["id"] for user in (await office.get("/users", boss)).json()["items"]]
    for n in range(5):
        both = zip(ids, (boss, other), strict=True)
        answers = await asyncio.gather(*(office.patch(f"/users/{id_}", {"role": "admin"}, bearer) for id_, bearer in both))
        assert sorted(answer.status_code for answer in answers) == [200, 409], n
        assert next(a for a in answers if a.status_code == 409).json()["code"] == "last_owner"
        async with office.rt.db.tenant(office.world.a) as tx:
            assert await tx._connection.fetchval("SELECT count(*) FROM membership WHERE role = 'owner'") == 1
            await tx._connection.execute("UPDATE membership SET role = 'owner'")
    assert (await office.patch(f"/users/{ids[0]}", {"disabled": True}, other)).status_code == 200
    assert (await office.patch(f"/users/{ids[1]}", {"disabled": True}, other)).status_code == 409


async def test_an_owner_whose_account_is_disabled_is_none(office: Office) -> None:
    """S25."""
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    await office.settle("bia@a.example", "owner", office.world.a)
    ana = (await office.get("/me", boss)).json()["account_id"]
    await office.switch(accounts.disable, "bia@a.example")
    assert (await office.patch(f"/users/{ana}", {"role": "admin"}, boss)).json()["code"] == "last_owner"
    await office.switch(accounts.enable, "bia@a.example")
    assert (await office.patch(f"/users/{ana}", {"role": "admin"}, boss)).status_code == 200


async def test_who_is_put_out_is_out_here_and_stays_in_elsewhere(office: Office) -> None:
    """S18."""
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    await office.settle("bia@a.example", "agent", office.world.a)
    await office.settle("bia@a.example", "agent", office.world.b)
    here, elsewhere = [(await office.login("bia@a.example", tenant=slug)).json() for slug in ("a", "b")]
    assert (await office.get("/me", here["access_token"])).status_code == 200
    bia = (await office.get("/me", elsewhere["access_token"])).json()["account_id"]
    assert (await office.patch(f"/users/{bia}", {"disabled": True}, boss)).json()["state"] == "disabled"
    office.later(4.9)
    assert (await office.get("/me", here["access_token"])).status_code == 401
    assert (await office.get("/me", elsewhere["access_token"])).status_code == 200
    assert (await office.login("bia@a.example", tenant="a")).status_code == 401
    assert (await office.patch(f"/users/{bia}", {"disabled": False}, boss)).json()["state"] == "active"
    office.later(4.9)
    assert (await office.get("/me", here["access_token"])).status_code == 401, "what was ended stays ended"
    assert (await office.login("bia@a.example", tenant="a")).status_code == 200


async def test_two_who_edit_one_person_find_out(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    await office.settle("bia@a.example", "agent", office.world.a)
    bia = (await office.get("/users", boss)).json()["items"][1]["id"]
    seen = (await office.get(f"/users/{bia}", boss)).headers["etag"]
    first = await office.patch(f"/users/{bia}", {"role": "viewer"}, boss, seen)
    second = await office.patch(f"/users/{bia}", {"role": "admin"}, boss, seen)
    assert (first.status_code, second.status_code, second.json()["code"]) == (200, 412, "changed_meanwhile")
    assert first.headers["etag"] == (await office.get(f"/users/{bia}", boss)).headers["etag"] != seen
    assert (await office.patch(f"/users/{bia}", {"role": "admin"}, boss, first.headers["etag"])).status_code == 200


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_people_are_listed_each_once_also_while_others_come(office: Office, limit: int) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    for n in range(4):
        office.later(1)
        await office.post("/users", {"email": f"{n}@a.example", "role": "viewer"}, boss)
    seen: list[str] = []
    url: str | None = f"/users?limit={limit}"
    while url:
        page = (await office.get(url, boss)).json()
        seen += [user["email"] for user in page["items"]]
        office.later(1)
        await office.post("/users", {"email": f"later{len(seen)}@a.example", "role": "viewer"}, boss)
        url = f"/users?limit={limit}&cursor={page['next_cursor']}" if page["next_cursor"] and len(seen) < 5 else None
    assert seen[:5] == ["ana@a.example", "0@a.example", "1@a.example", "2@a.example", "3@a.example"]
