"""Commands about flows: check, test, simulate, publish, list."""

import asyncio
import getpass
import sys
from pathlib import Path
from uuid import UUID

from cyclopts import App

from atendeja import flows, numbers
from atendeja.cli.admin import find_tenant
from atendeja.cli.open import load_config, open_database
from atendeja.config import Config
from atendeja.db import Tx
from atendeja.errors import Refused
from atendeja.flow import check, document, engine, testing
from atendeja.flow import session as s
from atendeja.flow.model import Flow
from atendeja.flows import Publication
from atendeja.runtime import fresh_id, utc_now

flow_app = App(name="flow", help="Conversations as data: check, test, try, publish.")


def add_to(app: App) -> None:
    app.command(flow_app)


def read_flow(file: Path) -> Flow:
    """The flow of a file. Raises Refused with every mistake of form, or when it cannot be read."""
    return document.load(read_text(file), str(file))


def read_text(file: Path) -> str:
    """What is written in it. Raises Refused when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("flow_unreadable", f"{file} cannot be read: {error}") from error


@flow_app.command(name="check")
def check_file(file: Path) -> int:
    """Say what is wrong with a flow; status 1 when it could not be published."""
    problems = check.check(read_flow(file))
    for problem in problems:
        print(f"{file}: {problem}")
    errors = sum(p.severity == "error" for p in problems)
    print(f"{file}: {errors} error(s), {len(problems) - errors} warning(s)")
    return 1 if errors else 0


@flow_app.command(name="test")
def test_file(file: Path) -> int:
    """Run the conversations in a flow's `tests`; status 1 when one fails."""
    failed = 0
    for outcome in testing.run(read_flow(file)):
        print(outcome)
        failed += not outcome.passed
    print("all conversations pass" if not failed else f"{failed} conversation(s) failed")
    return 1 if failed else 0


@flow_app.command(name="simulate")
def simulate_file(file: Path) -> int:
    """Talk to a flow here, with the engine that answers on WhatsApp. An empty line ends it."""
    program, session, now = engine.compile(read_flow(file), "draft"), None, utc_now()
    for line in sys.stdin:
        if not line.strip():
            break
        facts = s.Facts(name="Cliente", phone="5511900000001", language=program.flow.language, business_name="Loja")
        answer = engine.answer(
            [program], session, program if session else None, s.Input("text", line.strip()), facts, now, str(fresh_id())
        )
        session, now = (answer.session if answer.session is not None and answer.session.live else None), utc_now()
        for effect in answer.effects:
            print(f"  < {testing.describe(effect)}")
    return 0


@flow_app.command(name="publish")
def publish_file(file: Path, *, tenant: str, number: str | None = None, note: str | None = None) -> int:
    """Make a flow the one that answers. Its conversations must pass; running ones keep their version.

    Parameters
    ----------
    file: the flow, YAML or JSON
    tenant: whose it becomes
    number: phone_number_id of the one number it answers on; all of the tenant's without it
    note: a word about this version
    """
    source = read_text(file)
    flow = document.load(source, str(file))
    failed = [outcome for outcome in testing.run(flow) if not outcome.passed]
    if failed:
        raise Refused("flow_tests_fail", "\n".join(map(str, failed)), hint="a flow is published when its own conversations pass")
    return asyncio.run(_publish(load_config(), flow, source, tenant, number, note))


async def _publish(settings: Config, flow: Flow, source: str, slug: str, phone_number_id: str | None, note: str | None) -> int:
    async with open_database(settings) as db:
        tenant = await find_tenant(db, slug)

        async def work(tx: Tx) -> Publication:
            number_id = await _number_id(tx, phone_number_id) if phone_number_id else None
            return await flows.publish(
                tx, flow, number_id=number_id, author=_author(), now=utc_now(), new_id=fresh_id, note=note, source=source
            )

        done = await db.transact(tenant.id, work)
    print(
        f"{flow.key} version {done.n} answers now ({done.sha256[:12]})"
        if done.new
        else f"{flow.key} version {done.n} is published already, nothing changed"
    )
    return 0


async def _number_id(tx: Tx, phone_number_id: str) -> UUID:
    found = next((n for n in await tx.all(numbers.EVERYONE) if n.phone_number_id == phone_number_id), None)
    if found is None:
        raise Refused(
            "number_unknown",
            f"this tenant has no number with phone_number_id {phone_number_id}",
            hint="`atendeja number list --tenant S` shows them",
        )
    return found.id


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@flow_app.command(name="list")
def list_flows(*, tenant: str) -> int:
    """Show what answers for a business."""
    return asyncio.run(_list_flows(load_config(), tenant))


async def _list_flows(settings: Config, slug: str) -> int:
    async with open_database(settings) as db:
        tenant = await find_tenant(db, slug)
        async with db.tenant(tenant.id) as tx:
            found = await tx.all(flows.LISTING)
    for f in found:
        where = "all numbers" if f.number_id is None else f.number_id
        print(f"{f.key}  version {f.n}  {f.sha256[:12]}  {where}  published {f.published_at:%Y-%m-%d %H:%M} by {f.author}")
    if not found:
        print(f"no flow yet: atendeja flow publish FILE --tenant {slug}")
    return 0
