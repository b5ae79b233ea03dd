"""What customers may try to make of a text, from the webhook to the message. Without a database: tests/flow/test_hostile.py."""

from collections.abc import AsyncIterator

import pytest

from atendeja.runtime import Runtime
from tests.flow.test_hostile import INJECTIONS
from tests.turn.shop import Shop, open_shop


@pytest.fixture
async def shop(rt: Runtime) -> AsyncIterator[Shop]:
    opened = await open_shop(rt)
    yield opened
    await opened.admin.close()


async def test_what_a_customer_writes_is_kept_and_sent_as_it_is(shop: Shop) -> None:
    """S34: from the webhook to the message's row and back, no text is part of a statement or a pattern."""
    await shop.publish("""
  a: {do: [{say: {text: "Oi?"}}], wait: {reply: [text]}, route: [{any: true, to: b}]}
  b: {do: [{say: {text: "<{{ input.text }}>"}}, {end: {}}]}
""")
    texts = [text for text in INJECTIONS if text.strip() and len(text) < 200][::3]
    for n, text in enumerate(texts):
        sender = f"55119{n:08}"
        await shop.asks("oi", sender)
        assert await shop.asks(text, sender) == [f"<{text}>"], text
