"""A TCP proxy in front of PostgreSQL or of the simulator that misbehaves on demand, each direction by itself.

    async with Proxy(cluster.dsn(name)) as proxy:      # proxy.url is the address through it
        proxy.up.latency_s = 0.2                       # from the client to the server
        proxy.down.hole = True                         # from the server to the client, from now on, on every connection
        proxy.reset()                                  # every connection ends with a RST
        await proxy.close()                            # nobody listens
        await proxy.open()                             # the same port again

A toxic is looked at for each piece that comes: it strikes connections that are open as well as new ones, and is lifted by setting
it back. `heal()` lifts all.
"""

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field, fields
from types import TracebackType
from urllib.parse import urlsplit

LOOK_S = 0.01
"""How often a direction that stands still looks whether it may go on."""
PIECE_BYTES = 65536


@dataclass
class Toxics:
    """What is done to one direction. The defaults are nothing."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    """Each piece waits `latency_s`, give or take up to this."""
    bytes_per_s: float = 0.0
    slice_bytes: int = 0
    """Pieces are cut into slices of so many bytes, which are sent one by one."""
    slow_close_s: float = 0.0
    """The end of this direction is passed on this much later."""
    timeout_s: float | None = None
    """Nothing passes, and the connection ends so long after the first piece that did not."""
    limit_bytes: int | None = None
    """The connection ends when this direction has carried so many bytes."""
    reset: bool = False
    """The next piece meets a RST, to both sides."""
    lose: bytes = b""
    """The next piece with this in it is not passed on, and its connection ends. Once."""
    lost: float = 0.0
    """So large a share of the pieces is not passed on, and their connections end."""
    late: float = 0.0
    """So large a share of the pieces that come after the other side spoke finds the connection closed: its server had just done
    that, and did not know of them."""
    hole: bool = False
    """The connection stays and nothing passes, not even its end; what came meanwhile passes when this is lifted."""

    def heal(self) -> None:
        """Nothing any more."""
        for toxic in fields(self):
            setattr(self, toxic.name, toxic.default)


class Cut(Exception):
    """The connection is to end now."""


@dataclass(eq=False)
class Link:
    """A connection through the proxy: both its sides."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    stranded: bool = False
    seen: bool = False
    armed: bool = False
    spoke: "Toxics | None" = None
    """Which direction carried something last."""

    def end(self, *, reset: bool = False) -> None:
        """End both sides, by a FIN each or by a RST."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if reset and sock is not None:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if reset:
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    """Forwards both ways between 127.0.0.1 and the host and port of `target`, a URL with or without a login."""

    def __init__(self, target: str, seed: int = 0) -> None:
        self._url = urlsplit(target)
        self._text: bytes | None = None
        self._links: dict[asyncio.Task[None], Link] = {}
        self._port = 0
        self._dice = random.Random(seed)
        self.up, self.down = Toxics(), Toxics()
        self.connections = 0
        """How many have been made through it."""
        self.cuts = 0
        """How many COMMITs lost their answer, and pieces were lost or late."""

    async def __aenter__(self) -> "Proxy":
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """The other side is away: connections end, and none is taken."""
        self._server.close()
        tasks = list(self._links)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """The target's address, through here."""
        login, at, _ = self._url.netloc.rpartition("@")
        return self._url._replace(netloc=f"{login}{at}127.0.0.1:{self._port}").geturl()

    def aim(self, target: str) -> None:
        """New connections go to this address: as a name that has moved."""
        self._url = urlsplit(target)

    def hole(self, on: bool = True) -> None:
        """Keep every connection, take new ones, forward nothing."""
        self.up.hole = self.down.hole = on

    def strand(self) -> None:
        """A hole for ever in the connections that are open now, as when a firewall has forgotten them; new ones are well."""
        for link in self._links.values():
            link.stranded = True

    def heal(self) -> None:
        """Forward everything as it comes, but for what is stranded."""
        self.up.heal()
        self.down.heal()

    def reset(self) -> None:
        """End every connection by a RST; new ones are taken."""
        for link in self._links.values():
            link.end(reset=True)

    def cut_at(self, text: bytes) -> None:
        """Lose the answer to the next COMMIT after this text, once: the server has it, the client never knows."""
        self._text = text

    def _take(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        link = Link([answer])
        task = asyncio.get_running_loop().create_task(self._carry(client, answer, link))
        self._links[task] = link
        task.add_done_callback(self._links.pop)
        self.connections += 1

    async def _carry(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter, link: Link) -> None:
        reset = False
        try:
            server, forward = await asyncio.open_connection(self._url.hostname, self._url.port)
            link.writers.append(forward)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(client, forward, self.up, link))
                group.create_task(self._pump(server, answer, self.down, link))
        except* Cut:
            reset = True
        except* (ConnectionError, EOFError):
            pass
        finally:
            link.end(reset=reset)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, toxics: Toxics, link: Link) -> None:
        carried = 0
        while piece := await reader.read(PIECE_BYTES):
            self._watch(piece, toxics, link)
            await self._hold(toxics, link)
            if self._loses(piece, toxics, link):
                self.cuts += 1
                raise EOFError
            link.spoke = toxics
            if toxics.reset:
                toxics.reset = False
                raise Cut
            if toxics.limit_bytes is not None:
                piece = piece[: max(0, toxics.limit_bytes - carried)]
            carried += len(piece)
            await self._forward(piece, writer, toxics)
            if toxics.limit_bytes is not None and carried >= toxics.limit_bytes:
                raise EOFError
        await self._hold(toxics, link)
        await asyncio.sleep(toxics.slow_close_s)
        raise EOFError

    def _loses(self, piece: bytes, toxics: Toxics, link: Link) -> bool:
        if toxics.lose and toxics.lose in piece:
            toxics.lose = b""
            return True
        after_the_other = link.spoke is not None and link.spoke is not toxics
        share = toxics.lost + (toxics.late if after_the_other else 0)
        return share > 0 and self._dice.random() < share

    async def _hold(self, toxics: Toxics, link: Link) -> None:
        """What a piece waits for before it passes."""
        if (wait_s := toxics.latency_s + self._dice.uniform(-toxics.jitter_s, toxics.jitter_s)) > 0:
            await asyncio.sleep(wait_s)
        while toxics.hole or link.stranded:
            await asyncio.sleep(LOOK_S)
        if toxics.timeout_s is not None:
            await asyncio.sleep(toxics.timeout_s)
            raise EOFError

    async def _forward(self, piece: bytes, writer: asyncio.StreamWriter, toxics: Toxics) -> None:
        size = toxics.slice_bytes or len(piece) or 1
        for start in range(0, len(piece), size):
            part = piece[start : start + size]
            if toxics.bytes_per_s:
                await asyncio.sleep(len(part) / toxics.bytes_per_s)
            writer.write(part)
            await writer.drain()
            if toxics.slice_bytes:
                await asyncio.sleep(0.001)  # or the slices are joined again on their way

    def _watch(self, piece: bytes, toxics: Toxics, link: Link) -> None:
        """`cut_at`: arm when the text and then COMMIT have gone up, cut when the answer comes down."""
        if toxics is self.up and self._text is not None:
            link.seen = link.seen or self._text in piece
            if link.seen and b"COMMIT" in piece:
                self._text, link.armed = None, True
        elif toxics is self.down and link.armed and b"COMMIT" in piece:
            self.cuts += 1
            raise Cut
