"""Files of our own on their way out: which of a number's are at Meta, which must be uploaded first, which cannot be. No I/O.

A message waits for its files, and others go meanwhile. A file that Meta refuses, or that cannot be uploaded, gives way to the link
beside it; without one its message fails with Meta's words, or when it is a day old and its file has not gone for an hour.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct

from atendeja.outbound import protocol
from atendeja.outbound.protocol import Candidate
from atendeja.wa import reply
from atendeja.wa.content import Content, File, Media, attachments

LOOK_S, LOOK_MOST_S = 0.2, 10.0
"""A message whose file is being uploaded is looked at again so soon, and later the longer that takes."""
BELIEVE_AFTER_S = 600.0
"""That Meta has forgotten a file is not believed of one that it was given just now: whatever is wrong is something else."""


class Unfit(Struct, frozen=True):
    """Why a message cannot go: one of its files cannot be had."""

    code: int | None
    detail: str


class Failure(Struct, frozen=True):
    """Uploads in vain, in a row: how many, since when and until when not to try again, on the monotonic clock; why the last one."""

    n: int
    since: float
    again_at: float
    why: Unfit


_content = msgspec.json.Decoder(Content)


class Files:
    """Of one number: Meta's ids are good for the number that uploaded the file."""

    def __init__(self) -> None:
        self._known: dict[UUID, str] = {}
        self._uploaded_at: dict[UUID, float] = {}
        """Our own uploads, on the monotonic clock."""
        self._dead: set[str] = set()
        """Ids that Meta does not know any more, though the database may still say so."""
        self._unfit: dict[UUID, Unfit] = {}
        self._failures: dict[UUID, Failure] = {}
        self._wanted: set[UUID] = set()
        self._busy: dict[UUID, float] = {}
        """Since when they are being uploaded."""

    @property
    def awaited(self) -> bool:
        """Whether messages may be waiting for an upload."""
        return bool(self._busy or self._wanted)

    def unknown(self, messages: Iterable[Candidate]) -> list[UUID]:
        """Files of these of which the database may know an upload that we do not."""
        return sorted({file for message in messages for file in _files(message)} - self._known.keys() - self._unfit.keys())

    def found(self, uploads: Mapping[UUID, str]) -> None:
        """Our id → Meta's: these have been uploaded."""
        self._known |= {file: meta_id for file, meta_id in uploads.items() if meta_id not in self._dead}

    def ask(self, message: Candidate, instant: float) -> Mapping[UUID, str] | float | Unfit:
        """What this message's files are to Meta; the seconds to wait for them; or why it cannot go."""
        uploads: dict[UUID, str] = {}
        wait_s = 0.0
        for part in _attachments(message):
            if part.file is None:
                continue
            if (known := self._known.get(part.file)) is not None:
                uploads[part.file] = known
            elif (unfit := self._unfit.get(part.file)) is not None:
                if part.link is None:
                    return unfit
            else:
                self._wanted.add(part.file)
                failure = self._failures.get(part.file)
                if part.link is None or failure is None:
                    wait_s = max(wait_s, self._wait_s(part.file, failure, instant))
        return wait_s or uploads

    def _wait_s(self, file: UUID, failure: Failure | None, instant: float) -> float:
        uploading_s = instant - self._busy.get(file, instant)
        again_s = failure.again_at - instant if failure is not None else 0.0
        return max(min(max(LOOK_S, uploading_s), LOOK_MOST_S), again_s)

    def failure(self, message: Candidate) -> Failure | None:
        """What keeps this message's files from being uploaded, where something does."""
        return next((self._failures[file] for file in _files(message) if file in self._failures), None)

    # ── uploads ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, instant: float, most: int) -> list[UUID]:
        """Files to upload now, `most` at once; each is told to `learn` when that has ended."""
        due = [file for file in sorted(self._wanted - self._busy.keys()) if self._may_try(file, instant)]
        taken = due[: max(0, most - len(self._busy))]
        self._busy |= dict.fromkeys(taken, instant)
        self._wanted -= self._busy.keys()
        return taken

    def _may_try(self, file: UUID, instant: float) -> bool:
        failure = self._failures.get(file)
        return failure is None or failure.again_at <= instant

    def learn(self, file: UUID, upload: reply.Upload, instant: float) -> None:
        """What came of an upload."""
        self._busy.pop(file, None)
        match upload:
            case reply.Uploaded(id=meta_id):
                self._known[file], self._uploaded_at[file] = meta_id, instant
                self._failures.pop(file, None)
                self._wanted.discard(file)  # by a look that was begun before
            case reply.Undeliverable(code=code, detail=detail):
                self._unfit[file] = Unfit(code, detail)
                self._wanted.discard(file)
            case reply.Unavailable(reason=detail, code=code):
                self._failed(file, Unfit(code, f"its file could not be uploaded: {detail}"), instant)
            case reply.Throttled(code=code) | reply.Misconfigured(code=code):
                self._failed(file, Unfit(code, "its file could not be uploaded"), instant)

    def _failed(self, file: UUID, why: Unfit, instant: float) -> None:
        before = self._failures.get(file)
        n, since = (before.n, before.since) if before is not None else (0, instant)
        self._failures[file] = Failure(n + 1, since, instant + protocol.BACKOFF_S[min(n, len(protocol.BACKOFF_S) - 1)], why)

    def gone(self, file: UUID) -> None:
        """We do not have this file ourselves."""
        self._busy.pop(file, None)
        self._unfit[file] = Unfit(None, "our own file is gone")

    # ── what Meta forgets ────────────────────────────────────────────────────────────────────────────────────────────────

    def may_be_forgotten(self, uploads: Mapping[UUID, str], instant: float) -> bool:
        """Whether Meta may not know one of these any more, which a message has just named."""
        return any(
            self._known.get(file) == meta_id and instant - self._uploaded_at.get(file, -math.inf) > BELIEVE_AFTER_S
            for file, meta_id in uploads.items()
        )

    def forget(self, uploads: Mapping[UUID, str]) -> None:
        """Meta does not know these any more."""
        self._dead |= set(uploads.values())
        for file, meta_id in uploads.items():
            if self._known.get(file) == meta_id:
                del self._known[file]

    def read_again(self) -> None:
        """What the database says counts, and what was unfit may have been mended."""
        self._known.clear()
        self._unfit.clear()


def _attachments(message: Candidate) -> Iterable[File | Media]:
    """Those of a content that may name files of ours: JSON escapes the quotes of what people write, so a text never looks like it.
    None of a content that cannot be read: its post says so."""
    if b'"file"' not in message.content:
        return ()
    try:
        return list(attachments(_content.decode(message.content)))
    except msgspec.MsgspecError:
        return ()


def _files(message: Candidate) -> Sequence[UUID]:
    return [part.file for part in _attachments(message) if part.file is not None]
