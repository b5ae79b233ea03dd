"""Bytes on the disk: whole under their own name or not there, once a tenant, for nobody else's eyes."""

import asyncio
import errno
import hashlib
import io
import os
from pathlib import Path

import pytest

from atendeja import blobs
from atendeja.blobs import Blob, Blobs
from atendeja.errors import Refused, Unavailable
from tests.files import PDF, PNG

SHA = hashlib.sha256(PNG).hexdigest()
MANY = 10**9


def kept(root: Path) -> list[str]:
    """Every file under the directory, also those that are not whole."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


class Endless:
    """A source without an end, which says how much of it was read."""

    def __init__(self) -> None:
        self.taken = 0

    def read(self, size: int, /) -> bytes:
        self.taken += size
        return b"x" * size


async def test_bytes_lie_under_their_tenant_and_hash_and_come_back_as_they_went(tmp_path: Path, no_blocking: None) -> None:
    place = Blobs(tmp_path / "state" / "media")
    assert await place.keep(7, io.BytesIO(PNG), len(PNG)) == Blob(SHA, len(PNG))
    path = place.path(7, SHA)
    assert path == tmp_path / "state" / "media" / "7" / SHA[:2] / SHA
    assert await asyncio.to_thread(path.read_bytes) == PNG


async def test_only_their_owner_may_look(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        await Blobs(tmp_path / "state" / "media").keep(7, io.BytesIO(PNG), MANY)
    finally:
        os.umask(old)
    made = list((tmp_path / "state").rglob("*"))
    assert {p.stat().st_mode & 0o777 for p in made if p.is_file()} == {0o600}
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "state", *made) if p.is_dir()} == {0o700}


async def test_the_same_bytes_are_one_file_a_tenant_also_when_they_come_at_once(tmp_path: Path) -> None:
    place = Blobs(tmp_path)
    await asyncio.gather(*(place.keep(7, io.BytesIO(PNG), MANY) for _ in range(8)))
    await place.keep(8, io.BytesIO(PNG), MANY)
    await place.keep(7, io.BytesIO(PDF), MANY)
    pdf = hashlib.sha256(PDF).hexdigest()
    assert kept(tmp_path) == sorted([f"7/{SHA[:2]}/{SHA}", f"8/{SHA[:2]}/{SHA}", f"7/{pdf[:2]}/{pdf}"])


async def test_a_file_longer_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    data = os.urandom(2 * blobs.CHUNK_BYTES + 17)
    blob = await Blobs(tmp_path).keep(7, io.BytesIO(data), len(data))
    assert blob == Blob(hashlib.sha256(data).hexdigest(), len(data))
    assert Blobs(tmp_path).path(7, blob.sha256).read_bytes() == data


async def test_what_is_too_large_is_refused_while_it_is_read_and_leaves_nothing(tmp_path: Path) -> None:
    source = Endless()
    with pytest.raises(Refused, match="more than 3000000 bytes"):
        await Blobs(tmp_path).keep(7, source, 3_000_000)
    assert source.taken < 3_000_000 + 2 * blobs.CHUNK_BYTES
    with pytest.raises(Refused, match="is the most allowed"):
        await Blobs(tmp_path).keep(7, io.BytesIO(PNG), len(PNG) - 1)
    assert kept(tmp_path) == []


async def test_nothing_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="empty"):
        await Blobs(tmp_path).keep(7, io.BytesIO(), MANY)
    assert kept(tmp_path) == []


async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unavailable, match=f"kept under {tmp_path}: No space left on device; is MEDIA_DIR ours"):
        await Blobs(tmp_path).keep(7, io.BytesIO(PNG), MANY)
    assert kept(tmp_path) == []


async def test_a_disk_that_writes_in_pieces_gets_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: whole(fd, data[:10]))
    assert (await Blobs(tmp_path).keep(7, io.BytesIO(PNG), MANY)).sha256 == SHA
    assert Blobs(tmp_path).path(7, SHA).read_bytes() == PNG


async def test_a_place_that_is_no_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file")
    with pytest.raises(Unavailable, match="is MEDIA_DIR ours"):
        await Blobs(tmp_path / "media").keep(7, io.BytesIO(PNG), MANY)


async def test_all_is_on_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that a power failure would show."""
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def noted_sync(fd: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{fd}').readlink().name[:4]}")
        sync(fd)

    def noted_replace(self: Path, target: Path) -> Path:
        done.append("rename")
        return replace(self, target)

    place = Blobs(tmp_path)
    await place.keep(7, io.BytesIO(PNG), MANY)
    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    await place.keep(7, io.BytesIO(PNG), MANY)
    assert done == ["sync new-", "rename", f"sync {SHA[:2]}"]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", SHA.upper(), SHA + "0", SHA[:-1], SHA + "\n"])
def test_nothing_but_a_hash_is_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no SHA-256"):
        Blobs(tmp_path).path(7, name)
