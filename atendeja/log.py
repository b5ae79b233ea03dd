"""Logs: one pipeline for our lines and for those of the libraries, as JSON or for people, phones masked.

Our code writes `log.info("message_sent", message_id=…)`: a past-tense event and ids, never message text. Lines of the
standard library's loggers (uvicorn, Procrastinate, asyncio) take the same way. A traceback shows files, lines and the error's
class, never local variables and never the error's own text, which may quote what a customer wrote.
"""

import io
import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from atendeja.errors import AtendejaError
from atendeja.phone import mask

Format = Literal["json", "console"]

READABLE = frozenset({"wamid", "phone_number_id", "waba_id", "portfolio_id", "timestamp", "exception"})
"""Keys whose digits are ids of Meta's or times, not phones. UUIDs are found by their shape under any key."""

QUIET = {"procrastinate": logging.WARNING, "uvicorn.access": logging.CRITICAL, "asyncio": logging.WARNING}
"""Library loggers that say too much: Procrastinate logs every job with its arguments, uvicorn every request."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SAFE = (int, float, bool, type(None), UUID, datetime)


class Stream(Protocol):
    """What lines are written to; every text file is one."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...


class Lines:
    """Where finished lines go. A stream that cannot take one (disk full, pipe closed) loses it: logging never stops the work."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        """Write one line and flush it."""
        try:
            self._stream.write(line.encode(errors="backslashreplace").decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = warn = error = critical = fatal = exception = msg = write


class _Handler(logging.Handler):
    """Leads the records of the standard library into the same lines."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; one whose arguments do not fit its text is said to be so, and its caller goes on."""
        try:
            self._lines.write(self.format(record))
        except (TypeError, ValueError, KeyError):
            structlog.get_logger().warning("log_record_unreadable", logger=record.name, file=record.pathname, line=record.lineno)


def configure(level: str = "INFO", format: Format = "json", stream: Stream | None = None) -> None:  # noqa: A002  (logging's own word)
    """Send every log line of this process to `stream` (default: standard error), from `level` up. May be called again."""
    head: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    tail: list[Processor] = [explain_error, mask_phones, _renderer(format)]
    lines = Lines(stream or sys.stderr)
    structlog.configure(
        processors=[*head, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )
    handler = _Handler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*head, _shorten], processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail]
        )
    )
    _take_over(handler, level)


def _take_over(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    handler.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "procrastinate"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    for name, floor in QUIET.items():
        logging.getLogger(name).setLevel(floor)
    logging.captureWarnings(capture=True)


def _renderer(format: Format) -> Processor:  # noqa: A002
    return (
        structlog.processors.JSONRenderer(serializer=_to_json) if format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )


def _shorten(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A line of a library is its first line: asyncio's go on with the `repr` of the error, which may quote a customer."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def mask_phones(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that masks phones in every text of a line, at any depth, leaving ids readable."""
    for key, value in event.items():
        if key[0] != "_" and key not in READABLE:
            event[key] = _mask_value(value)
    return event


def _to_json(line: EventDict, **_: object) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=str).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which json escapes
        return json.dumps(line, default=str)


def _mask_value(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) < 8 or _UUID.fullmatch(value) else mask(value)
    if isinstance(value, _SAFE):
        return mask(str(value)) if type(value) is int and abs(value) >= 10**9 else value
    if isinstance(value, Mapping):
        return {mask(str(key)): item if key in READABLE else _mask_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mask_value(item) for item in value]
    return type(value).__qualname__ if isinstance(value, BaseException) else mask(str(value))


def explain_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn `exc_info` into `exception`: where it happened and what class it is."""
    given = event.pop("exc_info", None)
    error = (
        given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exception() if given else None
    )
    if error is not None:
        event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> str:
    """A traceback without data: frames and classes of the whole chain; only an error of ours keeps its text, phones masked."""
    out = io.StringIO()
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        out.write(describe(cause) + "\nwhich led to\n")
    out.writelines(traceback.format_tb(error.__traceback__))
    text = f": {mask(str(error))}" if isinstance(error, AtendejaError) else ""
    out.write(f"{type(error).__module__}.{type(error).__qualname__}{text}")
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        out.write("\n  " + describe(inner).replace("\n", "\n  "))
    return out.getvalue()
