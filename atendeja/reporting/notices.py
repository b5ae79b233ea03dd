"""What wants a person's eye: read from the tables in which it is true, so that nothing has to be written for it and nothing
outlives its reason. (`notify` says the same things once in the log and counts them, as they happen.)"""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from atendeja.db import query
from atendeja.endpoint import MEMBERS, Call, Endpoint, Instant
from atendeja.runtime import Runtime
from atendeja.wa.codes import CODES, advise

NoticeKind = Literal[
    "sending_held",
    "tenant_suspended",
    "no_number",
    "no_flow",
    "number_stopped",
    "number_paused",
    "number_quality",
    "marketing_stopped",
    "template_stopped",
    "webhook_disabled",
    "job_failed",
    "dead_letters",
]
MOST_LETTERS = 1000
"""Beyond it they are not counted."""


class Found(Struct, frozen=True):
    kind: NoticeKind
    subject_id: UUID | None
    about: str | None
    code: int | None
    since: dt.datetime | None
    until: dt.datetime | None
    detail: str | None


class ShownNotice(Struct, frozen=True):
    """Something that keeps the business from working as it should, as long as it does."""

    kind: NoticeKind
    severity: Annotated[Literal["error", "warning"], Meta(description="error: customers notice it.")]
    says: Annotated[str, Meta(examples=["the number +55 11 4000-0001 sends nothing: access token expired"])]
    todo: Annotated[str, Meta(description="What ends it.", examples=["give it a new token: PATCH /v1/numbers/{id}"])]
    subject_id: Annotated[UUID | None, Meta(description="Of the number, the webhook or the job that it is about.")]
    code: Annotated[int | None, Meta(description="Meta's.", examples=[190])]
    since: Instant | None
    until: Annotated[Instant | None, Meta(description="When it is tried again by itself.")]


class Notices(Struct, frozen=True):
    notices: Annotated[list[ShownNotice], Meta(description="Errors first. Nothing is here when all is well.")]


FOUND = query("reporting.notices", Found)

_WARNINGS: frozenset[NoticeKind] = frozenset(
    {"number_paused", "number_quality", "marketing_stopped", "webhook_disabled", "job_failed", "dead_letters"}
)
_TODO: dict[NoticeKind, str] = {  # where it does not depend on Meta's code
    "sending_held": "the operator of the installation looks at `atendeja resume-sending`",
    "tenant_suspended": "ask the operator of the installation",
    "no_number": "add one: POST /v1/numbers",
    "no_flow": "publish one: POST /v1/flows, then its publish",
    "number_paused": "POST /v1/numbers/{id}/resume when it may go on",
    "number_quality": "send less that people do not want; Meta looks at what they block and report",
    "webhook_disabled": "mend the receiver, then enable it: PATCH /v1/webhooks/{id}",
    "job_failed": "have it tried again: POST /v1/jobs/{id}/retry; or its cancel, where it may be left",
    "dead_letters": "look at GET /v1/dead-letters; have them tried again, or let them be",
}


def tell(found: Found) -> ShownNotice:
    """A row in words."""
    known = CODES.get(found.code or 0)
    meaning = f"code {found.code}" + (f", {known.meaning}" if known else "")
    says = {
        "sending_held": "nobody sends on this installation: its database was found to have lost commits",
        "tenant_suspended": f"an operator has suspended the business: {found.detail}",
        "no_number": "the business has no number yet",
        "no_flow": f"nothing answers on {found.about}: no flow is published for it",
        "number_stopped": f"{found.about} sends nothing: {meaning}",
        "number_paused": f"somebody has paused {found.about}: {found.detail}",
        "number_quality": f"Meta rates the quality of {found.about} as {found.detail}",
        "marketing_stopped": f"{found.about} sends no marketing: {meaning}",
        "template_stopped": f"the template {found.about} is not sent: {meaning}",
        "webhook_disabled": f"{found.about} is told nothing any more: "
        + ("it said that it is gone" if found.detail == "gone" else "it failed for five days"),
        "job_failed": f"the {found.about} that somebody wanted has failed: {found.detail}",
        "dead_letters": f"{_count(found.detail)} messages or events came to no good end",
    }[found.kind]
    severity: Literal["error", "warning"] = "warning" if found.kind in _WARNINGS else "error"
    todo = _TODO.get(found.kind) or advise(found.code or 0)
    return ShownNotice(found.kind, severity, says, todo, found.subject_id, found.code, found.since, found.until)


def _count(letters: str | None) -> str:
    return f"{MOST_LETTERS} or more" if letters == str(MOST_LETTERS) else str(letters)


async def list_notices(rt: Runtime, call: Call[Struct]) -> Notices:
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(FOUND)
    return Notices(sorted(map(tell, found), key=lambda notice: notice.severity))


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/notices", "list_notices", list_notices, who=MEMBERS,
             scope="notices:read", gives=Notices, says="What keeps the business from working as it should, and what ends it."),
]  # fmt: skip
