"""The phone page in a real browser, against a real simulator and a real receiver of its webhooks."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from atendeja.simulator import Simulator
from tests.browser.conftest import Open
from tests.simulator.conftest import NUMBER, Api, Json, Receiver, api, receiver, simulator

__all__ = ["api", "receiver", "simulator"]

BUTTONS: Json = {
    "type": "button",
    "header": {"type": "text", "text": "Oficina"},
    "body": {"text": "Qual serviço?"},
    "footer": {"text": "toque para escolher"},
    "action": {
        "buttons": [
            {"type": "reply", "reply": {"id": "servico:0", "title": "Óleo"}},
            {"type": "reply", "reply": {"id": "servico:1", "title": "Freios"}},
        ]
    },
}
MONDAY = {"id": "d1", "title": "Segunda", "description": "manhã"}
LIST: Json = {
    "type": "list",
    "body": {"text": "Que dia?"},
    "action": {"button": "Ver dias", "sections": [{"title": "Semana", "rows": [MONDAY, {"id": "d2", "title": "Terça"}]}]},
}
NASTY = '<img src=x onerror="document.title=\'furado\'"><script>document.title="furado"</script>'


@pytest.fixture
async def ready(api: Api) -> AsyncIterator[Api]:
    """A simulator without the window, so that the business may write first."""
    await api.sim("settings", window=False)
    yield api


async def says(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Mensagem").fill(text)
    await page.get_by_role("button", name="Enviar").click()


async def no_sideways_scroll(page: Page) -> bool:
    """Neither the page nor the list of messages, which would hide it, is wider than what is seen."""
    return bool(await page.evaluate("[document.documentElement, bubbles, traffic].every((e) => e.scrollWidth <= e.clientWidth)"))


async def test_a_text_is_shown_and_delivered_with_its_json(ready: Api, receiver: Receiver, open_page: Open) -> None:
    page = await open_page(f"{ready.url}/simulator")
    await says(page, "oi")
    await expect(page.locator(".bubble.customer")).to_contain_text("oi")
    await receiver.until(lambda: len(receiver.messages) == 1)
    assert receiver.messages[0]["text"] == {"body": "oi"}
    await expect(page.locator("#traffic li.message pre").first).to_contain_text('"body": "oi"')
    await expect(page.locator("#traffic li.message summary").first).to_contain_text("200")


async def test_a_button_answers_the_message(ready: Api, receiver: Receiver, open_page: Open) -> None:
    page = await open_page(f"{ready.url}/simulator")
    _, answer = await ready.send(type="interactive", text=None, interactive=BUTTONS)
    bubble = page.locator(".bubble.business")
    await expect(bubble).to_contain_text("Qual serviço?")
    await expect(bubble.locator(".tick")).to_have_class("tick read")
    await bubble.get_by_role("button", name="Freios").click()
    await receiver.until(lambda: len(receiver.messages) == 1)
    [message] = receiver.messages
    assert message["interactive"] == {"type": "button_reply", "button_reply": {"id": "servico:1", "title": "Freios"}}
    assert message["context"]["id"] == answer["messages"][0]["id"]
    await expect(page.locator(".bubble.customer")).to_contain_text("Freios")


async def test_a_list_opens_a_sheet_and_a_row_answers(ready: Api, receiver: Receiver, open_page: Open) -> None:
    page = await open_page(f"{ready.url}/simulator")
    await ready.send(type="interactive", text=None, interactive=LIST)
    await page.get_by_role("button", name="Ver dias").click()
    await page.get_by_role("dialog").get_by_role("button", name="Segunda").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await receiver.until(lambda: len(receiver.messages) == 1)
    assert receiver.messages[0]["interactive"] == {"type": "list_reply", "list_reply": MONDAY}


async def test_ticks_follow_the_statuses(ready: Api, open_page: Open) -> None:
    await ready.sim("settings", read_s=None)
    await ready.sim("fault", do="failed", match={"contains": "perdida"})
    page = await open_page(f"{ready.url}/simulator")
    await ready.send()
    await expect(page.locator(".tick").nth(0)).to_have_attribute("aria-label", "entregue")
    await ready.send(text={"body": "perdida"})
    await expect(page.locator(".tick").nth(1)).to_have_attribute("aria-label", "não entregue")


async def test_text_from_outside_is_only_text(ready: Api, open_page: Open) -> None:
    page = await open_page(f"{ready.url}/simulator")
    await says(page, NASTY)
    await expect(page.locator(".bubble.customer p").first).to_have_text(NASTY)
    await ready.send(text={"body": NASTY})
    content = {"type": "text", "text": {"body": "x"}}
    await ready.sim("message", **{"from": "5521900000004", "phone_number_id": NUMBER, "name": NASTY, "content": content})
    await expect(page.get_by_role("group", name="Clientes").get_by_role("button")).to_have_text(["Ana", NASTY])
    await page.reload()
    await page.get_by_role("button", name="Ana").click()
    await expect(page.locator(".bubble.business p").first).to_have_text(NASTY)
    assert await page.locator(".bubble img, #people img, #traffic img").count() == 0
    assert await page.title() == "Simulador · AtendeJá"


async def test_several_customers_each_have_their_chat(ready: Api, receiver: Receiver, open_page: Open) -> None:
    page = await open_page(f"{ready.url}/simulator")
    await says(page, "sou a Ana")
    await page.get_by_role("button", name="+ cliente").click()
    await page.get_by_label("Nome").fill("Bia")
    await page.get_by_label("Telefone").fill("5521900000002")
    await page.get_by_role("button", name="Adicionar").click()
    await says(page, "sou a Bia")
    await expect(page.locator(".bubble")).to_have_count(1)
    await receiver.until(lambda: len(receiver.messages) == 2)
    assert [message["from"] for message in receiver.messages] == ["5511900000001", "5521900000002"]
    await ready.send(text={"body": "para a Ana"})
    ana = page.get_by_role("group", name="Clientes").get_by_role("button", name="Ana")
    await expect(ana).to_have_class(re.compile("unread"))
    await ana.click()
    await expect(page.locator(".bubble")).to_have_count(2)


async def test_it_works_on_a_telephone(ready: Api, receiver: Receiver, open_page: Open) -> None:
    page = await open_page(f"{ready.url}/simulator", width=375, height=667, dark=True)
    await says(page, "x" * 300)
    await ready.send(type="interactive", text=None, interactive=BUTTONS)
    tap = page.get_by_role("button", name="Freios")
    await expect(tap).to_be_in_viewport()
    box = await tap.bounding_box()
    assert box is not None
    assert box["height"] >= 40
    assert await no_sideways_scroll(page)
    await expect(page.locator("#wire")).to_be_hidden()
    await page.get_by_role("button", name="JSON").click()
    await expect(page.locator("#wire")).to_be_visible()
    await expect(page.locator("#chat")).to_be_hidden()
    assert await no_sideways_scroll(page)
    await page.get_by_role("button", name="Conversa").click()
    await tap.click()
    await receiver.until(lambda: len(receiver.messages) == 2)


async def test_it_finds_its_way_back_after_the_stream_ends(ready: Api, simulator: Simulator, open_page: Open) -> None:
    page = await open_page(f"{ready.url}/simulator")
    await expect(page.get_by_role("status")).to_have_text("ao vivo")
    simulator.board.feed.close()
    await ready.send(text={"body": "enquanto isso"})
    await expect(page.locator(".bubble.business")).to_contain_text("enquanto isso")
    await expect(page.get_by_role("status")).to_have_text("ao vivo")
    await ready.send(text={"body": "depois"})
    await expect(page.locator(".bubble.business").nth(1)).to_contain_text("depois")


async def test_a_wrong_phone_is_not_taken(ready: Api, open_page: Open) -> None:
    page = await open_page(f"{ready.url}/simulator")
    await page.get_by_role("button", name="+ cliente").click()
    await page.get_by_label("Nome").fill("Bia")
    await page.get_by_label("Telefone").fill("1")
    await page.get_by_role("button", name="Adicionar").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.get_by_role("button", name="Cancelar").click()
    await expect(page.get_by_role("group", name="Clientes").get_by_role("button")).to_have_text(["Ana"])
