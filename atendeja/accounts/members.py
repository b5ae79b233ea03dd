"""The people of a business: inviting, roles, putting out. Nobody grants more than he has, and the last owner stays."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from atendeja import audit
from atendeja.accounts import keys, people, tokens
from atendeja.accounts.opening import DROP_PASSES, put_pass
from atendeja.accounts.people import Account, Email
from atendeja.audit import Actor
from atendeja.db import Nothing, Tx, query
from atendeja.endpoint import FIRST, HEADS, ById, Call, Endpoint, Instant, Listing, Page, Role, not_found, once
from atendeja.errors import Refused
from atendeja.runtime import Runtime

MemberRole = Literal["owner", "admin", "agent", "viewer"]
RANKS: dict[Role, int] = {"viewer": 1, "agent": 2, "admin": 3, "owner": 4}
HOLDS = dt.timedelta(days=7)
"""How long an invitation holds."""


class Member(Struct, frozen=True):
    id: UUID
    email: str
    name: str | None
    role: MemberRole
    invited_at: dt.datetime
    joined_at: dt.datetime | None
    disabled_at: dt.datetime | None


class User(Struct, frozen=True):
    """Somebody who may use the API for this business."""

    id: UUID
    email: Annotated[str, Meta(examples=["ana@oficina.example"])]
    name: str | None
    role: MemberRole
    state: Annotated[Literal["invited", "active", "disabled"], Meta(description="invited: has not taken the invitation up.")]
    invited_at: Instant


class NewUser(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    role: MemberRole


class Invited(Struct, frozen=True):
    user: User
    token: Annotated[str, Meta(description="Hand it over: with it `accept` is called. It is shown this once.")]
    expires_at: Instant


class UserChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays."""

    role: MemberRole | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


INVITE = query("accounts.invite", ById)
MEMBERS = query("accounts.members", Member)
MEMBER = query("accounts.member", Member)
LOCK = query("accounts.lock_members", Member)
CHANGE = query("accounts.change_member", Nothing)
END_HERE = query("accounts.end_sign_ins_here", Nothing)


def show(m: Member) -> User:
    state: Literal["invited", "active", "disabled"] = "disabled" if m.disabled_at else "active" if m.joined_at else "invited"
    return User(m.id, m.email, m.name, m.role, state, m.invited_at)


def decide(members: Sequence[Member], wanted: UUID, change: UserChange, by: Role, now: dt.datetime) -> Member | None:
    """The member as he is to be; None when there is none. `members` are he and every owner.

    Raises Refused when the caller would touch, or make, somebody above himself, or when nobody would own the business.
    """
    member = next((m for m in members if m.id == wanted), None)
    if member is None:
        return None
    role = member.role if change.role is UNSET else change.role
    disabled_at = member.disabled_at if change.disabled is UNSET else (member.disabled_at or now) if change.disabled else None
    check_rank(by, member.role, role)
    changed = replace(member, role=role, disabled_at=disabled_at)
    if _owns(member) and not _owns(changed) and not any(_owns(m) for m in members if m.id != wanted):
        raise Refused("last_owner", "a business needs an owner: make somebody else one first")
    return changed


def check_rank(by: Role, *roles: Role) -> None:
    """Raises Refused when one of these is above the caller's own."""
    if any(RANKS[role] > RANKS[by] for role in roles):
        raise Refused("above_you", f"as {by} you cannot grant or change what is more than that")


def _owns(m: Member) -> bool:
    return m.role == "owner" and m.joined_at is not None and m.disabled_at is None


async def list_users(rt: Runtime, call: Call[Listing]) -> Page[User]:
    after = call.after(call.body, ById)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(MEMBERS, after=after.id if after else FIRST, most=call.body.limit + 1)
    items, following = call.cut(call.body, found, lambda m: ById(m.id))
    return Page([show(m) for m in items], following)


async def show_user(rt: Runtime, call: Call[Struct]) -> User:
    async with rt.db.tenant(call.tenant_id) as tx:
        member = await tx.one(MEMBER, id=call.ids["id"])
    if member is None:
        raise not_found()
    return show(member)


async def invite(rt: Runtime, call: Call[NewUser]) -> Invited:
    """Invite somebody, or again who has not come. Raises Refused for who is in already, and for a role above the caller's.

    Says the same of somebody who has an account for another business: only he can take the invitation up.
    """
    now, token = rt.now(), tokens.opaque("ato", rt.secret())

    async def work(tx: Tx) -> Invited:
        account = await people.ensure(tx, call.body.email, rt.new_id(), now)
        before = next((m for m in await tx.all(LOCK, id=account.id) if m.id == account.id), None)
        check_rank(call.role, call.body.role, *([before.role] if before else []))
        if call.body.role == "owner":
            call.check_fresh()
        return await write_invitation(tx, account, call.body.role, token, rt.new_id(), now, audit.actor(call))

    return await once(rt, call, work)


async def write_invitation(
    tx: Tx, account: Account, role: MemberRole, token: str, line_id: UUID, now: dt.datetime, by: Actor
) -> Invited:
    """Have this one-time token let somebody into the transaction's tenant, with the password that he has or will choose. `line_id`:
    of the line in the audit log. Raises Refused for who is in already."""
    if await tx.one(INVITE, account_id=account.id, role=role, now=now) is None:
        raise Refused("user_exists", "this person is in already")
    await put_pass(tx, account, token, tx.tenant_id, now, now + HOLDS, None)
    await audit.add(tx, line_id, now, by, "user_invited", account.id, after={"email": account.email, "role": role})
    member = await tx.one(MEMBER, id=account.id)
    assert member is not None
    return Invited(show(member), token, now + HOLDS)


async def change_user(rt: Runtime, call: Call[UserChange]) -> User:
    """Change a role, put somebody out or let him in again. Raises Refused as `decide` does; Problem for nobody, and a stale tag.

    Who has not come and is to be more has to be invited again: whoever has the token was not trusted with so much.
    """
    now = rt.now()
    async with rt.db.tenant(call.tenant_id) as tx:
        members = await tx.all(LOCK, id=call.ids["id"])
        changed = decide(members, call.ids["id"], call.body, call.role, now)
        if changed is None:
            raise not_found()
        before, after = show(next(m for m in members if m.id == changed.id)), show(changed)
        call.check_tag(before)
        if before != after:
            if "owner" in (before.role, after.role):
                call.check_fresh()
            await tx.run(CHANGE, id=changed.id, role=changed.role, disabled_at=changed.disabled_at)
            if changed.joined_at is None and (RANKS[after.role] > RANKS[before.role] or changed.disabled_at is not None):
                await tx.run(DROP_PASSES, account_id=changed.id, of_tenant=call.tenant_id, now=now)
            if changed.disabled_at is not None:
                await tx.run(END_HERE, account_id=changed.id, of_tenant=call.tenant_id, now=now)
            if changed.disabled_at is not None or changed.role not in HEADS:
                await keys.drop_of(tx, rt, changed.id, audit.actor(call))
            told = [{"role": user.role, "state": user.state} for user in (before, after)]
            await audit.add(tx, rt.new_id(), now, audit.actor(call), "user_changed", changed.id, before=told[0], after=told[1])
    return after


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/users", "list_users", list_users, who=HEADS, scope="users:read", takes=Listing, gives=Page[User],
             says="The people of this business."),
    Endpoint("POST", "/v1/users", "invite_user", invite, who=HEADS, fresh="sometimes", takes=NewUser, gives=Invited, status=201,
             once=True, refuses={"above_you": 403, "user_exists": 409}, says="Invite somebody, or again who has not come."),
    Endpoint("GET", "/v1/users/{id}", "show_user", show_user, who=HEADS, scope="users:read", gives=User, is_tagged=True,
             says="One of the people of this business."),
    Endpoint("PATCH", "/v1/users/{id}", "change_user", change_user, who=HEADS, fresh="sometimes", takes=UserChange, gives=User,
             is_tagged=True, refuses={"above_you": 403, "last_owner": 409},
             says="Change somebody's role, put him out, or let him in again. Who may make keys no more loses those that he made."),
]  # fmt: skip
