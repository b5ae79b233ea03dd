"""What a failure that a status reports means beyond its message: the window is closed, or the template is stopped."""

import datetime as dt
from collections.abc import Callable, Mapping
from uuid import UUID

from msgspec import Struct

from atendeja.db import Tx, query
from atendeja.ledger import WINDOW_CLOSED
from atendeja.outbound.fallback import fall_back
from atendeja.outbound.templates import FIRST_S, MOST_S, SOON
from atendeja.wa.codes import CODES


class StoppedTemplate(Struct, frozen=True):
    template: str
    language: str
    code: int
    refusals: int


class Heeded(Struct):
    """What is to be told after the COMMIT: numbers that have something to send, numbers whose senders must read what is stopped,
    and the templates that people do not know of yet."""

    released: set[UUID] = set()
    changed: set[UUID] = set()
    stopped: list[StoppedTemplate] = []


STOP_TEMPLATES = query("outbound.stop_templates_of", StoppedTemplate)


async def heed(tx: Tx, failed: Mapping[UUID, tuple[UUID, int]], now: dt.datetime, new_id: Callable[[], UUID]) -> Heeded:
    """Do what these failures ask for: message → (number, Meta's code)."""
    heeded = Heeded(await fall_back(tx, [id_ for id_, (_, code) in failed.items() if code == WINDOW_CLOSED], now, new_id))
    of_templates = {id_: found for id_, found in failed.items() if _is_of_template(found[1])}
    if of_templates:
        ids = sorted(of_templates)
        codes = [of_templates[id_][1] for id_ in ids]
        stopped = await tx.all(
            STOP_TEMPLATES, ids=ids, codes=codes, now=now, soon=now - SOON, first_s=float(FIRST_S), most_s=float(MOST_S)
        )
        heeded.changed = {number_id for number_id, _ in of_templates.values()} if stopped else set()
        heeded.stopped = [stop for stop in stopped if stop.refusals == 1]
    return heeded


def _is_of_template(code: int) -> bool:
    row = CODES.get(code)
    return row is not None and row.kind == "P" and row.scope == "template"
