"""Who asks: the bearer of a request → a caller, of an answer that is a few seconds old at most."""

from collections.abc import Callable
from uuid import UUID

from atendeja.accounts import people, tokens
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

    def put(self, key: UUID | bytes, asked_at: float, caller: Caller | None) -> None:
        if len(self._found) >= MOST_KEPT:
            self._found.clear()
        self._found[key] = (asked_at + KEEP_S, caller)


class Gate:
    def __init__(self, rt: Runtime) -> None:
        self._rt, self._memory = rt, Memory(rt.monotonic)

    async def __call__(self, bearer: str) -> Caller | None:
        """Who shows this access token; None for nobody. Raises what a database raises that is away."""
        claims = tokens.read(self._rt.config.jwt_keys, bearer, self._rt.now().timestamp())
        return None if claims is None else await self._person(claims)

    async def _person(self, claims: Claims) -> Caller | None:
        if (found := self._memory.get(claims.sid)) is not None:
            return found[1]
        asked_at = self._rt.monotonic()
        async with self._rt.db.tenant(claims.tenant) as tx:
            standing = await people.load_standing(tx, claims.sid, self._rt.now())
        role = people.role(standing, claims.sub, claims.tenant)
        caller = None if role is None else Caller(claims.tenant, role, claims.sub, claims.sid)
        self._memory.put(claims.sid, asked_at, caller)
        return caller
