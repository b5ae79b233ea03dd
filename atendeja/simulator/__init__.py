"""A Cloud API to talk to: Graph paths, signed webhooks, limits, faults on demand, a witness, and a phone page.

It is a process of its own, or lives inside `dev`; it shares nothing with the app but `atendeja.wa` and TCP. It shares two
cores with what is measured, so it is thrifty: about 0.55 ms of CPU a send, its three webhooks included (with aiohttp's
client and Starlette's routing it would be twice that, which is why `post.py` and `graph.Front` exist).
"""

import asyncio
import contextlib
import os
import signal
import sys
from os import PathLike

import uvloop
from starlette.applications import Starlette
from starlette.routing import Mount

from atendeja.errors import Refused
from atendeja.simulator.control import Control
from atendeja.simulator.graph import Front, Graph
from atendeja.simulator.phone import Phone
from atendeja.simulator.server import Server
from atendeja.simulator.settings import Number, Settings
from atendeja.simulator.switchboard import Incoming, Switchboard

__all__ = ["Incoming", "Number", "Settings", "Simulator", "main", "serve"]


class Simulator:
    """A pretended Cloud API in the running loop: `start`, use, `stop`."""

    def __init__(self, settings: Settings) -> None:
        """Opens the log. Raises OSError when it cannot."""
        self.board = Switchboard(settings)
        self.phone_app = Phone(self.board).app()
        """The phone page, to be mounted where people can reach it."""
        graph = Graph(self.board)
        rest = Starlette(routes=[*Control(self.board).routes, Mount("/simulator", self.phone_app), *graph.routes])
        self.graph_app = Front(graph, rest)
        """What listens on the simulator's own port: Graph paths, `/_sim/…`, and the phone page under `/simulator`."""
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """Base of the Graph paths (`WA_API_BASE`), once started."""
        if self._server is None:
            raise RuntimeError("the simulator has not been started")
        return f"http://{self.board.settings.host}:{self._server.port}"

    async def start(self) -> None:
        """Listen and deliver. Raises Refused when the port is taken."""
        settings = self.board.settings
        self._server = Server(self.graph_app, settings.host, settings.port)
        await self._server.start()
        self.board.webhooks.start()

    async def stop(self) -> None:
        """End streams, connections and deliveries; close the log."""
        self.board.feed.close()
        if self._server is not None:
            await self._server.stop()
        await self.board.webhooks.stop()
        await self.board.witness.close()

    async def receive(self, incoming: Incoming) -> str:
        """A customer writes: the message's wamid. Raises Refused when it makes no sense."""
        return await self.board.receive(incoming)


def serve(settings: Settings) -> None:
    """Run a simulator until SIGINT or SIGTERM. Raises Refused when the port is taken."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, contextlib.suppress(KeyboardInterrupt):
        runner.run(_run(settings))


def main(*, port: int, webhook: str | None = None, log: str | PathLike[str] | None = None) -> int:
    """The command `simulator`: serve until stopped; 1 and a line when refused. WA_APP_SECRET signs the webhooks."""
    secret = os.environ.get("WA_APP_SECRET", Settings().app_secret).split(",")[0]
    try:
        serve(Settings(port=port, webhook_url=webhook, log=None if log is None else str(log), app_secret=secret))
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    simulator = Simulator(settings)
    await simulator.start()
    print(f"simulator at {simulator.url} · phone page {simulator.url}/simulator", flush=True)
    await stop.wait()
    await simulator.stop()
