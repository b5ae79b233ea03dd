"""The JSON API's one way to declare an endpoint, and what all of them have in common.

    ROUTES = [Endpoint("GET", "/v1/users", "list_users", list_users, who=HEADS, scope="users:read", takes=Listing,
                       gives=Page[Member], says="The people of this business.")]

    async def list_users(rt: Runtime, call: Call[Listing]) -> Page[Member]: ...

Who may is part of the declaration and has no default: what nobody is named for, nobody may. From the same declarations come the
table of who may do what (`Access`), the routes, the documented errors and OpenAPI.

A request is read strictly and told what is wrong with it: 400 is not JSON, 413 too much, 415 not called JSON, 422 with the path of
what does not fit. Every error is a problem of RFC 9457 with a stable `code`; one of the database or a bug never shows its text.

Refused: a web framework's own validation and OpenAPI (msgspec has both the types and the schemas), and decorators that register by
being imported.

problems: errors as they are answered · files: what is given and is no JSON · reading: bodies and queries · pages: lists cut in
pieces, tags of what is edited · idempotency: what comes twice · rates: how fast somebody may ask · declaration: endpoints and who
may · streaming: answers without an end · serving: the routes.
"""

from atendeja.endpoint.declaration import (
    AGENTS,
    HEADS,
    MEMBERS,
    OPERATORS,
    PEOPLE,
    Access,
    Call,
    Caller,
    Endpoint,
    Instant,
    Role,
    Scope,
)
from atendeja.endpoint.files import File
from atendeja.endpoint.idempotency import FORGET, KEEPS, answered, forget_about, once
from atendeja.endpoint.pages import FIRST, LAST, ById, Cursors, Listing, Page, tag
from atendeja.endpoint.problems import SAFE, Fault, Problem, Trouble, not_found
from atendeja.endpoint.reading import networks
from atendeja.endpoint.serving import STREAMS, Api, answer_bug

__all__ = [
    "AGENTS",
    "FIRST",
    "FORGET",
    "HEADS",
    "KEEPS",
    "LAST",
    "MEMBERS",
    "OPERATORS",
    "PEOPLE",
    "SAFE",
    "STREAMS",
    "Access",
    "Api",
    "ById",
    "Call",
    "Caller",
    "Cursors",
    "Endpoint",
    "Fault",
    "File",
    "Instant",
    "Listing",
    "Page",
    "Problem",
    "Role",
    "Scope",
    "Trouble",
    "answer_bug",
    "answered",
    "forget_about",
    "networks",
    "not_found",
    "once",
    "tag",
]
