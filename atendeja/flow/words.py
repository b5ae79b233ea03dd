"""How people write, made comparable; and the words no flow can take away: opting out and asking to be erased.

`fold` is the one idea: case, accents, emoji, punctuation and repeated letters do not count, so "SIIIM!!" is "sim". Both sides
of every comparison are folded, which is why even true double letters may fall together ("carro" and "caro").
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

Reserved = Literal["opt_out", "erase"]

_NOT_A_WORD = re.compile(r"[\W_]+")
_REPEATED = re.compile(r"([^\W\d_])\1+")
_LONGEST_RESERVED = 256


class _Heard(dict[int, int | None]):
    """For `str.translate`: characters that are heard stay, marks and format characters go. Learnt as they come."""

    MOST: Final = 4096

    def __missing__(self, code: int) -> int | None:
        if len(self) >= self.MOST:
            self.clear()
        found = None if unicodedata.category(chr(code)) in ("Mn", "Me", "Cf") else code
        self[code] = found
        return found


_heard = _Heard()


def fold(text: str) -> str:
    """The words of a text in lower case, one space between them: no accent, emoji, punctuation or repeated letter. Never raises.

    Digits stay as they are ("11" is not "1"). Folding twice changes nothing; a text of emoji alone is empty.
    """
    return _recent(text) if len(text) <= _LONGEST_RESERVED else _recent_long(text)


def _fold(text: str) -> str:
    flat = text.lower()
    if not flat.isascii():
        flat = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", flat).casefold())
        flat = flat.translate(_heard)
    return _REPEATED.sub(r"\1", _NOT_A_WORD.sub(" ", flat).strip())


_recent = lru_cache(maxsize=1024)(_fold)
"""A customer's text is asked for by digest, and several times in the turn that follows."""

_recent_long = lru_cache(maxsize=8)(_fold)
"""A text of one odd letter takes 15 ms to fold, and is asked about in every test of a route."""

folded = lru_cache(maxsize=8192)(_fold)
"""`fold` for the words of flows, which are few and asked for again and again. Customers' texts go through `fold`."""


def has_phrase(folded_text: str, phrase: str) -> bool:
    """Whether these words stand in the folded text, whole and side by side. An empty phrase stands nowhere."""
    wanted = folded(phrase)
    return bool(wanted) and f" {wanted} " in f" {folded_text} "


_OPT_OUT = frozenset(map(fold, ("sair", "parar", "stop", "descadastrar")))
_ERASE = frozenset(map(fold, ("apague meus dados", "apagar meus dados", "excluir meus dados")))
_OPT_OUT_UNLESS_WAITING = fold("cancelar")


def reserved(text: str) -> Reserved | None:
    """Whether a message is, as a whole, the wish to hear no more (`opt_out`) or to be forgotten (`erase`). Never raises.

    "SAIR!" is one, "quero sair" is not. `cancelar` is not either: it opts out only when no session waits, see `cancels`.
    """
    if len(text) > _LONGEST_RESERVED:
        return None
    words = fold(text)
    if words in _OPT_OUT:
        return "opt_out"
    return "erase" if words in _ERASE else None


def cancels(text: str) -> bool:
    """Whether the message is the word that opts out of marketing only while no session waits for an answer."""
    return len(text) <= _LONGEST_RESERVED and fold(text) == _OPT_OUT_UNLESS_WAITING


Intent = Literal["atendente", "menu", "voltar"]

INTENTS: Final[Mapping[Intent, tuple[str, ...]]] = {
    "atendente": ("atendente", "humano", "falar com atendente", "falar com humano", "agent", "human", "agente"),
    "menu": ("menu", "início", "start"),
    "voltar": ("voltar", "back", "volver"),
}
"""The words of the three intents that work at every question, as whole messages; a flow may add its own."""

Notice = Literal["opted_out", "erasing", "not_understood_kind"]

DEFAULT_TEXTS: Final[Mapping[Notice, Mapping[str, str]]] = {
    "opted_out": {
        "pt": "Pronto: você não vai mais receber nossas ofertas. Se precisar de algo, é só escrever.",
        "en": "Done: you will no longer receive our offers. If you need anything, just write.",
        "es": "Listo: ya no recibirás nuestras ofertas. Si necesitas algo, solo escribe.",
    },
    "erasing": {
        "pt": "Recebemos seu pedido para apagar seus dados. Vamos confirmar aqui quando estiver feito.",
        "en": "We have received your request to erase your data. We will confirm here when it is done.",
        "es": "Recibimos tu pedido de borrar tus datos. Te confirmaremos aquí cuando esté hecho.",
    },
    "not_understood_kind": {
        "pt": "Ainda não consigo ler esse tipo de mensagem por aqui.",
        "en": "I cannot read this kind of message here yet.",
        "es": "Todavía no puedo leer este tipo de mensaje por aquí.",
    },
}


def default_text(name: Notice, language: str) -> str:
    """What we say when the flow has no text of its own: by the language's first part (`pt` of `pt-BR`), else in Portuguese."""
    texts = DEFAULT_TEXTS[name]
    return texts.get(language.replace("_", "-").split("-")[0].lower(), texts["pt"])


def _words(text: str) -> frozenset[str]:
    return frozenset(fold(text).split())


_YES = _words("sim s claro isso mesmo pode quero ok okay confirmo confirmado certo correto certeza positivo aceito yes y si sure")
_NO = _words("não n nao nunca negativo errado incorreto recuso no nope")
_POLITE = _words("por favor obrigado obrigada com ser está tá então")
_NO_PHRASES = frozenset(map(fold, ("não quero", "não quero não", "não pode", "agora não", "acho que não", "de jeito nenhum")))
_THUMBS = {"👍": True, "✅": True, "👎": False, "❌": False}


def yes_no(text: str) -> bool | None:
    """True for a yes, False for a no, None for anything else; a thumb counts.

    Only a message of nothing but such words answers: "sim, por favor" is a yes, "quero saber o preço" and "não sei" are neither.
    """
    words = fold(text)
    if not words:
        return _THUMBS.get(text.strip()[:1])
    if words in _NO_PHRASES:
        return False
    said = set(words.split()) - _POLITE
    if said and said <= _YES:
        return True
    return False if said and said <= _NO else None
