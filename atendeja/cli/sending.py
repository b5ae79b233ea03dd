"""`resume-sending`: what a person decides after the database has lost commits."""

import asyncio
from collections.abc import Sequence

from cyclopts import App

from atendeja import guard
from atendeja.cli.open import load_config, open_database
from atendeja.cli.serving import Flag
from atendeja.config import Config
from atendeja.db import Database
from atendeja.errors import Refused
from atendeja.guard import Hold
from atendeja.installation import resuming
from atendeja.installation.resuming import Ready
from atendeja.outbound import restored
from atendeja.runtime import fresh_id, utc_now
from atendeja.tenants import Tenant

WAIT_S = 30.0
"""How long the answers to what had come before the hold are waited for."""
LOOK_EVERY_S = 0.5


def add_to(app: App) -> None:
    app.command(resume_sending)


def resume_sending(*, send_queued: Flag = False) -> int:
    """Go on sending after the database was found to have lost commits (restored from a backup, a replica promoted too early).

    What was queued then may have gone out already: it becomes `unknown` and is not sent again. What was written since is sent.

    Parameters
    ----------
    send_queued: send service messages of then too, at the risk that customers get them twice; marketing and templates never
    """
    return asyncio.run(_resume_sending(load_config(), send_queued=send_queued))


async def _resume_sending(settings: Config, *, send_queued: bool) -> int:
    async with open_database(settings) as db:
        hold, everyone = await resuming.load(db)
        if hold is None:
            print("sending is not held: nothing to do")
            return 0
        print(hold)
        await _wait_for_answers(db, hold, everyone, quickly=send_queued)
        for ready in await resuming.settle(db, settings, hold, everyone, utc_now(), fresh_id, send_queued=send_queued):
            _tell(ready, send_queued=send_queued)
        async with db.session() as session:
            if not await guard.release(session, hold):
                raise Refused("hold_changed", "another hold has begun meanwhile", hint="run this again")
    print("sending goes on; opt-outs and everything else that came in the lost part are lost too")
    return 0


async def _wait_for_answers(db: Database, hold: Hold, everyone: Sequence[Tenant], *, quickly: bool) -> None:
    """The replies to what had come before the hold may have gone out too: they must be queued before they can be given up.

    Raises Refused when nobody seems to write them.
    """
    deadline = asyncio.get_running_loop().time() + (0 if quickly else WAIT_S)
    said = quickly
    while left := await restored.count_unanswered(db, hold, [t.id for t in everyone]):
        if quickly:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise Refused(
                "unanswered",
                f"{left} webhooks and messages of before are not answered yet: their answers may have gone out, so they come first",
                hint="have `atendeja serve` running, and run this again; --send-queued does not wait",
            )
        if not said:
            print(f"waiting for {left} webhooks and messages of before to be read and answered", flush=True)
            said = True
        await asyncio.sleep(LOOK_EVERY_S)


def _tell(ready: Ready, *, send_queued: bool) -> None:
    settled = ready.settled
    states = ", ".join(f"{n} {state}" for state, n in sorted(settled.found.items())) or "nothing"
    goes = f"; {settled.found.total() - settled.given_up} will be sent" if send_queued else ""
    print(
        f"{settled.tenant.slug}: {states} that may have gone out already; {settled.given_up} became unknown and are not sent{goes}"
    )
    if ready.erased_again:
        print(f"{settled.tenant.slug}: {ready.erased_again} who had been erased before are erased again, by a job")
