"""WhatsApp as the simulator knows it: numbers, customers, windows, limits. Pure: the time is an argument.

Customers exist as soon as somebody names them. One is known by phone, by BSUID or by both; Brazil's ninth digit is
ignored when a phone is looked up, and the `wa_id` stays the one the customer came with, as WhatsApp does it.
"""

from dataclasses import dataclass, field

from atendeja.simulator.bodies import BSUID, Send, media_ids
from atendeja.simulator.settings import Number, Settings
from atendeja.simulator.uploads import Upload
from atendeja.wa import limits

DEFAULT_NUMBER = Number("100000000000001")
MAX_CLOCK_AHEAD_S = 60


@dataclass
class Customer:
    """A person on WhatsApp. Without `wa_id` the phone is hidden from businesses (a username is in its place)."""

    user_id: str
    wa_id: str | None
    name: str
    username: str | None = None

    @property
    def key(self) -> str:
        """Stands for the customer in tables and on the phone page."""
        return self.user_id


@dataclass
class Bucket:
    """A rate limit per key, by the time at which the key would be back at rest (GCRA): no timers, one float a key."""

    rest_at: dict[str, float] = field(default_factory=dict)

    def take(self, key: str, now: float, interval_s: float, burst: float) -> bool:
        """Whether one more fits now; it is charged only if so."""
        if self.rest_at.get(key, now) - now > (burst - 1) * interval_s + 1e-9:
            return False
        self.charge(key, now, interval_s)
        return True

    def charge(self, key: str, now: float, interval_s: float) -> None:
        """Count one that cannot be refused."""
        self.rest_at[key] = max(self.rest_at.get(key, now), now) + interval_s


class World:
    """The state that a reset forgets. `settings` may be replaced at any time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.forget()

    def forget(self) -> None:
        """Begin again, with the numbers of the settings and nobody known."""
        self.numbers: dict[str, Number] = {number.phone_number_id: number for number in self.settings.numbers}
        self._by_phone: dict[str, Customer] = {}
        self._by_user_id: dict[str, Customer] = {}
        self._heard_at: dict[tuple[str, str], float] = {}
        self._throughput = Bucket()
        self._pairs = Bucket()
        self.uploads: list[Upload] = []
        """All that were POSTed, in order."""
        self.media: dict[str, Upload] = {}
        """Those that were taken, by id."""
        self.unsubscribed: set[str] = set()
        """Accounts whose webhooks nobody wants any more; they come all the same."""

    @property
    def customer_count(self) -> int:
        return len(self._by_user_id)

    def number(self, phone_number_id: str) -> Number | None:
        """The number of this id; unlisted ones exist only while the settings list none."""
        known = self.numbers.get(phone_number_id)
        if known is None and not self.settings.numbers and phone_number_id.isdecimal():
            known = self.numbers[phone_number_id] = Number(phone_number_id)
        return known

    def numbers_of(self, waba_id: str) -> list[Number]:
        """The numbers of an account. While the settings list none, `200…1` has `100…1`, as in the samples."""
        found = [number for number in self.numbers.values() if number.waba_id == waba_id]
        if not found and not self.settings.numbers and waba_id.isdecimal() and waba_id.startswith("2"):
            derived = self.number("1" + waba_id[1:])
            found = [] if derived is None else [derived]
        return found

    def customer(self, phone: str | None, user_id: str | None, name: str | None = None, username: str | None = None) -> Customer:
        """The customer of this phone (digits, `+` allowed) or BSUID, made if new; `name` and `username` are taken over."""
        digits = None if phone is None else phone.lstrip("+")
        known = self._by_user_id.get(user_id or "") or self._by_phone.get(canonical(digits or ""))
        if known is None:
            known = self._meet(digits, user_id)
        if name is not None:
            known.name = name
        if username is not None:
            known.username = username
        return known

    def _meet(self, digits: str | None, user_id: str | None) -> Customer:
        if user_id is None:
            user_id = f"BR.1{digits:0>19}"
        customer = Customer(user_id=user_id, wa_id=digits, name=f"Cliente {(digits or user_id)[-4:]}")
        self._by_user_id[user_id] = customer
        if digits is not None:
            self._by_phone[canonical(digits)] = customer
        return customer

    def addressee(self, send: Send) -> Customer | None:
        """Whom a message reaches; None for a BSUID in `to`, which Meta accepts and silently loses."""
        if send.to is not None and BSUID.fullmatch(send.to):
            return None
        return self.customer(send.to, send.recipient)

    def heard(self, number: Number, customer: Customer, at: float, now: float) -> None:
        """The customer wrote at `at`: the window opens until a day later, and the number's throughput is charged."""
        key = (number.phone_number_id, customer.key)
        self._heard_at[key] = max(self._heard_at.get(key, at), min(at, now + MAX_CLOCK_AHEAD_S))
        if self.settings.rate:
            self._throughput.charge(number.phone_number_id, now, 1 / self.settings.rate)

    def refusal(self, number: Number, send: Send, customer: Customer | None, now: float) -> int | None:
        """The code with which this message is refused, or None: accepted, and charged to the limits."""
        settings = self.settings
        if customer is None:
            return None
        if customer.wa_id == number.display_phone_number:
            return 131021
        if self.media and not all(self.has_media(number, media_id, now) for media_id in media_ids(send)):
            return 131009
        rate = settings.rate
        if rate and not self._throughput.take(number.phone_number_id, now, 1 / rate, max(rate, 1)):
            return 130429
        if settings.window and send.type != "template" and not self._is_open(number, customer, now):
            return 131047
        pair = f"{number.phone_number_id} {customer.key}"
        if settings.pair and not self._pairs.take(pair, now, limits.PAIR_INTERVAL_S, settings.pair_burst):
            return 131056
        return None

    def has_media(self, number: Number, media_id: str, now: float) -> bool:
        """Whether a file of this id can be sent from this number. One that was never given here is taken for good."""
        known = self.media.get(media_id)
        return known is None or (
            known.phone_number_id == number.phone_number_id and not known.deleted and now - known.at < self.settings.media_s
        )

    def _is_open(self, number: Number, customer: Customer, now: float) -> bool:
        heard_at = self._heard_at.get((number.phone_number_id, customer.key))
        return heard_at is not None and now - heard_at <= limits.WINDOW_S


def canonical(digits: str) -> str:
    """A Brazilian mobile always with its ninth digit; any other number as it is."""
    if len(digits) == 12 and digits.startswith("55") and digits[4] in "6789":
        return f"{digits[:4]}9{digits[4:]}"
    return digits
