"""Files of our own on their way out: which of a number's are at Meta, which must be uploaded first, which cannot be. No I/O.

A message waits for its files, and others go meanwhile. A file that Meta refuses, or that cannot be uploaded for a while, gives way
to the link beside it; without one its message fails with Meta's words, or after a day.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct

from atendeja.outbound import protocol
from atendeja.outbound.protocol import Candidate
from atendeja.wa import content, reply
from atendeja.wa.content import Content

LOOK_S, LOOK_MOST_S = 0.2, 2.0
"""A message whose file is being uploaded is looked at again so soon, and later the longer that takes."""
LINK_AFTER = 3
"""So many uploads in vain, and the link beside the file is sent."""


class Unfit(Struct, frozen=True):
    """Why a message cannot go: one of its files cannot be had."""

    code: int | None
    detail: str


_content = msgspec.json.Decoder(Content)


class Files:
    """Of one number: Meta's ids are good for the number that uploaded the file."""

    def __init__(self) -> None:
        self._known: dict[UUID, str] = {}
        self._unfit: dict[UUID, Unfit] = {}
        self._failures: dict[UUID, tuple[int, float, Unfit]] = {}
        """How often in a row, when to try again on the monotonic clock, and why it failed the last time."""
        self._wanted: set[UUID] = set()
        self._busy: dict[UUID, float] = {}
        """Since when they are being uploaded."""

    def unknown(self, messages: Iterable[Candidate]) -> list[UUID]:
        """Files of these of which the database may know an upload that we do not."""
        return sorted({file for message in messages for file in _files(message)} - self._known.keys() - self._unfit.keys())

    def found(self, uploads: Mapping[UUID, str]) -> None:
        """Our id → Meta's: these have been uploaded."""
        self._known |= uploads

    def ask(self, message: Candidate, instant: float) -> Mapping[UUID, str] | float | Unfit:
        """What this message's files are to Meta; the seconds to wait for them; or why it cannot go."""
        if not _mentions(message):
            return {}
        uploads: dict[UUID, str] = {}
        wait_s = 0.0
        for part in content.attachments(_content.decode(message.content)):
            if part.file is None:
                continue
            if (known := self._known.get(part.file)) is not None:
                uploads[part.file] = known
            elif (unfit := self._unfit.get(part.file)) is not None:
                if part.link is None:
                    return unfit
            else:
                self._wanted.add(part.file)
                failures, again_at, _ = self._failures.get(part.file, (0, instant, None))
                if part.link is None or failures < LINK_AFTER:
                    uploading_s = instant - self._busy.get(part.file, instant)
                    wait_s = max(wait_s, min(max(LOOK_S, uploading_s), LOOK_MOST_S), again_at - instant)
        return wait_s or uploads

    def last_failure(self, message: Candidate) -> Unfit:
        """Why a message whose files could not be had for too long has failed."""
        told = (self._failures[file][2] for file in _files(message) if file in self._failures)
        return next(told, Unfit(None, "its file has not been uploaded"))

    # ── uploads ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, instant: float, most: int) -> list[UUID]:
        """Files to upload now, `most` at once; each is told to `learn` when that has ended."""
        due = [
            file for file in sorted(self._wanted - self._busy.keys()) if self._failures.get(file, (0, instant, None))[1] <= instant
        ]
        taken = due[: max(0, most - len(self._busy))]
        self._busy |= dict.fromkeys(taken, instant)
        self._wanted -= self._busy.keys()
        return taken

    def learn(self, file: UUID, upload: reply.Upload, instant: float) -> None:
        """What came of an upload."""
        self._busy.pop(file, None)
        match upload:
            case reply.Uploaded(id=meta_id):
                self._known[file] = meta_id
                self._failures.pop(file, None)
            case reply.Undeliverable(code=code, detail=detail):
                self._unfit[file] = Unfit(code, detail)
            case reply.Unavailable(reason=detail, code=code):
                self._failed(file, Unfit(code, detail), instant)
            case reply.Throttled(code=code) | reply.Misconfigured(code=code):
                self._failed(file, Unfit(code, "its file could not be uploaded"), instant)

    def _failed(self, file: UUID, why: Unfit, instant: float) -> None:
        n = self._failures.get(file, (0, 0.0, None))[0]
        self._failures[file] = n + 1, instant + protocol.BACKOFF_S[min(n, len(protocol.BACKOFF_S) - 1)], why

    def gone(self, file: UUID) -> None:
        """We do not have this file ourselves."""
        self._busy.pop(file, None)
        self._unfit[file] = Unfit(None, "our own file is gone")

    def forget(self, files: Iterable[UUID] | None = None) -> None:
        """Meta does not know these any more; all of them: what the database says counts again."""
        for file in list(self._known) if files is None else files:
            self._known.pop(file, None)


def _mentions(message: Candidate) -> bool:
    """Whether there may be a file of ours: JSON escapes the quotes of what people write, so a text never looks like it."""
    return b'"file"' in message.content


def _files(message: Candidate) -> Sequence[UUID]:
    return content.files(_content.decode(message.content)) if _mentions(message) else ()
