"""Uploads for a number: its files go to Meta beside its messages, a few at once, and what comes of each is kept."""

import asyncio
from functools import partial
from uuid import UUID

import structlog

from atendeja import failpoints, media
from atendeja.blobs import Blobs
from atendeja.errors import Unavailable
from atendeja.media import Stored
from atendeja.numbers import Number
from atendeja.outbound.files import Files
from atendeja.queue import Bell
from atendeja.runtime import Runtime
from atendeja.wa import reply

log = structlog.get_logger(__name__)

AT_ONCE = 4
MOST_S = 180.0
"""For reading the file, sending it and writing down its id: whatever hangs, its messages must not wait for ever."""


class Uploading:
    """Rings when an upload has ended. `stopped_by` is the answer that stops the whole number, when there was one."""

    def __init__(self, rt: Runtime, tenant_id: int, number: Number, files: Files, bell: Bell) -> None:
        self._rt, self._tenant_id, self._number, self._files, self._bell = rt, tenant_id, number, files, bell
        self._blobs = Blobs(rt.config.media_path)
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopped_by: reply.Misconfigured | None = None

    def begin(self, token: str) -> None:
        """Upload what messages wait for."""
        for file in self._files.take(self._rt.monotonic(), AT_ONCE):
            task = asyncio.get_running_loop().create_task(self._upload(file, token))
            self._tasks.add(task)
            task.add_done_callback(partial(self._land, file))

    async def close(self) -> None:
        """Leave off: an upload sends nothing, and whoever sends next begins it again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _land(self, file: UUID, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("upload_crashed", tenant_id=self._tenant_id, media_id=str(file), exc_info=error)
            self._files.learn(file, reply.Unavailable(type(error).__name__), self._rt.monotonic())

    async def _upload(self, file: UUID, token: str) -> None:
        upload: reply.Upload | None
        try:
            async with asyncio.timeout(MOST_S):
                upload = await self._post(file, token)
        except Unavailable as error:  # the database is away
            upload = reply.Unavailable(str(error))
        except TimeoutError:
            upload = reply.Unavailable("timeout")
        if upload is None:
            self._files.gone(file)
            log.error("file_gone", tenant_id=self._tenant_id, media_id=str(file))
        else:
            self._files.learn(file, upload, self._rt.monotonic())
            outcome = type(upload).__name__.lower()
            self._rt.meter.count("uploads", label=outcome)
            log.info(
                "file_uploaded", tenant_id=self._tenant_id, media_id=str(file), outcome=outcome, code=getattr(upload, "code", None)
            )
        if isinstance(upload, reply.Misconfigured) and upload.scope == "number":
            self.stopped_by = upload
        self._bell.ring()

    async def _post(self, file: UUID, token: str) -> reply.Upload | None:
        """None when there is no such file."""
        stored = await self._rt.db.transact(self._tenant_id, lambda tx: media.load(tx, [file]))
        if not stored:
            return None
        failpoints.reach("upload.before_post")
        upload = await self._send(stored[0], token)
        failpoints.reach("upload.after_post")
        if isinstance(upload, reply.Uploaded):
            now, number_id, meta_id = self._rt.now(), self._number.id, upload.id
            await self._rt.db.transact(self._tenant_id, lambda tx: media.record_upload(tx, file, number_id, meta_id, now))
        return upload

    async def _send(self, stored: Stored, token: str) -> reply.Upload | None:
        path = self._blobs.path(self._tenant_id, stored.sha256)
        try:
            return await self._rt.cloud.upload_media(self._number.phone_number_id, token, path, stored.mime, stored.filename)
        except FileNotFoundError:
            return None
        except OSError as error:
            return reply.Unavailable(f"our own file cannot be read: {error.strerror or error}")
