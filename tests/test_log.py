"""Logs: one pipeline, no phone, no message text, ids readable."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from uuid import UUID

import pytest
import structlog

from atendeja import log
from atendeja.errors import Refused
from tests.canary import CANARY_PHONE, CANARY_TEXT, find

MESSAGE_ID = UUID("01998870-4170-7000-8000-551199887041")
line = structlog.get_logger("test")


@pytest.fixture
def stream(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """A configured pipeline, and afterwards the one of before."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), root.handlers[:], root.level
    stream = io.StringIO()
    log.configure("INFO", getattr(request, "param", "json"), stream)
    yield stream
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(text) for text in stream.getvalue().splitlines()]


def test_a_line_of_ours(stream: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(tenant_id=7):
        line.info("message_sent", message_id=MESSAGE_ID, took_ms=1.5, code=None)
    (got,) = lines(stream)
    assert got.pop("timestamp")[-1] == "Z"  # type: ignore[index]  # it is a text
    expected = {
        "event": "message_sent",
        "level": "info",
        "tenant_id": 7,
        "message_id": str(MESSAGE_ID),
        "took_ms": 1.5,
        "code": None,
    }
    assert got == expected


def test_a_line_of_a_library_takes_the_same_way(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started server process [%d] for %s", 12, CANARY_PHONE)
    (got,) = lines(stream)
    assert (got["event"], got["level"]) == ("Started server process [12] for …0417", "info")
    assert {"timestamp", "level", "event"} == got.keys()


def test_levels(stream: io.StringIO) -> None:
    line.debug("nothing")
    logging.getLogger("procrastinate.worker").info("job args %s", CANARY_TEXT)
    logging.getLogger("uvicorn.access").error("GET /")
    logging.getLogger("procrastinate.worker").warning("job failed")
    assert [got["event"] for got in lines(stream)] == ["job failed"]


@pytest.mark.parametrize("stream", ["json", "console"], indirect=True)
def test_phones_are_masked_everywhere(stream: io.StringIO) -> None:
    line.info(
        f"asked by {CANARY_PHONE}",
        phone=CANARY_PHONE,
        number=int(CANARY_PHONE),
        text=f"+55 11 99887-0417 ou {CANARY_PHONE}",
        inside={"to": [CANARY_PHONE, (CANARY_PHONE,)], CANARY_PHONE: 1, "deep": {"wa_id": CANARY_PHONE}},
        some={CANARY_PHONE},
        other=[int(CANARY_PHONE)],
        thing=Thing(),
    )
    logging.getLogger("uvicorn").warning("%(a)s", {"a": CANARY_PHONE})
    assert find(stream.getvalue().encode()) is None
    assert "99887" not in stream.getvalue()
    assert stream.getvalue().count("0417") >= 10


class Thing:
    def __repr__(self) -> str:
        return f"<Thing {CANARY_PHONE}>"


def test_ids_stay_readable(stream: io.StringIO) -> None:
    ids = {"wamid": "wamid.HBgNNTUxMTk5ODg3MDQxNxUC", "phone_number_id": "106540352242922", "waba_id": "102290129340398"}
    line.info(
        "event_stored",
        **ids,
        message_id=str(MESSAGE_ID),
        ids=[str(MESSAGE_ID)],
        uuid=MESSAGE_ID,
        took_ms=12345678.9,
        seq=123_456_789,
    )
    (got,) = lines(stream)
    assert {name: got[name] for name in ids} == ids
    assert (got["message_id"], got["ids"], got["uuid"]) == (str(MESSAGE_ID), [str(MESSAGE_ID)], str(MESSAGE_ID))
    assert (got["took_ms"], got["seq"]) == (12345678.9, 123_456_789)


def test_a_text_that_only_looks_like_a_uuid_is_masked(stream: io.StringIO) -> None:
    line.info("x", text=f"12345678-{CANARY_PHONE}-and-then-more")
    assert find(stream.getvalue().encode()) is None


def fail(text: str) -> None:
    local = text
    try:
        raise KeyError(local)
    except KeyError as error:
        raise ValueError(f"cannot read {text!r}") from error


@pytest.mark.parametrize("stream", ["json", "console"], indirect=True)
def test_a_traceback_shows_where_and_what_but_no_data(stream: io.StringIO) -> None:
    try:
        fail(CANARY_TEXT)
    except ValueError as error:
        line.exception("turn_failed", error=error)
        line.error("turn_failed", exc_info=error)
        logging.getLogger("procrastinate").exception("Job failed")
    got = stream.getvalue()
    assert find(got.encode()) is None
    assert got.count("builtins.KeyError") == got.count("builtins.ValueError") == 3
    assert "in fail" in got
    assert 'File "' in got or r"File \"" in got


def test_our_own_errors_keep_their_words(stream: io.StringIO) -> None:
    group = ExceptionGroup(CANARY_TEXT, [Refused("x", f"number {CANARY_PHONE} is taken"), ValueError(CANARY_TEXT)])
    line.error("refused", exc_info=group)
    (got,) = lines(stream)
    assert "atendeja.errors.Refused: number …0417 is taken" in str(got["exception"])
    assert "builtins.ValueError" in str(got["exception"])
    assert find(stream.getvalue().encode()) is None


async def test_asyncio_says_no_data(stream: io.StringIO) -> None:
    async def lost() -> None:
        raise ValueError(CANARY_TEXT)

    task = asyncio.get_running_loop().create_task(lost())
    await asyncio.wait([task])
    asyncio.get_running_loop().call_exception_handler(
        {"message": "Task exception was never retrieved", "exception": task.exception(), "task": task}
    )
    assert "Task exception was never retrieved" in stream.getvalue()
    assert find(stream.getvalue().encode()) is None


def test_a_record_that_cannot_be_read_stops_nothing(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn").error("%d of %d", CANARY_TEXT)
    logging.getLogger("uvicorn").error("goes on")
    assert [got["event"] for got in lines(stream)] == ["log_record_unreadable", "goes on"]


def test_a_level_holds_for_libraries_too(stream: io.StringIO) -> None:
    log.configure("ERROR", "json", stream)
    logging.getLogger("procrastinate").warning("x")
    line.warning("x")
    logging.getLogger("procrastinate").error("seen")
    assert [got["event"] for got in lines(stream)] == ["seen"]


def test_a_stream_that_fails_stops_nothing(stream: io.StringIO) -> None:
    stream.close()
    line.info("message_sent")
    logging.getLogger("uvicorn").error("oops")


def test_a_library_line_is_its_first_line(stream: io.StringIO) -> None:
    """As captured warnings are: the second line is a line of source."""
    logging.getLogger("py.warnings").warning("x.py:1: DeprecationWarning: old thing\n  say(%r)\n", CANARY_TEXT)
    assert [got["event"] for got in lines(stream)] == ["x.py:1: DeprecationWarning: old thing"]


def test_what_json_cannot_say_is_said_as_text(stream: io.StringIO) -> None:
    line.info("x", value=object, number=float("inf"), text="a\x00\ud800b")
    assert len(lines(stream)) == 1
