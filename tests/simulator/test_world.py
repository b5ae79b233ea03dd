import msgspec
import pytest

from atendeja.simulator.bodies import Send
from atendeja.simulator.settings import Number, Settings
from atendeja.simulator.world import Bucket, World, canonical

NUMBER = Number("100000000000001")
TEXT = Send("whatsapp", "text", to="+5511900000001")
TEMPLATE = Send("whatsapp", "template", to="+5511900000001")
DAY_S = 24 * 3600


def world(**settings: object) -> World:
    return World(Settings().changed(settings))


def judge(w: World, send: Send, now: float) -> int | None:
    return w.refusal(NUMBER, send, w.addressee(send), now)


def hear(w: World, at: float, phone: str = "5511900000001") -> None:
    w.heard(NUMBER, w.customer(phone, None), at, at)


def test_the_window_is_open_for_a_day_after_the_customers_message() -> None:
    w = world()
    assert judge(w, TEXT, 1000) == 131047
    hear(w, 1000)
    assert judge(w, TEXT, 1000 + DAY_S) is None
    assert judge(w, TEXT, 1000 + DAY_S + 1) == 131047
    assert judge(w, TEMPLATE, 1000 + DAY_S + 2) is None


def test_the_window_is_of_one_number() -> None:
    w = world()
    hear(w, 1000)
    assert w.refusal(Number("100000000000002"), TEXT, w.addressee(TEXT), 1000) == 131047


def test_an_old_message_opens_no_window_and_closes_none() -> None:
    w = world()
    ana = w.customer("5511900000001", None)
    w.heard(NUMBER, ana, 1000, 1000)
    w.heard(NUMBER, ana, 1000 - DAY_S, 1001)
    assert judge(w, TEXT, 1002) is None


def test_a_pair_has_a_burst_and_then_one_per_six_seconds() -> None:
    w = world(pair_burst=3, window=False)
    assert [judge(w, TEXT, 100) for _ in range(4)] == [None, None, None, 131056]
    assert judge(w, Send("whatsapp", "text", to="+5511900000002"), 100) is None
    assert judge(w, TEXT, 105.9) == 131056
    assert judge(w, TEXT, 106) is None
    assert judge(w, TEXT, 106) == 131056


def test_throughput_counts_both_ways() -> None:
    w = world(rate=10, pair=False)
    hear(w, 100)
    assert [judge(w, TEXT, 100) for _ in range(10)] == [None] * 9 + [130429]
    assert judge(w, TEXT, 100.1) is None
    assert w.refusal(Number("100000000000002"), TEMPLATE, w.addressee(TEMPLATE), 100) is None


def test_limits_can_be_off() -> None:
    w = world(rate=None, pair=False, window=False)
    assert {judge(w, TEXT, 100) for _ in range(500)} == {None}


def test_nobody_writes_to_himself() -> None:
    assert judge(world(window=False), Send("whatsapp", "text", to="+551140000001"), 0) == 131021


def test_a_refused_message_is_not_charged() -> None:
    bucket = Bucket()
    assert bucket.take("a", 0, 6, 1)
    assert [bucket.take("a", 1, 6, 1) for _ in range(5)] == [False] * 5
    assert bucket.take("a", 6, 6, 1)


@pytest.mark.parametrize(("came_as", "sent_to"), [("553190000002", "+5531990000002"), ("5531990000002", "+553190000002")])
def test_the_ninth_digit_makes_no_second_person(came_as: str, sent_to: str) -> None:
    w = world()
    bia = w.customer(came_as, None, "Bia")
    assert w.addressee(Send("whatsapp", "text", to=sent_to)) is bia
    assert bia.wa_id == came_as


CANONICAL = {"551140000001": "551140000001", "351912345678": "351912345678", "553190000002": "5531990000002"}


@pytest.mark.parametrize(("digits", "same"), CANONICAL.items())
def test_only_brazilian_mobiles_get_a_ninth_digit(digits: str, same: str) -> None:
    assert canonical(digits) == same


def test_a_bsuid_in_to_is_nobody() -> None:
    assert world().addressee(Send("whatsapp", "text", to="BR.10000000000000000003")) is None


def test_a_listed_number_excludes_others() -> None:
    assert world().number("100000000000009") is not None
    assert world().number("abc") is None
    listed = world(numbers=[msgspec.to_builtins(NUMBER)])
    assert listed.number(NUMBER.phone_number_id) == NUMBER
    assert listed.number("100000000000009") is None


def test_forgetting_keeps_the_numbers_of_the_settings() -> None:
    w = world(numbers=[msgspec.to_builtins(NUMBER)])
    hear(w, 100)
    w.forget()
    assert (w.customer_count, list(w.numbers)) == (0, [NUMBER.phone_number_id])
    assert judge(w, TEXT, 100) == 131047
