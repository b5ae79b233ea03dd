"""One contact over the API: shown, made, changed, merged."""

from typing import Any
from uuid import UUID

from msgspec import Struct

from atendeja import audit, phone
from atendeja.contacts import profiles
from atendeja.contacts.meeting import LOCK, describe, index, meet, merge, settle
from atendeja.contacts.people import Person
from atendeja.contacts.profiles import ContactChange, ContactDetail, NewContact, Profile, WholeRow
from atendeja.contacts.tombstones import recall
from atendeja.db import LostRace, Nothing, Tx, query
from atendeja.endpoint import AGENTS, HEADS, MEMBERS, Call, Endpoint, Problem, not_found, once
from atendeja.errors import Refused
from atendeja.runtime import Runtime


class Ours(Struct, frozen=True):
    is_ours: bool


class Merge(Struct, frozen=True, forbid_unknown_fields=True):
    into: UUID


WHOLE = query("contacts.whole", WholeRow)
IS_OUR_PORTFOLIO = query("contacts.is_our_portfolio", Ours)
KEEP_PROFILE = query("contacts.keep_profile", Nothing)


async def find(tx: Tx, contact_id: UUID) -> WholeRow:
    """The contact, or whom it was merged into. Raises Problem 404."""
    row = await tx.one(WHOLE, id=contact_id)
    if row is None:
        raise not_found()
    return row


async def hold(tx: Tx, *contact_ids: UUID) -> list[WholeRow]:
    """These contacts under their locks, as they are then, in the order given. Raises Problem 404, and LostRace when one is merged
    meanwhile."""
    ids = [(await find(tx, contact_id)).id for contact_id in contact_ids]
    await tx.all(LOCK, ids=sorted({*ids}))
    held = [await find(tx, contact_id) for contact_id in contact_ids]
    if [row.id for row in held] != ids:
        raise LostRace("somebody else has just merged this contact")
    return held


async def show_contact(rt: Runtime, call: Call[Struct]) -> ContactDetail:
    async with rt.db.tenant(call.tenant_id) as tx:
        return profiles.show_whole(await find(tx, call.ids["id"]))


async def make_contact(rt: Runtime, call: Call[NewContact]) -> ContactDetail:
    """Enter somebody whom nobody knew. Raises Refused for what cannot be a person, Problem 409 for one who is known."""
    new, now = call.body, rt.now()
    person = _person(new)
    profile = profiles.check(Profile(new.name, new.name is not None, new.language, list(dict.fromkeys(new.tags)), {**new.fields}))

    async def work(tx: Tx) -> ContactDetail:
        if person.user_id is not None:
            ours = await tx.one(IS_OUR_PORTFOLIO, portfolio_id=person.portfolio_id)
            if ours is None or not ours.is_ours:
                raise Refused("bad_portfolio", "no number of this business is of that portfolio")
        meeting = await meet(tx, [person])
        if meeting.matches:
            known = next(iter(meeting.matches.values())).contact.id
            raise Problem(409, "contact_exists", "this person is known already", existing_id=known)
        meeting = await settle(tx, meeting, now, rt.new_id)
        told = await recall(tx, rt.config.secret_keys, meeting, now, rt.new_id)
        if told and rt.feed.wants(tx.tenant_id):
            await rt.feed.tell(tx, told)
        (contact_id,) = meeting.ids
        await _keep(tx, contact_id, profile)
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "contact_made", contact_id)
        return profiles.show_whole(await find(tx, contact_id))

    return await once(rt, call, work)


def _person(new: NewContact) -> Person:
    if new.phone is None and new.bsuid is None:
        raise Refused("nobody", "give a telephone number or a bsuid")
    if (new.bsuid is None) != (new.portfolio is None):
        raise Refused("bad_portfolio", "a bsuid is of a portfolio: give both or neither")
    if new.bsuid is not None and not phone.is_bsuid(new.bsuid):
        raise Refused("bad_bsuid", "a bsuid is a country, a dot and letters and digits, like BR.abc")
    telephone = None if new.phone is None else profiles.read_phone(new.phone)
    return Person(new.portfolio or "", new.bsuid, telephone, new.name)


async def change_contact(rt: Runtime, call: Call[ContactChange]) -> ContactDetail:
    """Raises Refused as `profiles.change` does; Problem for nobody, and for a stale tag."""

    async def work(tx: Tx) -> ContactDetail:
        (row,) = await hold(tx, call.ids["id"])
        call.check_tag(profiles.show_whole(row))
        before, after = profiles.profile(row), profiles.change(row, call.body)
        if before != after:
            await _keep(tx, row.id, after)
            told = {"changed": profiles.differences(before, after)}
            await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "contact_changed", row.id, after=told)
        return profiles.show_whole(await find(tx, row.id))

    return await rt.db.transact(call.tenant_id, work)


async def _keep(tx: Tx, contact_id: UUID, profile: Profile) -> None:
    kept: dict[str, Any] = {name: getattr(profile, name) for name in Profile.__struct_fields__}  # Any: of each its own
    await tx.run(KEEP_PROFILE, id=contact_id, **kept)
    await index(tx, [contact_id])


async def merge_contact(rt: Runtime, call: Call[Merge]) -> ContactDetail:
    """Have this contact be another from now on. Raises Refused when WhatsApp knows them as two, Problem 404 for nobody."""

    async def work(tx: Tx) -> ContactDetail:
        loser, winner = await hold(tx, call.ids["id"], call.body.into)
        if loser.id == winner.id:
            raise Refused("one_already", "they are one contact")
        joined = profiles.join(profiles.identity(loser), profiles.identity(winner))
        told = await merge(tx, loser.id, winner.id)
        if told and rt.feed.wants(tx.tenant_id):
            await rt.feed.tell(tx, told)
        await describe(tx, [joined])
        await index(tx, [loser.id, winner.id])
        after = {"into": winner.id}
        await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "contact_merged", loser.id, after=after)
        return profiles.show_whole(await find(tx, winner.id))

    return await once(rt, call, work)


_MERGE_REFUSALS = {"one_already": 409, "two_phones": 409, "two_users": 409}
_NEW_REFUSALS = {"contact_exists": 409, "nobody": 422, "bad_phone": 422, "bad_bsuid": 422, "bad_portfolio": 422, "too_much": 422}

ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("POST", "/v1/contacts", "make_contact", make_contact, who=AGENTS, scope="contacts:write", takes=NewContact,
             gives=ContactDetail, status=201, once=True, refuses=_NEW_REFUSALS,
             says="Enter somebody. Who is known already is told by `existing_id`."),
    Endpoint("GET", "/v1/contacts/{id}", "show_contact", show_contact, who=MEMBERS, scope="contacts:read", gives=ContactDetail,
             is_tagged=True, says="Somebody, with conversations and consents. Who was merged is shown as whom he was merged into."),
    Endpoint("PATCH", "/v1/contacts/{id}", "change_contact", change_contact, who=AGENTS, scope="contacts:write",
             takes=ContactChange, gives=ContactDetail, is_tagged=True,
             refuses={"tags_twice": 422, "too_much": 422},
             says="Change the name, the language, tags and fields."),
    Endpoint("POST", "/v1/contacts/{id}/merge", "merge_contact", merge_contact, who=HEADS, takes=Merge, gives=ContactDetail,
             once=True, fresh=True, refuses=_MERGE_REFUSALS,
             says="Have this contact be another from now on: who was known by a telephone number and who by WhatsApp's id. The "
             "consents of both count, the newest last; what was said stays where it was said."),
]  # fmt: skip
