"""Commands about dead letters: what failed for good, and what a person does about it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

from cyclopts import App

from atendeja import broadcast, dead_letters
from atendeja.cli.admin import find_tenant
from atendeja.cli.open import load_config, open_database
from atendeja.cli.serving import Flag
from atendeja.config import Config
from atendeja.db import Database
from atendeja.dead_letters import Letter, Moved
from atendeja.errors import Refused
from atendeja.runtime import utc_now
from atendeja.tenants import Tenant
from atendeja.wa.codes import CODES

letter_app = App(name="dead-letter", help="Messages that failed and events that could not be answered.")


def add_to(app: App) -> None:
    app.command(letter_app)


@letter_app.command(name="list")
def list_letters(*, tenant: str, most: int = 50) -> int:
    """Show them, the newest last.

    Parameters
    ----------
    tenant: whose they are
    most: how many at most
    """
    return asyncio.run(_list(load_config(), tenant, most))


async def _list(settings: Config, slug: str, most: int) -> int:
    if most < 1:
        raise Refused("most", "--most must be 1 at least")
    async with open_database(settings) as db:
        owner = await find_tenant(db, slug)
        async with db.tenant(owner.id) as tx:
            letters, count = await dead_letters.newest(tx, most)
    for letter in reversed(letters):
        print(_line(letter))
    if not letters:
        print("no dead letter: nothing failed that nobody has looked at")
    elif count > len(letters):
        print(f"{len(letters)} of {count}; the others are older: --most {count} shows all")
    return 0


def _line(letter: Letter) -> str:
    listed = None if letter.code is None else CODES.get(letter.code)
    meaning = "" if listed is None else listed.meaning
    why = letter.reason or meaning or ("nobody knows whether it went out" if letter.state == "unknown" else "")
    code = f"  code {letter.code}" if letter.code is not None else ""
    return f"{letter.at:%Y-%m-%d %H:%M:%S}Z  {letter.what} {letter.id}  {letter.state}{code}  {why}".rstrip()


@letter_app.command
def replay(ids: list[UUID] | None = None, /, *, tenant: str, all_of_them: Flag = False, may_repeat: Flag = False) -> int:
    """Try these again: a message is queued, an event is answered. All checks apply to them once more, and a bot's reply whose
    conversation has gone on since is left as it is.

    Parameters
    ----------
    ids: as `dead-letter list` shows them
    tenant: whose they are
    all_of_them: instead of ids
    may_repeat: also messages that may have gone out before: a customer may get one twice
    """

    def work(db: Database, owner: Tenant) -> AsyncIterator[list[Moved]]:
        return dead_letters.replay(db, owner.id, ids or [], utc_now(), may_repeat=may_repeat)

    return asyncio.run(_move(load_config(), tenant, ids or [], work, "are tried again", all_of_them=all_of_them, rings=True))


@letter_app.command
def discard(ids: list[UUID] | None = None, /, *, tenant: str, all_of_them: Flag = False) -> int:
    """Let these be: they keep their state, and are no longer shown.

    Parameters
    ----------
    ids: as `dead-letter list` shows them
    tenant: whose they are
    all_of_them: instead of ids
    """

    def work(db: Database, owner: Tenant) -> AsyncIterator[list[Moved]]:
        return dead_letters.discard(db, owner.id, ids or [], utc_now())

    return asyncio.run(_move(load_config(), tenant, ids or [], work, "are discarded", all_of_them=all_of_them, rings=False))


async def _move(
    settings: Config,
    slug: str,
    ids: list[UUID],
    work: Callable[[Database, Tenant], AsyncIterator[list[Moved]]],
    done: str,
    *,
    all_of_them: bool,
    rings: bool,
) -> int:
    if bool(ids) == all_of_them:
        raise Refused("which", "name the letters by their ids, or say --all-of-them")
    moved = set[UUID]()
    async with open_database(settings) as db:
        owner = await find_tenant(db, slug)
        async for batch in work(db, owner):
            moved |= {m.id for m in batch}
            if rings and batch:
                words = {f"send:{m.number_id}" for m in batch if m.number_id is not None}
                async with db.session() as session:
                    await broadcast.tell(session, ["turn", "send", *sorted(words)])
            if all_of_them and batch:
                print(f"{len(moved)} …", flush=True)
    print(f"{len(moved)} {done}")
    if left := [str(id_) for id_ in ids if id_ not in moved]:
        raise Refused(
            "no_dead_letter",
            f"no dead letter of {slug} that this may be done with: {', '.join(left)}",
            hint="`atendeja explain ID` says what became of it; what may have gone out before is sent again only with --may-repeat",
        )
    return 0
