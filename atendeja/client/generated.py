"""The API's structs and operations. Generated of its document: `pytest --update tests/client` writes this anew."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

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


class Invited(Struct, frozen=True, kw_only=True, omit_defaults=True):
    user: User
    token: str
    """Hand it over: with it `accept` is called. It is shown this once."""
    expires_at: dt.datetime


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


class Seed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """For an authenticator app. It is shown this once."""

    secret: str
    """To be typed."""
    uri: str
    """To be shown as a QR code."""


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
