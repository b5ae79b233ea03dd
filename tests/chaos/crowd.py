"""Customers who write to eight shops, each a few texts, and whoever carries them: what is not answered 200 is posted again.

A customer's texts go to the web ports by turns, each after the one before was answered; some are posted twice, at once or later.
"""

import asyncio
import io
import random
import time
from collections import deque
from collections.abc import Coroutine, Sequence

import aiohttp
import msgspec

from atendeja.simulator import Number, changes
from atendeja.simulator.world import Customer
from tests import world
from tests.bench import bodies
from tests.chaos.checker import Acknowledged

FLOW = """
spec: 1
key: padaria
language: pt-BR
start: um
defaults: {after_tries: gente, on_error: gente}
nodes:
  um:
    do: [{say: {text: "Sim: {{ input.text }}"}}]
    wait: {reply: [text]}
    route: [{any_word: [tudo], to: tres}, {any_word: [quanto], to: dois}, {any: true, to: um}]
  dois:
    do: [{say: {text: "Vou ver: {{ input.text }}"}}, {say: {text: "Custa R$ 30."}}]
    wait: {reply: [text]}
    route: [{any_word: [tudo], to: tres}, {any_word: [quanto], to: dois}, {any: true, to: um}]
  tres:
    do: [{say: {text: "Então: {{ input.text }}"}}, {say: {text: "Temos pão e bolo."}}, {say: {text: "Até as 18h."}}]
    wait: {reply: [text]}
    route: [{any_word: [tudo], to: tres}, {any_word: [quanto], to: dois}, {any: true, to: um}]
  gente: {do: [{handoff: {queue: recepcao}}]}
"""
"""One, two or three replies to a text, so that their order can be seen."""

WORDS = ("Vocês abrem hoje?", "Aceitam Pix?", "Quanto custa o bolo?", "O que tem? Quero saber de tudo.")
OPT_OUT, OPT_OUTS = "SAIR", 0.05
"""What some say in the end."""
MOST_TEXTS = 3
"""With three replies each just within the burst that one person may be sent: nothing waits for minutes."""
GAP_S = (0.1, 2.0)
TWICE, LATER = 0.02, 0.05
"""How many texts are posted on two connections at once, how many again after their 200."""
PAUSE_S = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Between tries; the last for all that follow."""
TIMEOUT = aiohttp.ClientTimeout(total=12)


class Crowd:
    """`run` until cancelled or `leave`, then `home`. `acknowledged` grows by each text that was answered 200, once."""

    def __init__(self, ports: Sequence[int], rate: float, seed: int) -> None:
        self._ports, self._rate, self._dice = ports, rate, random.Random(f"crowd {seed}")
        self._tasks: set[asyncio.Task[object]] = set()
        self._recent: deque[float] = deque(maxlen=1000)
        self._leaving = asyncio.Event()
        self._posts = 0
        self.acknowledged: dict[str, Acknowledged] = {}
        self.unanswered = 0
        """Texts that were posted and not answered 200 yet."""
        self.hold = False
        """Nobody new comes while this is set."""
        self.refused = 0
        """POSTs answered otherwise, or not at all."""

    def pace(self, now: float) -> float:
        """Texts answered 200 per second, of late."""
        return sum(at > now - 2 for at in self._recent) / 2

    async def run(self) -> None:
        """Let customers come at the rate until told to leave, then wait until each has said what he had to say."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=TIMEOUT) as http:
            next_at, customers = time.monotonic(), 0
            try:
                while not self._leaving.is_set():
                    await asyncio.sleep(0.02)
                    if self.hold:
                        next_at = time.monotonic()
                        continue
                    while next_at < time.monotonic():
                        self._start(self._customer(http, customers))
                        customers += 1
                        next_at += (1 + MOST_TEXTS) / 2 / self._rate
                while self._tasks:
                    await asyncio.wait(self._tasks)
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def leave(self) -> None:
        """Nobody comes any more."""
        self._leaving.set()

    def _start(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _customer(self, http: aiohttp.ClientSession, customer: int) -> None:
        port, texts = self._dice.randrange(len(self._ports)), self._dice.randint(1, MOST_TEXTS)
        leaves = self._dice.random() < OPT_OUTS
        for n in range(texts):
            if n:
                await asyncio.sleep(self._dice.uniform(*GAP_S))
            wamid = f"wamid.chaos{customer:08d}-{n}"
            text = OPT_OUT if leaves and n == texts - 1 else f"{self._dice.choice(WORDS)} ({n + 1})"
            raw = _body(customer, wamid, text)
            if self._dice.random() < TWICE:
                self._start(self._post(http, raw, port + n + 1))
            await self._carry(http, customer, wamid, raw, port + n)
            if self._dice.random() < LATER:
                self._start(self._again(http, raw, port + n + 1))

    async def _carry(self, http: aiohttp.ClientSession, customer: int, wamid: str, raw: bytes, port: int) -> None:
        self.unanswered += 1
        tries = 0
        while not await self._post(http, raw, port + tries):
            await asyncio.sleep(PAUSE_S[min(tries, len(PAUSE_S) - 1)])
            tries += 1
        now = time.time()
        self.unanswered -= 1
        self._recent.append(now)
        shop = bodies.shop(customer % bodies.SHOPS)
        self.acknowledged[wamid] = Acknowledged(wamid, bodies.phone(customer), shop.phone_number_id, now)

    async def _again(self, http: aiohttp.ClientSession, raw: bytes, port: int) -> None:
        await asyncio.sleep(self._dice.uniform(0, 5))
        await self._post(http, raw, port)

    async def _post(self, http: aiohttp.ClientSession, raw: bytes, port: int) -> bool:
        """Whether it was answered 200."""
        url = f"http://127.0.0.1:{self._ports[port % len(self._ports)]}/webhook"
        try:
            async with http.post(url, data=io.BytesIO(raw), headers=world.sign(raw)) as response:
                if response.status == 200:
                    return True
        except (aiohttp.ClientError, TimeoutError):
            pass
        self.refused += 1
        return False


def _body(customer: int, wamid: str, text: str) -> bytes:
    """A customer always writes to the same shop."""
    wa_id, new = bodies.phone(customer), bodies.shop(customer % bodies.SHOPS)
    number = Number(new.phone_number_id, new.waba_id, new.display_number.lstrip("+"))
    person = Customer(f"BR.1{wa_id:0>19}", wa_id, f"Cliente {customer}")
    change = changes.inbound(number, person, wamid, time.time(), {"type": "text", "text": {"body": text}})
    return msgspec.json.encode(changes.envelope([change]))
