"""Our answers against Meta's: the same keys, and the HTTP statuses of the reference."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from atendeja.simulator import answers
from atendeja.simulator.settings import Number

SAMPLES = Path(__file__).parents[1] / "wa" / "samples"
SPECIAL = {"2-transient", "100-33-unknown-phone-number-id", "190-expired-token", "template-create-2388023-name-in-deletion"}


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = msgspec.json.decode((SAMPLES / f"{name}.json").read_bytes())
    return loaded


@pytest.mark.parametrize("name", sorted({path.stem.removeprefix("error-") for path in SAMPLES.glob("error-*.json")} - SPECIAL))
def test_an_error_reads_as_metas(name: str) -> None:
    body: Any = answers.error(int(name))[1]
    wanted = sample(f"error-{name}")["error"]
    assert set(body["error"]) == set(wanted)
    assert (body["error"]["message"], body["error"]["type"]) == (wanted["message"], wanted["type"])
    assert set(body["error"].get("error_data", {})) == set(wanted.get("error_data", {}))


def test_the_special_errors_have_metas_keys() -> None:
    number: Any = answers.unknown_id("100000000000001", "post")[1]
    assert number["error"] | {"fbtrace_id": ""} == sample("error-100-33-unknown-phone-number-id")["error"] | {"fbtrace_id": ""}
    token: Any = answers.wrong_token()[1]
    assert token["error"] | {"fbtrace_id": ""} == sample("error-190-expired-token")["error"] | {"fbtrace_id": ""}


STATUSES = {100: 400, 131000: 500, 133004: 503, 132001: 404, 368: 403, 130429: 429, 190: 401, 999: 400}


@pytest.mark.parametrize(("code", "status"), STATUSES.items())
def test_the_status_is_the_references(code: int, status: int) -> None:
    assert answers.error(code)[0] == status


def test_a_sent_message_reads_as_metas() -> None:
    named: dict[str, Any] = {"wamid": "wamid.YXRlbmRlamEvb3V0LTAwMDE=", "user_id": "BR.10000000000000000003"}
    by_phone = answers.sent("+5511900000001", wa_id="5511900000001", **named)
    assert by_phone == (200, sample("response-send"))
    by_user_id = answers.sent("BR.10000000000000000003", wa_id=None, **named | {"wamid": "wamid.YXRlbmRlamEvb3V0LTAwMDk="})
    assert by_user_id == (200, sample("response-send-bsuid"))
    template = answers.sent("+5511900000001", wa_id="5511900000001", message_status="accepted", **named)
    assert template == (200, sample("response-send-template-accepted"))


def test_a_number_has_metas_keys() -> None:
    known = answers.phone_number(Number("100000000000001"))[1]
    assert set(sample("response-phone-number")) - set(known) == {"webhook_configuration"}
    assert set(known) <= set(sample("response-phone-number"))
