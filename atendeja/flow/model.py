"""A flow as a value: nodes, waits, routes, defaults, starts, intents. The tests that a flow carries are in `golden`."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from .actions import Action
from .golden import Test
from .grammar import Grammar
from .inputs import AnyCase, Kind, VarType
from .session import Input
from .types import Dur, Id, Text
from .words import INTENTS, Intent, Notice, fold, folded, has_phrase

Tries = Annotated[int, Meta(ge=0, le=10, description="a number from 0 to 10")]


class Wait(Grammar):
    """`{reply: [Kind]?, timeout: Dur?}`, at least one of them: stop here until the customer sends one of these kinds of input, or
    the time is over. Without `reply` an input is recorded and the wait goes on. `timeout` is at most the flow's `expires`."""

    later = ("until", "effect")
    reply: list[Kind] | UnsetType = UNSET
    timeout: Dur | UnsetType = UNSET

    def flaw(self) -> str | None:
        """Something must end the wait."""
        if not self.reply and self.timeout is UNSET:
            return "a wait needs `reply` or `timeout`"
        return "`reply` needs at least one kind" if self.reply == [] else None


class Else(Grammar):
    """`{retry: Text | [Text]?, to: Id?}`, at least one of them: what happens when no case holds.

    `retry` is said, with the question's buttons once more, and the wait goes on; a list has one text per try. After `tries` of
    them, or at once without `retry`, the run goes to `to`, else to the node's or the flow's `after_tries`."""

    retry: Text | list[Text] | UnsetType = UNSET
    to: Id | UnsetType = UNSET

    def flaw(self) -> str | None:
        """Something must happen."""
        if self.retry is UNSET and self.to is UNSET:
            return "`else` needs `retry` or `to`"
        return "`retry` needs at least one text" if self.retry == [] else None

    def text(self, tries: int) -> Text | None:
        """What to say at this try (from 1), None without `retry`; the last text stands for all tries after it."""
        if self.retry is UNSET:
            return None
        return self.retry[min(tries, len(self.retry)) - 1] if isinstance(self.retry, list) else self.retry


class Node(Grammar, rename={"else_": "else"}):
    """`{do?, wait?, save?, route?, else?, tries?, after_tries?}`: the actions of `do` in their order, then `wait`, then the first
    case of `route` that holds, then `else`.

    `save` keeps the value that the case read. Without `wait` the cases see no input: only `var`, `tag` and `if` make sense."""

    do: list[Action] = []
    wait: Wait | UnsetType = UNSET
    save: Id | UnsetType = UNSET
    route: list[AnyCase] = []
    else_: Else | UnsetType = UNSET
    tries: Tries | UnsetType = UNSET
    after_tries: Id | UnsetType = UNSET


class Defaults(Grammar):
    """`{after_tries: Id, on_error: Id?, tries: int = 2, expires: Dur = 20h}`: where to go after too many tries (best
    to a person) and after a type error (`after_tries` if not given); `expires` counts from the last input, then the run ends
    silently."""

    after_tries: Id
    on_error: Id | UnsetType = UNSET
    tries: Tries = 2
    expires: Dur = "20h"


class Start(Grammar):
    """Exactly one of `any: true`, `any_word: [text]`, `phrase: text`, `payload: Id` (of a template's button), `referral: true` or
    an ad's id (the customer came by an ad): what opens the flow when no run is live."""

    later = ("numbers",)
    any: Literal[True] | UnsetType = UNSET
    any_word: list[str] | UnsetType = UNSET
    phrase: str | UnsetType = UNSET
    payload: Id | UnsetType = UNSET
    referral: Literal[True] | str | UnsetType = UNSET

    def flaw(self) -> str | None:
        """Exactly one key is needed."""
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not UNSET]
        return None if len(given) == 1 else f"a start has exactly one of {', '.join(self.__struct_fields__)}"

    def opens(self, heard: Input, words: str) -> bool:
        """Whether this input, whose text is `words` when folded, opens the flow."""
        if self.any_word:
            return any(has_phrase(words, word) for word in self.any_word)
        if self.phrase:
            return has_phrase(words, self.phrase)
        if self.payload is not UNSET:
            return heard.id == self.payload
        if self.referral is not UNSET:
            return _came_by(heard, self.referral)
        return self.any is True


def _came_by(heard: Input, referral: Literal[True] | str) -> bool:
    found = (heard.data or {}).get("referral")
    return isinstance(found, dict) and (referral is True or found.get("source_id") == referral)


class Words(Grammar):
    """`{atendente|menu|voltar: [text]}`: more words for the three intents, beside the built-in ones."""

    atendente: list[str] = []
    menu: list[str] = []
    voltar: list[str] = []


class IntentTexts(Grammar):
    """`{opted_out|erasing|not_understood_kind: Text}`: what to say instead of the built-in texts."""

    later = ("opted_in", "after_outage")
    opted_out: Text | UnsetType = UNSET
    erasing: Text | UnsetType = UNSET
    not_understood_kind: Text | UnsetType = UNSET


class Intents(Grammar):
    """`{atendente: Id?, menu: Id?, voltar: bool = true, words?, texts?}`: three wishes that work at every question, as whole
    messages.

    `atendente` leads to a person (`after_tries` if not given), `menu` to a node (`start` if not given), `voltar` back to the
    question before. Opting out and erasure have no key: they cannot be moved or turned off."""

    atendente: Id | UnsetType = UNSET
    menu: Id | UnsetType = UNSET
    voltar: bool = True
    words: Words | UnsetType = UNSET
    texts: IntentTexts | UnsetType = UNSET


class Flow(Grammar, kw_only=True):
    """A business's conversation. `spec: 1`, `key: Id`, `language`, `start: Id`, `nodes: {Id: Node}`, `defaults`, and optionally
    `starts` (`[{any: true}]` if not given), `vars: {Id: type}`, `intents`, `tests`, `ui` (kept, ignored)."""

    later = ("returns", "debounce")
    spec: Literal[1]
    key: Id
    language: Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="a language such as `pt-BR`")]
    start: Id
    defaults: Defaults
    starts: list[Start] = field(default_factory=lambda: [Start(any=True)])
    vars: dict[Id, VarType] = {}
    intents: Intents | UnsetType = UNSET
    nodes: dict[Id, Node]
    tests: list[Test] = []
    ui: object | UnsetType = UNSET

    @property
    def on_error(self) -> str:
        """The node to go to after a type error."""
        return self.defaults.after_tries if self.defaults.on_error is UNSET else self.defaults.on_error

    def intent_node(self, intent: Literal["atendente", "menu"]) -> str:
        """Where the intent leads."""
        chosen = UNSET if self.intents is UNSET else getattr(self.intents, intent)
        if isinstance(chosen, str):
            return chosen
        return self.start if intent == "menu" else self.defaults.after_tries

    def intent(self, text: str) -> Intent | None:
        """Which of the three intents the text is as a whole message, None for any other."""
        words = fold(text)
        own = UNSET if self.intents is UNSET else self.intents.words
        for intent, common in INTENTS.items():
            added: list[str] = [] if own is UNSET else getattr(own, intent)
            if any(folded(word) == words for word in (*common, *added)):
                return None if intent == "voltar" and self.intents is not UNSET and not self.intents.voltar else intent
        return None

    def text(self, name: Notice) -> Text | None:
        """The flow's own text for a notice, None if it has none."""
        texts = UNSET if self.intents is UNSET else self.intents.texts
        own = UNSET if texts is UNSET else getattr(texts, name)
        return None if own is UNSET else own
