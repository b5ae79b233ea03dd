"""Who asks: the bearer of a request → a caller, of an answer that is a few seconds old at most."""

from collections.abc import Callable
from uuid import UUID

from atendeja import tenants
from atendeja.accounts import keys, people, tokens
from atendeja.accounts.tokens import Claims
from atendeja.endpoint import Caller
from atendeja.runtime import Runtime

KEEP_S = 4.0
"""What was found is believed for so long: with the asking itself, whatever is taken back is gone within 5 s."""
MOST_KEPT = 10_000


class Memory:
    """What was found lately."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._found: dict[UUID | bytes, tuple[float, Caller | None]] = {}

    def get(self, key: UUID | bytes) -> tuple[float, Caller | None] | None:
        found = self._found.get(key)
        return found if found is not None and self._monotonic() < found[0] else None

    def put(self, key: UUID | bytes, caller: Caller | None, until: float) -> None:
        if len(self._found) >= MOST_KEPT:
            self._found.clear()
        self._found[key] = (until, caller)


class Gate:
    def __init__(self, rt: Runtime) -> None:
        self._rt, self._memory = rt, Memory(rt.monotonic)

    async def __call__(self, bearer: str, *, anew: bool = False) -> Caller | None:
        """Who shows this access token or key; None for nobody. `anew` asks whatever is remembered.

        Raises what a database raises that is away.
        """
        if bearer.startswith("atj_"):
            return await self._program(tokens.digest(bearer), anew=anew)
        claims = tokens.read(self._rt.config.jwt_keys, bearer, self._rt.now().timestamp())
        return None if claims is None else await self._person(claims, anew=anew)

    async def _person(self, claims: Claims, *, anew: bool) -> Caller | None:
        if not anew and (found := self._memory.get(claims.sid)) is not None:
            return found[1]
        asked_at = self._rt.monotonic()
        async with self._rt.db.tenant(claims.tenant) as tx:
            standing = await people.load_standing(tx, claims.sid, self._rt.now())
            is_suspended = await tenants.is_suspended(tx)
        role = people.role(standing, claims.sub, claims.tenant)
        caller = None
        if standing is not None and role is not None:
            caller = Caller(claims.tenant, role, claims.sub, claims.sid, proved_at=standing.proved_at, is_suspended=is_suspended)
        self._memory.put(claims.sid, caller, asked_at + KEEP_S)
        return caller

    async def _program(self, sha256: bytes, *, anew: bool) -> Caller | None:
        if not anew and (found := self._memory.get(sha256)) is not None:
            return found[1]
        asked_at, now = self._rt.monotonic(), self._rt.now()
        async with self._rt.db.session() as session:
            route = await session.one(keys.ROUTE, sha256=sha256)
        if route is None:
            return None
        async with self._rt.db.tenant(route.tenant_id) as tx:
            key = await keys.use(tx, route.key_id, now)
            is_suspended = await tenants.is_suspended(tx)
        if key is None:
            return None
        caller = Caller(route.tenant_id, key_id=key.id, scopes=frozenset(key.scopes), is_suspended=is_suspended)
        left_s = KEEP_S if key.expires_at is None else min(KEEP_S, (key.expires_at - now).total_seconds())
        self._memory.put(sha256, caller, asked_at + left_s)
        return caller
