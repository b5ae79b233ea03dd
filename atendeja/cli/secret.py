"""Commands about SECRET_KEY."""

import asyncio
import datetime as dt

from cyclopts import App

from atendeja import accounts, rotation, tenants
from atendeja.cli.open import load_config, open_database
from atendeja.cli.serving import Flag
from atendeja.config import Config
from atendeja.runtime import utc_now

secret_app = App(name="secrets", help="What SECRET_KEY seals.")

STORES = {"data keys of tenants": tenants.KEYS, "second factors of accounts": accounts.SEEDS}
"""All that SECRET_KEY seals itself and that stays: tokens of numbers are sealed by their tenant's data key."""
SETTLES = dt.timedelta(days=30)
"""How late WhatsApp may tell of a message by the callback data that an old key has signed."""


def add_to(app: App) -> None:
    app.command(secret_app)


@secret_app.command(name="rotate")
def rotate_secrets(*, check: Flag = False) -> int:
    """Seal by the first key of SECRET_KEY what the others have sealed; may run beside the server, and again after a kill.

    Parameters
    ----------
    check: only say whether anything is left under another key; 1 if so
    """
    return asyncio.run(_rotate(load_config(), writes=not check))


async def _rotate(settings: Config, *, writes: bool) -> int:
    lost, left = [], 0
    async with open_database(settings) as db:
        for what, store in STORES.items():
            count = await rotation.renew(db, store, settings.secret_keys, writes=writes)
            print(f"{what}: {count.kept} under the first key, {count.renewed} {'sealed anew' if writes else 'under another'}")
            lost += count.lost
            left += 0 if writes else count.renewed
    for one in lost:
        print(f"no key of SECRET_KEY opens {one}")
    if lost:
        return 1
    if left:
        print("the other keys are needed still: `atendeja secrets rotate`")
        return 1
    if len(settings.secret_keys) > 1:
        print("nothing stored needs the other keys. Take them out of SECRET_KEY a day after every process has the first:")
        print(f"  not before {utc_now() + SETTLES:%Y-%m-%d}, if late statuses of messages whose answer was lost are to be believed")
    return 0
