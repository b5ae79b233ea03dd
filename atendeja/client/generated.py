"""The API's structs and operations. Generated of its document: `pytest --update tests/client` writes this anew."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, field

from atendeja.client.drive import Async, AsyncPages, Pages, Sync
from atendeja.client.exchange import Operation, Page


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was changed. Neither a user nor a key: by a command on the machine itself."""

    number: int | None
    """Its place in the chain of changes; none from before there was one."""
    hash: str | None
    """SHA-256 over the line before and this one. Keep one, and nothing before it can be changed unnoticed."""
    id: UUID
    at: dt.datetime
    user_id: UUID | None
    key_id: UUID | None
    action: str
    subject: str
    """The id of what was changed."""
    before: Any
    """What was, as far as it is different."""
    after: Any
    """What is since."""
    address: str | None
    """From where."""
    request_id: UUID | None


class CheckedFlow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong with a flow. Without errors it can be published."""

    errors: int
    warnings: int
    problems: list[FlowProblem]
    """The errors first; a hundred at most."""
    key: str | None
    """None where the form is wrong."""
    sha256: str | None
    """Of what it says, however it is written."""


class Consent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody said to a purpose."""

    id: UUID
    purpose: str
    state: Literal["in", "out"]
    source: str
    """word (SAIR), flow, whatsapp (its own switch), admin (declared), merge, tombstone (before he was erased)."""
    evidence: Any
    at: dt.datetime


class ContactDetail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: UUID
    name: str | None
    """As given here, else as WhatsApp calls him."""
    phone: str | None
    """With `+` and the code of its country."""
    username: str | None
    bsuid: str | None
    """WhatsApp's business-scoped user id."""
    portfolio: str | None
    """Meta's id of the portfolio whose `bsuid` it is."""
    language: str | None
    tags: list[str]
    fields: Any
    created_at: dt.datetime
    conversations: list[Talk]
    consents: list[Standing]
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class ContactSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person who wrote, or whom a business has entered."""

    id: UUID
    name: str | None
    """As given here, else as WhatsApp calls him."""
    phone: str | None
    """With `+` and the code of its country."""
    username: str | None
    bsuid: str | None
    """WhatsApp's business-scoped user id."""
    portfolio: str | None
    """Meta's id of the portfolio whose `bsuid` it is."""
    language: str | None
    tags: list[str]
    fields: Any
    created_at: dt.datetime


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it is known."""

    source: str
    text: str | None = None
    note: str | None = None


class FieldIs(Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    """lower case letters, digits and `_`, at most 40"""
    value: str | bool | int | float


class FlowChoice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to tap."""

    choice: str
    """Its id in the flow."""
    label: str
    description: str | None = None
    section: str | None = None


class FlowExample(Struct, frozen=True, kw_only=True, omit_defaults=True):
    key: str
    source: str
    """The document, YAML or JSON, as the text of one JSON string."""


class FlowExamples(Struct, frozen=True, kw_only=True, omit_defaults=True):
    items: list[FlowExample]


class FlowLanguage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What flows are written in."""

    text: str
    """The reference, in Markdown."""
    schema: Any
    """A JSON Schema (2020-12) of a document."""


class FlowProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is wrong with a flow, in the words of `atendeja flow check`."""

    severity: Literal["error", "warning"]
    """A flow with an error cannot be published."""
    path: str
    """Where in the document; empty for the whole."""
    line: int | None
    """From 1, of what was sent, where it is known."""
    message: str
    suggestion: str | None


class FlowReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message of the flow, as WhatsApp would show it."""

    kind: Literal["buttons", "list", "text"]
    text: str
    header: str | None = None
    footer: str | None = None
    button: str | None = None
    """What opens the list."""
    choices: list[FlowChoice] = field(default_factory=list)


class FlowTest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one of the flow's own conversations went."""

    name: str
    passed: bool
    failure: str | None
    """Which step, what was expected, what came."""
    transcript: list[str]
    """`>` is what the customer sent, `<` what the flow said."""


class FlowTurn(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one thing the customer did, or of a timer."""

    at: dt.datetime
    heard: str
    """The kind of input; `timeout` is a timer."""
    outcome: Literal["handled", "human", "no_flow"]
    """no_flow: the flow does not open on this; human: a person has it."""
    replies: list[FlowReply]
    effects: list[str]
    """All that happens, in its order, a line each."""
    trace: list[TraceRow]


class FlowVersion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One text of a flow. Only a draft changes."""

    id: UUID
    n: int
    """Its number, from 1."""
    status: Literal["draft", "published", "retired"]
    """published: it answers; retired: it has answered."""
    spec: int
    """Of the language."""
    sha256: str
    """Of what it says, however it is written."""
    author: str
    """Who wrote it: a person's name, or a key's."""
    note: str | None
    errors: int
    """With any a draft cannot be published."""
    warnings: int
    saved_at: dt.datetime
    published_at: dt.datetime | None
    """When it last began to answer."""


class Invited(Struct, frozen=True, kw_only=True, omit_defaults=True):
    user: User
    token: str
    """Hand it over: with it `accept` is called. It is shown this once."""
    expires_at: dt.datetime


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Work that takes its time. Neither a user nor a key wanted it: then a command, or the clock."""

    id: UUID
    kind: str
    subject_id: UUID | None
    """Whom or what it is about."""
    state: Literal["cancelled", "done", "failed", "queued", "running"]
    done: int
    """Of `total`: what it counts depends on the kind."""
    total: int | None
    result: Any
    """What came of it; null before."""
    error: str | None
    user_id: UUID | None
    key_id: UUID | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    file_expires_at: dt.datetime | None
    """Until when its file can be had, where it has one."""


class Key(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key without the secret."""

    id: UUID
    name: str
    start: str
    """How it begins, to know it by."""
    scopes: list[str]
    created_by: UUID
    """The user."""
    created_at: dt.datetime
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None
    """To the minute."""


class MadeKey(Struct, frozen=True, kw_only=True, omit_defaults=True):
    key: Key
    secret: str
    """For `Authorization: Bearer`. It is shown this once."""


class Me(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asks."""

    role: Literal["admin", "agent", "operator", "owner", "viewer"]
    account_id: UUID
    email: str
    name: str | None
    tenant_id: int
    """0: the installation."""
    tenant: str | None
    has_totp: bool
    """Whether a code is asked for at each sign-in."""
    recovery_codes_left: int


class Recovery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    recovery_codes: list[str]
    """Each once instead of a code, when the app is lost. They are shown this once."""


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came (an event), or what went out or is to go (a message)."""

    id: UUID
    at: dt.datetime
    """When it reached us, or was written here."""
    direction: Literal["in", "out"]
    conversation_id: UUID
    number_id: UUID
    kind: str
    """in: what it is. out: who wrote it (turn, agent, api, campaign, echo)."""
    state: str
    reason: str | None
    content: Any


class Seed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """For an authenticator app. It is shown this once."""

    secret: str
    """To be typed."""
    uri: str
    """To be shown as a QR code."""


class ShownFlow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation of a business. Without a published version it does not open."""

    id: UUID
    key: str
    number_id: UUID | None
    """The number that it answers on; none: all of them."""
    published: FlowVersion | None
    draft: FlowVersion | None
    created_at: dt.datetime
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class ShownFlowVersion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    version: FlowVersion
    flow_id: UUID
    source: str
    """The document, YAML or JSON, as the text of one JSON string."""
    definition: Any
    """The document as it was read."""
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class Simulated(Struct, frozen=True, kw_only=True, omit_defaults=True):
    turns: list[FlowTurn]
    state: str
    """Opaque: give it back with the next events."""
    at: dt.datetime
    node: str | None
    """Where the flow is."""
    is_over: bool
    """No run of the flow waits for an answer."""
    variables: dict[str, Any]
    tags: list[str]
    consents: dict[str, str]
    queue: str | None
    """Whose people have the conversation."""


class SimulatedContact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom the flow talks to."""

    name: str = "Cliente"
    language: str = ""
    tags: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)


class SimulatedEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the customer does next."""

    kind: Literal[
        "audio",
        "button",
        "contact",
        "document",
        "form",
        "image",
        "list",
        "location",
        "nothing",
        "order",
        "sticker",
        "text",
        "video",
    ] = "text"
    text: str = ""
    """What is written, or a caption."""
    choice: str | None = None
    """The id of what is tapped: of a `button` or `list`."""
    data: dict[str, Any] | None = None
    """What else comes with it: `{latitude, longitude}`, a card, a form."""
    after_s: int = 0
    """So long after what was before; timers ring on the way."""


class Standing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest word on a purpose."""

    purpose: str
    state: Literal["in", "out"]
    at: dt.datetime


class Talk(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation of a contact, which is on one number."""

    id: UUID
    number_id: UUID
    state: Literal["closed", "open"]
    owner: Literal["bot", "human"]


class TestedFlow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    passed: bool
    """All of them."""
    tests: list[FlowTest]


class Tokens(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sign-in is shown by."""

    access_token: str
    """For `Authorization: Bearer`."""
    expires_in: int
    """Seconds that the access token holds."""
    refresh_token: str
    """For the next pair. It is taken once."""
    role: Literal["admin", "agent", "operator", "owner", "viewer"]
    tenant: str | None
    """The slug of the business; none for the installation."""


class TraceRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: the node, which input or timer was read there, the test that held and where it led,
    what it set and caused, and why it could not go on (`error`).
    """

    step: int
    node: str
    event: str = ""
    test: str | None = None
    took: str | None = None
    vars_set: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    error: str | None = None


class User(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who may use the API for this business."""

    id: UUID
    email: str
    name: str | None
    role: Literal["admin", "agent", "owner", "viewer"]
    state: Literal["active", "disabled", "invited"]
    """invited: has not taken the invitation up."""
    invited_at: dt.datetime
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


OPERATIONS = {
    one.name: one
    for one in [
        Operation("login", "POST", "/v1/auth/login", public=True),
        Operation("refresh", "POST", "/v1/auth/refresh", public=True),
        Operation("accept", "POST", "/v1/auth/accept", public=True),
        Operation("confirm", "POST", "/v1/auth/confirm"),
        Operation("logout", "POST", "/v1/auth/logout"),
        Operation("me", "GET", "/v1/me"),
        Operation("enrol_totp", "POST", "/v1/me/totp"),
        Operation("activate_totp", "POST", "/v1/me/totp/activate", once=True),
        Operation("dismiss_totp", "POST", "/v1/me/totp/dismiss"),
        Operation("list_users", "GET", "/v1/users"),
        Operation("invite_user", "POST", "/v1/users", once=True),
        Operation("show_user", "GET", "/v1/users/{id}"),
        Operation("change_user", "PATCH", "/v1/users/{id}"),
        Operation("list_keys", "GET", "/v1/keys"),
        Operation("make_key", "POST", "/v1/keys", once=True),
        Operation("drop_key", "DELETE", "/v1/keys/{id}"),
        Operation("list_changes", "GET", "/v1/audit"),
        Operation("list_contacts", "GET", "/v1/contacts"),
        Operation("make_contact", "POST", "/v1/contacts", once=True),
        Operation("search_contacts", "POST", "/v1/contacts/search"),
        Operation("show_contact", "GET", "/v1/contacts/{id}"),
        Operation("change_contact", "PATCH", "/v1/contacts/{id}"),
        Operation("merge_contact", "POST", "/v1/contacts/{id}/merge", once=True),
        Operation("list_consents", "GET", "/v1/contacts/{id}/consents"),
        Operation("declare_consent", "POST", "/v1/contacts/{id}/consents", once=True),
        Operation("show_timeline", "GET", "/v1/contacts/{id}/timeline"),
        Operation("export_contact", "POST", "/v1/contacts/{id}/export", once=True),
        Operation("erase_contact", "POST", "/v1/contacts/{id}/erase", once=True),
        Operation("list_jobs", "GET", "/v1/jobs"),
        Operation("show_job", "GET", "/v1/jobs/{id}"),
        Operation("cancel_job", "POST", "/v1/jobs/{id}/cancel"),
        Operation("retry_job", "POST", "/v1/jobs/{id}/retry"),
        Operation("download_file", "GET", "/v1/jobs/{id}/file"),
        Operation("show_language", "GET", "/v1/flows/language"),
        Operation("list_examples", "GET", "/v1/flows/examples"),
        Operation("check_flow", "POST", "/v1/flows/check"),
        Operation("test_flow", "POST", "/v1/flows/test"),
        Operation("simulate_flow", "POST", "/v1/flows/simulate"),
        Operation("list_flows", "GET", "/v1/flows"),
        Operation("make_flow", "POST", "/v1/flows", once=True),
        Operation("show_flow", "GET", "/v1/flows/{id}"),
        Operation("change_flow", "PATCH", "/v1/flows/{id}"),
        Operation("list_versions", "GET", "/v1/flows/{id}/versions"),
        Operation("show_version", "GET", "/v1/flow-versions/{id}"),
        Operation("show_draft", "GET", "/v1/flows/{id}/draft"),
        Operation("save_draft", "PUT", "/v1/flows/{id}/draft"),
        Operation("drop_draft", "DELETE", "/v1/flows/{id}/draft"),
        Operation("publish_flow", "POST", "/v1/flows/{id}/publish", once=True),
        Operation("retire_flow", "POST", "/v1/flows/{id}/retire"),
    ]
}


class Client(Sync):
    operations = OPERATIONS

    def login(
        self, *, email: str, password: str, tenant: str | UnsetType | None = UNSET, code: str | UnsetType | None = UNSET
    ) -> Tokens:
        """Sign in with e-mail address and password.

        Anybody may ask.
        """
        return self._call("login", Tokens, body={"email": email, "password": password, "tenant": tenant, "code": code})

    def refresh(self, *, refresh_token: str) -> Tokens:
        """The next access token and refresh token; the one given holds no more.

        Anybody may ask.
        """
        return self._call("refresh", Tokens, body={"refresh_token": refresh_token})

    def accept(
        self, *, token: str, password: str, name: str | UnsetType | None = UNSET, code: str | UnsetType | None = UNSET
    ) -> None:
        """Take up an invitation.

        Anybody may ask.
        """
        self._call("accept", type(None), body={"token": token, "password": password, "name": name, "code": code})

    def confirm(self, *, password: str, code: str | UnsetType | None = UNSET) -> None:
        """Prove again who you are, for what is refused with `sign_in_again`. It holds for ten minutes, for this sign-in.

        For admin, agent, operator, owner, viewer; no key.
        """
        self._call("confirm", type(None), body={"password": password, "code": code})

    def logout(self) -> None:
        """End this sign-in.

        For admin, agent, operator, owner, viewer; no key.
        """
        self._call("logout", type(None))

    def me(self) -> Me:
        """Who is signed in, where, and as what.

        For admin, agent, operator, owner, viewer; no key.
        """
        return self._call("me", Me)

    def enrol_totp(self) -> Seed:
        """A seed for an authenticator app. It counts when `activate_totp` has seen a code of it.

        For admin, agent, operator, owner, viewer; no key. A person must have proved within the last ten minutes who he
        is, by `login` or `confirm`.
        """
        return self._call("enrol_totp", Seed)

    def activate_totp(self, *, code: str, idempotency_key: str | None = None) -> Recovery:
        """Be asked for a code at each sign-in from now on. Ends all other sign-ins and shows the recovery codes, once.

        For admin, agent, operator, owner, viewer; no key.
        """
        return self._call("activate_totp", Recovery, body={"code": code}, idempotency_key=idempotency_key)

    def dismiss_totp(self, *, password: str, code: str) -> None:
        """Be asked for no code any more. Takes the password, and a code or a recovery code.

        For admin, agent, operator, owner, viewer; no key.
        """
        self._call("dismiss_totp", type(None), body={"password": password, "code": code})

    def list_users(self, *, limit: int | UnsetType = UNSET) -> Pages[User]:
        """The people of this business.

        For admin, owner; a key with `users:read`.
        """
        return self._pages("list_users", Page[User], query={"limit": limit})

    def invite_user(
        self, *, email: str, role: Literal["admin", "agent", "owner", "viewer"], idempotency_key: str | None = None
    ) -> Invited:
        """Invite somebody, or again who has not come.

        For admin, owner; no key. For some changes a person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return self._call("invite_user", Invited, body={"email": email, "role": role}, idempotency_key=idempotency_key)

    def show_user(self, id: UUID) -> User:
        """One of the people of this business.

        For admin, owner; a key with `users:read`.
        """
        return self._call("show_user", User, ids={"id": id})

    def change_user(
        self,
        id: UUID,
        *,
        role: Literal["admin", "agent", "owner", "viewer"] | UnsetType = UNSET,
        disabled: bool | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> User:
        """Change somebody's role, put him out, or let him in again. Who may make keys no more loses those that he made.

        For admin, owner; no key. For some changes a person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return self._call("change_user", User, ids={"id": id}, body={"role": role, "disabled": disabled}, if_match=if_match)

    def list_keys(self, *, limit: int | UnsetType = UNSET) -> Pages[Key]:
        """The keys of this business, without their secrets.

        For admin, owner; no key.
        """
        return self._pages("list_keys", Page[Key], query={"limit": limit})

    def make_key(
        self,
        *,
        name: str,
        scopes: list[str],
        expires_at: dt.datetime | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> MadeKey:
        """Make a key for a program. Its secret is shown this once.

        For admin, owner; no key. A person must have proved within the last ten minutes who he is, by `login` or
        `confirm`.
        """
        return self._call(
            "make_key", MadeKey, body={"name": name, "scopes": scopes, "expires_at": expires_at}, idempotency_key=idempotency_key
        )

    def drop_key(self, id: UUID) -> None:
        """Have a key hold no more.

        For admin, owner; no key.
        """
        self._call("drop_key", type(None), ids={"id": id})

    def list_changes(self, *, limit: int | UnsetType = UNSET) -> Pages[Change]:
        """What was changed, by whom and from where, the newest first; for an operator, in the installation itself.

        For admin, operator, owner; a key with `audit:read`.
        """
        return self._pages("list_changes", Page[Change], query={"limit": limit})

    def list_contacts(
        self, *, limit: int | UnsetType = UNSET, tag: str | UnsetType | None = UNSET, consent: str | UnsetType | None = UNSET
    ) -> Pages[ContactSummary]:
        """The people of this business, the newest first; those with a tag, or with a word on a purpose.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("list_contacts", Page[ContactSummary], query={"limit": limit, "tag": tag, "consent": consent})

    def make_contact(
        self,
        *,
        phone: str | UnsetType | None = UNSET,
        bsuid: str | UnsetType | None = UNSET,
        portfolio: str | UnsetType | None = UNSET,
        name: str | UnsetType | None = UNSET,
        language: str | UnsetType | None = UNSET,
        tags: list[str] | UnsetType = UNSET,
        fields: dict[str, str | bool | int | float] | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> ContactDetail:
        """Enter somebody. Who is known already is told by `existing_id`.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return self._call(
            "make_contact",
            ContactDetail,
            body={
                "phone": phone,
                "bsuid": bsuid,
                "portfolio": portfolio,
                "name": name,
                "language": language,
                "tags": tags,
                "fields": fields,
            },
            idempotency_key=idempotency_key,
        )

    def search_contacts(
        self,
        *,
        limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
        text: str | UnsetType | None = UNSET,
        field: FieldIs | UnsetType | None = UNSET,
    ) -> Pages[ContactSummary]:
        """Look for people by the beginning of a name or a telephone number, or by a field. It changes nothing, and is a
        POST so that no name or number is in a URL.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages(
            "search_contacts", Page[ContactSummary], body={"limit": limit, "cursor": cursor, "text": text, "field": field}
        )

    def show_contact(self, id: UUID) -> ContactDetail:
        """Somebody, with conversations and consents. Who was merged is shown as whom he was merged into.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._call("show_contact", ContactDetail, ids={"id": id})

    def change_contact(
        self,
        id: UUID,
        *,
        name: str | UnsetType | None = UNSET,
        language: str | UnsetType | None = UNSET,
        tags: list[str] | UnsetType = UNSET,
        add_tags: list[str] | UnsetType = UNSET,
        remove_tags: list[str] | UnsetType = UNSET,
        fields: dict[str, str | bool | int | float | None] | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> ContactDetail:
        """Change the name, the language, tags and fields.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return self._call(
            "change_contact",
            ContactDetail,
            ids={"id": id},
            body={
                "name": name,
                "language": language,
                "tags": tags,
                "add_tags": add_tags,
                "remove_tags": remove_tags,
                "fields": fields,
            },
            if_match=if_match,
        )

    def merge_contact(self, id: UUID, *, into: UUID, idempotency_key: str | None = None) -> ContactDetail:
        """Have this contact be another from now on: who was known by a telephone number and who by WhatsApp's id. The
        consents of both count, the newest last; what was said stays where it was said.

        For admin, owner; no key. A person must have proved within the last ten minutes who he is, by `login` or
        `confirm`.
        """
        return self._call("merge_contact", ContactDetail, ids={"id": id}, body={"into": into}, idempotency_key=idempotency_key)

    def list_consents(self, id: UUID, *, limit: int | UnsetType = UNSET) -> Pages[Consent]:
        """All that somebody has agreed to or refused, the newest first, with how it is known.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("list_consents", Page[Consent], ids={"id": id}, query={"limit": limit})

    def declare_consent(
        self, id: UUID, *, purpose: str, state: Literal["in", "out"], evidence: Evidence, idempotency_key: str | None = None
    ) -> Consent:
        """Write down what somebody has said to a purpose. It counts at once: marketing that waits is withdrawn.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return self._call(
            "declare_consent",
            Consent,
            ids={"id": id},
            body={"purpose": purpose, "state": state, "evidence": evidence},
            idempotency_key=idempotency_key,
        )

    def show_timeline(self, id: UUID, *, limit: int | UnsetType = UNSET) -> Pages[Said]:
        """All that somebody said and was told, on every number, the newest first.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("show_timeline", Page[Said], ids={"id": id}, query={"limit": limit})

    def export_contact(self, id: UUID, *, idempotency_key: str | None = None) -> Job:
        """Have all that is kept of somebody written into one JSON file, which the job then has.

        For admin, owner; a key with `contacts:export`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return self._call("export_contact", Job, ids={"id": id}, idempotency_key=idempotency_key)

    def erase_contact(self, id: UUID, *, idempotency_key: str | None = None) -> Job:
        """Forget somebody, everywhere. It cannot be taken back once it runs. What he refused stays so, under a hash.

        For admin, owner; a key with `contacts:erase`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return self._call("erase_contact", Job, ids={"id": id}, idempotency_key=idempotency_key)

    def list_jobs(self, *, limit: int | UnsetType = UNSET) -> Pages[Job]:
        """Long work, the newest first.

        For admin, owner; a key with `jobs:read`.
        """
        return self._pages("list_jobs", Page[Job], query={"limit": limit})

    def show_job(self, id: UUID) -> Job:
        """How far it is, and what came of it.

        For admin, owner; a key with `jobs:read`.
        """
        return self._call("show_job", Job, ids={"id": id})

    def cancel_job(self, id: UUID) -> Job:
        """Take the wish back, as long as it may be left.

        For admin, owner; a key with `jobs:write`.
        """
        return self._call("cancel_job", Job, ids={"id": id})

    def retry_job(self, id: UUID) -> Job:
        """Have a job that failed go on where it was.

        For admin, owner; a key with `jobs:write`.
        """
        return self._call("retry_job", Job, ids={"id": id})

    def download_file(self, id: UUID) -> bytes:
        """The file that an export made, for seven days.

        For admin, owner; a key with `contacts:export`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return self._call("download_file", bytes, ids={"id": id})

    def show_language(self) -> FlowLanguage:
        """What flows are written in: for people, and as a JSON Schema for editors.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("show_language", FlowLanguage)

    def list_examples(self) -> FlowExamples:
        """Flows that come with the server, to begin with.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("list_examples", FlowExamples)

    def check_flow(self, *, source: str) -> CheckedFlow:
        """Everything that is wrong with a flow, and where.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("check_flow", CheckedFlow, body={"source": source})

    def test_flow(self, *, source: str | UnsetType = UNSET, version_id: UUID | UnsetType = UNSET) -> TestedFlow:
        """Run the conversations that are a flow's own tests.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("test_flow", TestedFlow, body={"source": source, "version_id": version_id})

    def simulate_flow(
        self,
        *,
        source: str | UnsetType = UNSET,
        version_id: UUID | UnsetType = UNSET,
        events: list[SimulatedEvent] | UnsetType = UNSET,
        state: str | UnsetType | None = UNSET,
        contact: SimulatedContact | UnsetType = UNSET,
        now: dt.datetime | UnsetType = UNSET,
    ) -> Simulated:
        """Talk to a flow as a customer would, with the engine of production. Nothing is kept and nobody hears it.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call(
            "simulate_flow",
            Simulated,
            body={"source": source, "version_id": version_id, "events": events, "state": state, "contact": contact, "now": now},
        )

    def list_flows(self, *, limit: int | UnsetType = UNSET) -> Pages[ShownFlow]:
        """The flows of this business, with what answers and what is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._pages("list_flows", Page[ShownFlow], query={"limit": limit})

    def make_flow(
        self,
        *,
        source: str,
        number_id: UUID | UnsetType | None = UNSET,
        note: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> ShownFlow:
        """Make a flow, with a first draft. It answers nobody before it is published.

        For admin, owner; a key with `flows:write`.
        """
        return self._call(
            "make_flow", ShownFlow, body={"source": source, "number_id": number_id, "note": note}, idempotency_key=idempotency_key
        )

    def show_flow(self, id: UUID) -> ShownFlow:
        """A flow, with what answers and what is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("show_flow", ShownFlow, ids={"id": id})

    def change_flow(self, id: UUID, *, number_id: UUID | None, if_match: str | None = None) -> ShownFlow:
        """Have a flow answer on another number, or on all of them.

        For admin, owner; a key with `flows:write`.
        """
        return self._call("change_flow", ShownFlow, ids={"id": id}, body={"number_id": number_id}, if_match=if_match)

    def list_versions(self, id: UUID, *, limit: int | UnsetType = UNSET) -> Pages[FlowVersion]:
        """All versions of a flow, the newest first.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._pages("list_versions", Page[FlowVersion], ids={"id": id}, query={"limit": limit})

    def show_version(self, id: UUID) -> ShownFlowVersion:
        """A version, as it was written and as it was read.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("show_version", ShownFlowVersion, ids={"id": id})

    def show_draft(self, id: UUID) -> ShownFlowVersion:
        """What is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("show_draft", ShownFlowVersion, ids={"id": id})

    def save_draft(
        self, id: UUID, *, source: str, note: str | UnsetType | None = UNSET, if_match: str | None = None
    ) -> ShownFlowVersion:
        """Have the draft say this, or begin one. It may have errors of sense still, its form must be right.

        For admin, owner; a key with `flows:write`.
        """
        return self._call("save_draft", ShownFlowVersion, ids={"id": id}, body={"source": source, "note": note}, if_match=if_match)

    def drop_draft(self, id: UUID) -> None:
        """Throw the draft away; a flow that never had anything else goes with it.

        For admin, owner; a key with `flows:write`.
        """
        self._call("drop_draft", type(None), ids={"id": id})

    def publish_flow(
        self,
        id: UUID,
        *,
        version_id: UUID,
        skip_tests: bool | UnsetType = UNSET,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> ShownFlow:
        """Have a version answer: the draft, or an older one again. Those who talk already keep theirs.

        For admin, owner; a key with `flows:write`.
        """
        return self._call(
            "publish_flow",
            ShownFlow,
            ids={"id": id},
            body={"version_id": version_id, "skip_tests": skip_tests},
            if_match=if_match,
            idempotency_key=idempotency_key,
        )

    def retire_flow(self, id: UUID, *, if_match: str | None = None) -> ShownFlow:
        """Have a flow open no more. Conversations that run come to their end.

        For admin, owner; a key with `flows:write`.
        """
        return self._call("retire_flow", ShownFlow, ids={"id": id}, if_match=if_match)


class AsyncClient(Async):
    operations = OPERATIONS

    async def login(
        self, *, email: str, password: str, tenant: str | UnsetType | None = UNSET, code: str | UnsetType | None = UNSET
    ) -> Tokens:
        """Sign in with e-mail address and password.

        Anybody may ask.
        """
        return await self._call("login", Tokens, body={"email": email, "password": password, "tenant": tenant, "code": code})

    async def refresh(self, *, refresh_token: str) -> Tokens:
        """The next access token and refresh token; the one given holds no more.

        Anybody may ask.
        """
        return await self._call("refresh", Tokens, body={"refresh_token": refresh_token})

    async def accept(
        self, *, token: str, password: str, name: str | UnsetType | None = UNSET, code: str | UnsetType | None = UNSET
    ) -> None:
        """Take up an invitation.

        Anybody may ask.
        """
        await self._call("accept", type(None), body={"token": token, "password": password, "name": name, "code": code})

    async def confirm(self, *, password: str, code: str | UnsetType | None = UNSET) -> None:
        """Prove again who you are, for what is refused with `sign_in_again`. It holds for ten minutes, for this sign-in.

        For admin, agent, operator, owner, viewer; no key.
        """
        await self._call("confirm", type(None), body={"password": password, "code": code})

    async def logout(self) -> None:
        """End this sign-in.

        For admin, agent, operator, owner, viewer; no key.
        """
        await self._call("logout", type(None))

    async def me(self) -> Me:
        """Who is signed in, where, and as what.

        For admin, agent, operator, owner, viewer; no key.
        """
        return await self._call("me", Me)

    async def enrol_totp(self) -> Seed:
        """A seed for an authenticator app. It counts when `activate_totp` has seen a code of it.

        For admin, agent, operator, owner, viewer; no key. A person must have proved within the last ten minutes who he
        is, by `login` or `confirm`.
        """
        return await self._call("enrol_totp", Seed)

    async def activate_totp(self, *, code: str, idempotency_key: str | None = None) -> Recovery:
        """Be asked for a code at each sign-in from now on. Ends all other sign-ins and shows the recovery codes, once.

        For admin, agent, operator, owner, viewer; no key.
        """
        return await self._call("activate_totp", Recovery, body={"code": code}, idempotency_key=idempotency_key)

    async def dismiss_totp(self, *, password: str, code: str) -> None:
        """Be asked for no code any more. Takes the password, and a code or a recovery code.

        For admin, agent, operator, owner, viewer; no key.
        """
        await self._call("dismiss_totp", type(None), body={"password": password, "code": code})

    def list_users(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[User]:
        """The people of this business.

        For admin, owner; a key with `users:read`.
        """
        return self._pages("list_users", Page[User], query={"limit": limit})

    async def invite_user(
        self, *, email: str, role: Literal["admin", "agent", "owner", "viewer"], idempotency_key: str | None = None
    ) -> Invited:
        """Invite somebody, or again who has not come.

        For admin, owner; no key. For some changes a person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return await self._call("invite_user", Invited, body={"email": email, "role": role}, idempotency_key=idempotency_key)

    async def show_user(self, id: UUID) -> User:
        """One of the people of this business.

        For admin, owner; a key with `users:read`.
        """
        return await self._call("show_user", User, ids={"id": id})

    async def change_user(
        self,
        id: UUID,
        *,
        role: Literal["admin", "agent", "owner", "viewer"] | UnsetType = UNSET,
        disabled: bool | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> User:
        """Change somebody's role, put him out, or let him in again. Who may make keys no more loses those that he made.

        For admin, owner; no key. For some changes a person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return await self._call("change_user", User, ids={"id": id}, body={"role": role, "disabled": disabled}, if_match=if_match)

    def list_keys(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[Key]:
        """The keys of this business, without their secrets.

        For admin, owner; no key.
        """
        return self._pages("list_keys", Page[Key], query={"limit": limit})

    async def make_key(
        self,
        *,
        name: str,
        scopes: list[str],
        expires_at: dt.datetime | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> MadeKey:
        """Make a key for a program. Its secret is shown this once.

        For admin, owner; no key. A person must have proved within the last ten minutes who he is, by `login` or
        `confirm`.
        """
        return await self._call(
            "make_key", MadeKey, body={"name": name, "scopes": scopes, "expires_at": expires_at}, idempotency_key=idempotency_key
        )

    async def drop_key(self, id: UUID) -> None:
        """Have a key hold no more.

        For admin, owner; no key.
        """
        await self._call("drop_key", type(None), ids={"id": id})

    def list_changes(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[Change]:
        """What was changed, by whom and from where, the newest first; for an operator, in the installation itself.

        For admin, operator, owner; a key with `audit:read`.
        """
        return self._pages("list_changes", Page[Change], query={"limit": limit})

    def list_contacts(
        self, *, limit: int | UnsetType = UNSET, tag: str | UnsetType | None = UNSET, consent: str | UnsetType | None = UNSET
    ) -> AsyncPages[ContactSummary]:
        """The people of this business, the newest first; those with a tag, or with a word on a purpose.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("list_contacts", Page[ContactSummary], query={"limit": limit, "tag": tag, "consent": consent})

    async def make_contact(
        self,
        *,
        phone: str | UnsetType | None = UNSET,
        bsuid: str | UnsetType | None = UNSET,
        portfolio: str | UnsetType | None = UNSET,
        name: str | UnsetType | None = UNSET,
        language: str | UnsetType | None = UNSET,
        tags: list[str] | UnsetType = UNSET,
        fields: dict[str, str | bool | int | float] | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> ContactDetail:
        """Enter somebody. Who is known already is told by `existing_id`.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return await self._call(
            "make_contact",
            ContactDetail,
            body={
                "phone": phone,
                "bsuid": bsuid,
                "portfolio": portfolio,
                "name": name,
                "language": language,
                "tags": tags,
                "fields": fields,
            },
            idempotency_key=idempotency_key,
        )

    def search_contacts(
        self,
        *,
        limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
        text: str | UnsetType | None = UNSET,
        field: FieldIs | UnsetType | None = UNSET,
    ) -> AsyncPages[ContactSummary]:
        """Look for people by the beginning of a name or a telephone number, or by a field. It changes nothing, and is a
        POST so that no name or number is in a URL.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages(
            "search_contacts", Page[ContactSummary], body={"limit": limit, "cursor": cursor, "text": text, "field": field}
        )

    async def show_contact(self, id: UUID) -> ContactDetail:
        """Somebody, with conversations and consents. Who was merged is shown as whom he was merged into.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return await self._call("show_contact", ContactDetail, ids={"id": id})

    async def change_contact(
        self,
        id: UUID,
        *,
        name: str | UnsetType | None = UNSET,
        language: str | UnsetType | None = UNSET,
        tags: list[str] | UnsetType = UNSET,
        add_tags: list[str] | UnsetType = UNSET,
        remove_tags: list[str] | UnsetType = UNSET,
        fields: dict[str, str | bool | int | float | None] | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> ContactDetail:
        """Change the name, the language, tags and fields.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return await self._call(
            "change_contact",
            ContactDetail,
            ids={"id": id},
            body={
                "name": name,
                "language": language,
                "tags": tags,
                "add_tags": add_tags,
                "remove_tags": remove_tags,
                "fields": fields,
            },
            if_match=if_match,
        )

    async def merge_contact(self, id: UUID, *, into: UUID, idempotency_key: str | None = None) -> ContactDetail:
        """Have this contact be another from now on: who was known by a telephone number and who by WhatsApp's id. The
        consents of both count, the newest last; what was said stays where it was said.

        For admin, owner; no key. A person must have proved within the last ten minutes who he is, by `login` or
        `confirm`.
        """
        return await self._call(
            "merge_contact", ContactDetail, ids={"id": id}, body={"into": into}, idempotency_key=idempotency_key
        )

    def list_consents(self, id: UUID, *, limit: int | UnsetType = UNSET) -> AsyncPages[Consent]:
        """All that somebody has agreed to or refused, the newest first, with how it is known.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("list_consents", Page[Consent], ids={"id": id}, query={"limit": limit})

    async def declare_consent(
        self, id: UUID, *, purpose: str, state: Literal["in", "out"], evidence: Evidence, idempotency_key: str | None = None
    ) -> Consent:
        """Write down what somebody has said to a purpose. It counts at once: marketing that waits is withdrawn.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return await self._call(
            "declare_consent",
            Consent,
            ids={"id": id},
            body={"purpose": purpose, "state": state, "evidence": evidence},
            idempotency_key=idempotency_key,
        )

    def show_timeline(self, id: UUID, *, limit: int | UnsetType = UNSET) -> AsyncPages[Said]:
        """All that somebody said and was told, on every number, the newest first.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("show_timeline", Page[Said], ids={"id": id}, query={"limit": limit})

    async def export_contact(self, id: UUID, *, idempotency_key: str | None = None) -> Job:
        """Have all that is kept of somebody written into one JSON file, which the job then has.

        For admin, owner; a key with `contacts:export`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return await self._call("export_contact", Job, ids={"id": id}, idempotency_key=idempotency_key)

    async def erase_contact(self, id: UUID, *, idempotency_key: str | None = None) -> Job:
        """Forget somebody, everywhere. It cannot be taken back once it runs. What he refused stays so, under a hash.

        For admin, owner; a key with `contacts:erase`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return await self._call("erase_contact", Job, ids={"id": id}, idempotency_key=idempotency_key)

    def list_jobs(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[Job]:
        """Long work, the newest first.

        For admin, owner; a key with `jobs:read`.
        """
        return self._pages("list_jobs", Page[Job], query={"limit": limit})

    async def show_job(self, id: UUID) -> Job:
        """How far it is, and what came of it.

        For admin, owner; a key with `jobs:read`.
        """
        return await self._call("show_job", Job, ids={"id": id})

    async def cancel_job(self, id: UUID) -> Job:
        """Take the wish back, as long as it may be left.

        For admin, owner; a key with `jobs:write`.
        """
        return await self._call("cancel_job", Job, ids={"id": id})

    async def retry_job(self, id: UUID) -> Job:
        """Have a job that failed go on where it was.

        For admin, owner; a key with `jobs:write`.
        """
        return await self._call("retry_job", Job, ids={"id": id})

    async def download_file(self, id: UUID) -> bytes:
        """The file that an export made, for seven days.

        For admin, owner; a key with `contacts:export`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return await self._call("download_file", bytes, ids={"id": id})

    async def show_language(self) -> FlowLanguage:
        """What flows are written in: for people, and as a JSON Schema for editors.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("show_language", FlowLanguage)

    async def list_examples(self) -> FlowExamples:
        """Flows that come with the server, to begin with.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("list_examples", FlowExamples)

    async def check_flow(self, *, source: str) -> CheckedFlow:
        """Everything that is wrong with a flow, and where.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("check_flow", CheckedFlow, body={"source": source})

    async def test_flow(self, *, source: str | UnsetType = UNSET, version_id: UUID | UnsetType = UNSET) -> TestedFlow:
        """Run the conversations that are a flow's own tests.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("test_flow", TestedFlow, body={"source": source, "version_id": version_id})

    async def simulate_flow(
        self,
        *,
        source: str | UnsetType = UNSET,
        version_id: UUID | UnsetType = UNSET,
        events: list[SimulatedEvent] | UnsetType = UNSET,
        state: str | UnsetType | None = UNSET,
        contact: SimulatedContact | UnsetType = UNSET,
        now: dt.datetime | UnsetType = UNSET,
    ) -> Simulated:
        """Talk to a flow as a customer would, with the engine of production. Nothing is kept and nobody hears it.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call(
            "simulate_flow",
            Simulated,
            body={"source": source, "version_id": version_id, "events": events, "state": state, "contact": contact, "now": now},
        )

    def list_flows(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[ShownFlow]:
        """The flows of this business, with what answers and what is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._pages("list_flows", Page[ShownFlow], query={"limit": limit})

    async def make_flow(
        self,
        *,
        source: str,
        number_id: UUID | UnsetType | None = UNSET,
        note: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> ShownFlow:
        """Make a flow, with a first draft. It answers nobody before it is published.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call(
            "make_flow", ShownFlow, body={"source": source, "number_id": number_id, "note": note}, idempotency_key=idempotency_key
        )

    async def show_flow(self, id: UUID) -> ShownFlow:
        """A flow, with what answers and what is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("show_flow", ShownFlow, ids={"id": id})

    async def change_flow(self, id: UUID, *, number_id: UUID | None, if_match: str | None = None) -> ShownFlow:
        """Have a flow answer on another number, or on all of them.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call("change_flow", ShownFlow, ids={"id": id}, body={"number_id": number_id}, if_match=if_match)

    def list_versions(self, id: UUID, *, limit: int | UnsetType = UNSET) -> AsyncPages[FlowVersion]:
        """All versions of a flow, the newest first.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._pages("list_versions", Page[FlowVersion], ids={"id": id}, query={"limit": limit})

    async def show_version(self, id: UUID) -> ShownFlowVersion:
        """A version, as it was written and as it was read.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("show_version", ShownFlowVersion, ids={"id": id})

    async def show_draft(self, id: UUID) -> ShownFlowVersion:
        """What is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("show_draft", ShownFlowVersion, ids={"id": id})

    async def save_draft(
        self, id: UUID, *, source: str, note: str | UnsetType | None = UNSET, if_match: str | None = None
    ) -> ShownFlowVersion:
        """Have the draft say this, or begin one. It may have errors of sense still, its form must be right.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call(
            "save_draft", ShownFlowVersion, ids={"id": id}, body={"source": source, "note": note}, if_match=if_match
        )

    async def drop_draft(self, id: UUID) -> None:
        """Throw the draft away; a flow that never had anything else goes with it.

        For admin, owner; a key with `flows:write`.
        """
        await self._call("drop_draft", type(None), ids={"id": id})

    async def publish_flow(
        self,
        id: UUID,
        *,
        version_id: UUID,
        skip_tests: bool | UnsetType = UNSET,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> ShownFlow:
        """Have a version answer: the draft, or an older one again. Those who talk already keep theirs.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call(
            "publish_flow",
            ShownFlow,
            ids={"id": id},
            body={"version_id": version_id, "skip_tests": skip_tests},
            if_match=if_match,
            idempotency_key=idempotency_key,
        )

    async def retire_flow(self, id: UUID, *, if_match: str | None = None) -> ShownFlow:
        """Have a flow open no more. Conversations that run come to their end.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call("retire_flow", ShownFlow, ids={"id": id}, if_match=if_match)
