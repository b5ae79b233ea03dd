"""The control side, `/_sim/…`: be a customer, break things, read the witness. JSON in and out; a mistake is one clear line, 422."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from atendeja.errors import Refused
from atendeja.simulator.answers import encode
from atendeja.simulator.faults import Fault, Rule
from atendeja.simulator.settings import Number, Settings
from atendeja.simulator.switchboard import Incoming, Switchboard, Tally
from atendeja.simulator.webhooks import Counts, Disorder

LINES = 10_000
"""Lines of the witness in one answer, unless `limit` says otherwise."""

T = TypeVar("T")


class State(Struct):
    """What is set up, and what happened so far."""

    settings: dict[str, object]
    numbers: list[Number]
    customers: int
    messages: Tally
    webhooks: Counts
    disorder: Disorder
    faults: list[Rule]
    log_last: int


class Control:
    """Endpoints of `/_sim/`."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board

    @property
    def routes(self) -> list[BaseRoute]:
        posts = {
            "message": self.message,
            "fault": self.fault,
            "webhooks": self.webhooks,
            "settings": self.settings,
            "number": self.number,
            "reset": self.reset,
        }
        gets = {"log": self.log, "uploads": self.uploads, "state": self.state}
        return [
            Mount(
                "/_sim",
                routes=[
                    *(Route(f"/{name}", _clear(endpoint), methods=["POST"]) for name, endpoint in posts.items()),
                    *(Route(f"/{name}", _clear(endpoint), methods=["GET"]) for name, endpoint in gets.items()),
                ],
            )
        ]

    async def message(self, request: Request) -> object:
        """A customer writes: `{from | user_id, phone_number_id, content, name?, username?, timestamp?, wait?}` → `{wamid}`."""
        return {"wamid": await self._board.receive(await _body(request, Incoming))}

    async def fault(self, request: Request) -> object:
        """Break the answers to some sends, or uploads (`match: {path: media}`): `{match?, do, value?, times?}`."""
        self._board.faults.add(await _body(request, Fault))
        return {"faults": self._board.faults.rules}

    async def webhooks(self, request: Request) -> object:
        """Deliver untidily: `{duplicate?, reorder?, batch?, delay_s?, seed?}`; what is not given is tidy."""
        self._board.webhooks.arrange(await _body(request, Disorder))
        return self._board.webhooks.disorder

    async def settings(self, request: Request) -> object:
        """Change some settings from now on, by their names; address, log and connections were read at the start."""
        self._board.change(self._board.settings.changed(await _body(request, dict[str, object])))
        return _masked(self._board.settings)

    async def number(self, request: Request) -> object:
        """Add a number, or replace one of that id."""
        number = await _body(request, Number)
        self._board.world.numbers[number.phone_number_id] = number
        return number

    async def reset(self, request: Request) -> object:
        """Forget everything but settings and log: `{last}` is where the log stands."""
        self._board.reset()
        return {"last": self._board.witness.last}

    async def log(self, request: Request) -> object:
        """The witness's lines after `?after=` (0), at most `?limit=`: `{lines, last}`."""
        try:
            after, limit = (int(request.query_params.get(name, usual)) for name, usual in (("after", 0), ("limit", LINES)))
        except ValueError as error:
            raise Refused("bad_query", "after and limit are whole numbers") from error
        return {"lines": self._board.witness.read(after, limit), "last": self._board.witness.last}

    async def uploads(self, request: Request) -> object:
        """The files that were POSTed since the last reset, in order, also those that were refused: `{uploads}`."""
        return {"uploads": self._board.world.uploads}

    async def state(self, request: Request) -> object:
        """Everything that can be asked, at once."""
        board = self._board
        return State(
            settings=_masked(board.settings),
            numbers=board.numbers(),
            customers=board.world.customer_count,
            messages=board.tally,
            webhooks=board.webhooks.counts,
            disorder=board.webhooks.disorder,
            faults=board.faults.rules,
            log_last=board.witness.last,
        )


async def _body(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused("bad_body", str(error)) from error


def _clear(endpoint: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint's value as JSON; what it refuses as one line, 422."""

    async def answer(request: Request) -> Response:
        try:
            status, value = 200, await endpoint(request)
        except (Refused, msgspec.ValidationError) as error:
            status, value = 422, {"error": str(error)}
        return Response(encode(value), status_code=status, media_type="application/json")

    return answer


def _masked(settings: Settings) -> dict[str, object]:
    shown: dict[str, object] = msgspec.to_builtins(settings)
    return shown | {"app_secret": "…", "tokens": ["…"] * len(settings.tokens)}
