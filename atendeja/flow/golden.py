"""Golden conversations: the tests that a flow carries in itself. `testing` runs them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from .grammar import Grammar, OneOf
from .inputs import KINDS, Kind
from .session import Input
from .types import Dur, Id


class Caption(Grammar):
    """`{caption: text?}`"""

    caption: str = ""


class Place(Grammar):
    """`{latitude, longitude}`"""

    latitude: float
    longitude: float


class Card(Grammar):
    """`{name, phone}`"""

    name: str
    phone: str


class Sent(Grammar):
    """Exactly one of `text: text`, `button: Id`, `list: Id`, `image|audio|document: {caption?}`, `location: {latitude, longitude}`,
    `contact: {name, phone}`, `form: {…}`: what the customer sends."""

    text: str | UnsetType = UNSET
    button: Id | UnsetType = UNSET
    list: Id | UnsetType = UNSET
    image: Caption | UnsetType = UNSET
    audio: Caption | UnsetType = UNSET
    document: Caption | UnsetType = UNSET
    location: Place | UnsetType = UNSET
    contact: Card | UnsetType = UNSET
    form: dict[str, object] | UnsetType = UNSET

    def flaw(self) -> str | None:
        """Exactly one kind."""
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not UNSET]
        return None if len(given) == 1 else f"`in` has exactly one of {', '.join(self.__struct_fields__)}"

    @property
    def kind(self) -> Kind:
        """Which kind of input it is."""
        return next(kind for kind in KINDS if getattr(self, kind, UNSET) is not UNSET)

    def input(self, event_id: str, labels: dict[str, str]) -> Input:
        """It as the engine takes it; `labels` are the labels of the choices shown, by id."""
        value = getattr(self, self.kind)
        match value:
            case str() if self.kind == "text":
                return Input("text", value, event_id=event_id)
            case str():
                return Input(self.kind, labels.get(value, ""), value, event_id=event_id)
            case Caption():
                return Input(self.kind, value.caption, data={"id": f"media-{event_id}"}, event_id=event_id)
            case Place():
                return Input(self.kind, data={"latitude": value.latitude, "longitude": value.longitude}, event_id=event_id)
            case Card():
                return Input(self.kind, data={"name": value.name, "phone": value.phone}, event_id=event_id)
            case _:
                return Input(self.kind, data=dict(value), event_id=event_id)

    def __str__(self) -> str:
        """How it looks in a transcript."""
        value = getattr(self, self.kind)
        if isinstance(value, Caption):
            return f"[{self.kind}] {value.caption}".strip()
        return str(value) if self.kind == "text" else f"[{self.kind}: {value}]"


class Expected(Grammar):
    """At least one of `contains: text`, `equals: text`, `kind: text | buttons | list`, `buttons: [Id]` (ids of buttons or
    rows): what the next message must be. Messages before the first that fits are skipped."""

    later = ("template",)
    contains: str | UnsetType = UNSET
    equals: str | UnsetType = UNSET
    kind: Literal["text", "buttons", "list"] | UnsetType = UNSET
    buttons: list[Id] | UnsetType = UNSET

    def flaw(self) -> str | None:
        """Something must be expected."""
        given = any(getattr(self, name) is not UNSET for name in self.__struct_fields__)
        return None if given else f"`out` needs one of {', '.join(self.__struct_fields__)}"

    def fits(self, kind: str, body: str, choices: list[str]) -> bool:
        """Whether a message of this kind, with this text and these ids to tap, is the expected one."""
        return (
            (self.contains is UNSET or self.contains in body)
            and (self.equals is UNSET or self.equals == body)
            and (self.kind is UNSET or self.kind == kind)
            and (self.buttons is UNSET or self.buttons == choices)
        )

    def __str__(self) -> str:
        """How it is named in a failure."""
        given = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not UNSET}
        return ", ".join(f"{name} {value!r}" for name, value in given.items())


class In(Grammar, rename={"in_": "in"}):
    """`in: {…}`: the customer sends something."""

    in_: Sent


class Out(Grammar):
    """`out: {…}`: a message came that fits; messages before it are skipped."""

    out: Expected


class Nothing(Grammar):
    """`nothing: true`: no message is left unread since the last `in` or `pass`."""

    nothing: Literal[True]


class Pass(Grammar, rename={"pass_": "pass"}):
    """`pass: Dur`: the clock runs on, timers ring on their way."""

    pass_: Dur


class ConsentIs(Grammar):
    """`consent: {purpose: in | out}`: the last word recorded for each of these purposes."""

    consent: dict[Id, Literal["in", "out"]]


class Expectation(Grammar):
    """`{node?, ended?, queue?, tags?, vars?}`: `tags` and `vars` need only be among those there are."""

    node: Id | UnsetType = UNSET
    ended: bool | UnsetType = UNSET
    queue: Id | UnsetType = UNSET
    tags: list[Id] = []
    vars: dict[Id, object] = {}


class StateIs(Grammar):
    """`state: {…}`: where the run is now."""

    state: Expectation


Step = Annotated[In | Out | Nothing | Pass | ConsentIs | StateIs, OneOf("a step", later=("http",))]


class Person(Grammar):
    """`{name?, language?, tags?, fields?}`: the contact of a test."""

    name: str = ""
    language: str = ""
    tags: list[Id] = []
    fields: dict[Id, object] = {}


class Test(Grammar):
    """`{name, steps: [step], now?, contact?}`: a golden conversation. `now` is 2027-03-10T10:00:00-03:00 if not given."""

    later = ("open",)
    name: str
    steps: list[Step]
    now: datetime = datetime.fromisoformat("2027-03-10T10:00:00-03:00")
    contact: Person = msgspec.field(default_factory=Person)

    def flaw(self) -> str | None:
        """An instant needs its zone, and the calendar has an end."""
        if self.now.tzinfo is None:
            return "`now` needs a zone, such as -03:00"
        return None if 2000 <= self.now.year <= 2100 else "`now` is in the years from 2000 to 2100"
