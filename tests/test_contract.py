"""The API against its own document: whatever schemathesis makes of it is answered as it says (S12, S44).

Each operation is asked what the document allows and what it does not, then operations one after the other by the document's links.
`CONTRACT_CALLS=10000` makes the run so long, with other examples each time.
"""

import asyncio
import os
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import msgspec
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as of_openapi

from atendeja import app, openapi
from atendeja.endpoint import Access
from atendeja.runtime import utc_now
from tests.office import Office, serve_office

CALLS = int(os.environ.get("CONTRACT_CALLS", "0"))
"""In the long run, of all operations together."""
SHORT = 2
"""Examples of an operation and kind in the short run."""
NOT_ASKED = {"logout", "login", "refresh", "accept", "stream_events"}
"""They end, or begin, the sign-in that the others need, and are asked too often at once: `test_openapi` asks them. Or never end."""
UNSOUND: Any = [of_openapi.positive_data_acceptance]  # Any: schemathesis' own types do not fit each other
"""A document cannot say which text is a flow, or which id is there: what fits may be refused, as it says."""
ASK_META = {"add_number", "change_number", "verify_number"}
"""Meta is away here, which is answered 503 as the document says."""

load_all_checks()


def limits(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=not CALLS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def ask_all(url: str, bearers: dict[str, str]) -> tuple[int, list[str]]:
    """How many answers were looked at, and what is wrong with some."""
    schema = schemathesis.openapi.from_dict(openapi.document(app.ENDPOINTS))
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    chosen = [each for each in operations if each.definition.raw["operationId"] not in NOT_ASKED]
    kinds = [
        (mode, who) for mode, who in product(GenerationMode, bearers) if CALLS or who == "owner" or mode == GenerationMode.POSITIVE
    ]
    examples = max(SHORT, CALLS // (len(chosen) * len(kinds)))
    wrong: list[str] = []
    calls = 0
    for operation, (mode, who) in product(chosen, kinds):
        calls += examples
        try:
            asking(operation, mode, url, bearers[who], examples)()
        except FailureGroup as found:
            wrong += [f"{operation.label} as {who}: {failure.title}: {failure.message}" for failure in found.exceptions]
    return calls, wrong


def asking(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, url: str, bearer: str, examples: int
) -> Callable[[], None]:
    is_asking = operation.definition.raw["operationId"] in ASK_META
    unsound = [*UNSOUND, *([not_a_server_error] if is_asking else [])]

    @limits(examples)
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case[Any]) -> None:
        case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {bearer}"}, excluded_checks=unsound)

    return ask


def follow(url: str, bearer: str, examples: int) -> None:
    """Make things and do what the document's links say can be done with them. Raises what schemathesis finds."""
    schema = schemathesis.openapi.from_dict(openapi.document(app.ENDPOINTS)).exclude(operation_id=sorted(NOT_ASKED))
    schema.config.update(base_url=url)

    class Machine(schema.as_state_machine()):  # type: ignore[misc]  # a class made at run time
        def get_call_kwargs(self, case: Case[Any]) -> dict[str, object]:
            return {"headers": {"Authorization": f"Bearer {bearer}"}}

        def validate_response(self, response: Response, case: Case[Any], **given: object) -> None:
            case.validate_response(response, excluded_checks=UNSOUND)

    run_state_machine_as_test(Machine, settings=settings(limits(examples), stateful_step_count=6))


async def test_what_is_answered_is_what_the_document_says(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    operator = await office.sign_in("operator@host.example", is_operator=True)
    scopes = sorted(Access(app.ENDPOINTS).grantable("owner"))
    key = (await office.post("/keys", {"name": "all", "scopes": scopes}, boss)).json()["secret"]
    office.rt.clock, office.rt.monotonic = utc_now, time.monotonic
    office.rt.config = msgspec.structs.replace(office.rt.config, api_rate=1e6)
    async with serve_office(office) as url:
        began = time.monotonic()
        calls, wrong = await asyncio.to_thread(ask_all, url, {"owner": boss, "operator": operator, "key": key})
        await asyncio.to_thread(follow, url, boss, max(SHORT, CALLS // 60))
        print(f"{calls} calls in {time.monotonic() - began:.0f} s")
    assert wrong == []
    assert calls >= len(app.ENDPOINTS) - len(NOT_ASKED)
