import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from atendeja.simulator.witness import Line, Witness


def line(to: str = "+5511900000001") -> Line:
    return Line(0, 1.5, "100000000000001", to, "00", None, "wamid.x", "ok")


def seqs(lines: list[msgspec.Raw]) -> list[int]:
    return [msgspec.json.decode(raw, type=Line).seq for raw in lines]


@pytest.mark.parametrize("in_file", [True, False])
async def test_lines_are_numbered_and_read_from_anywhere(tmp_path: Path, in_file: bool) -> None:
    log = Witness(str(tmp_path / "log") if in_file else None)
    await asyncio.gather(*(log.add(line()) for _ in range(5)))
    assert seqs(log.read(0, 100)) == [1, 2, 3, 4, 5]
    assert seqs(log.read(2, 2)) == [3, 4]
    assert seqs(log.read(4, 100)) == [5]
    assert log.read(5, 100) == log.read(99, 1) == log.read(0, 0) == []
    assert log.last == 5
    await log.close()


async def test_a_line_is_on_the_disk_when_add_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def counted(fd: int) -> None:
        fsync(fd)
        synced.append((tmp_path / "log").read_bytes().count(b"\n"))

    monkeypatch.setattr(os, "fsync", counted)
    log = Witness(str(tmp_path / "log"))
    await log.add(line())
    assert synced == [1]
    await asyncio.gather(*(log.add(line()) for _ in range(50)))
    assert synced[-1] == 51
    assert len(synced) <= 4, "many lines share a sync"
    await log.close()


async def test_a_log_is_continued_and_a_torn_line_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "log"
    first = Witness(str(path))
    await first.add(line("+551"))
    await first.close()
    path.write_bytes(path.read_bytes() + b'{"seq":2,"at":1')
    second = Witness(str(path))
    assert second.last == 1
    await second.add(line("+552"))
    assert [msgspec.json.decode(raw)["to"] for raw in second.read(0, 9)] == ["+551", "+552"]
    assert seqs(second.read(0, 9)) == [1, 2]
    await second.close()


async def test_a_full_disk_is_not_witnessed_and_the_next_line_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Witness(str(tmp_path / "log"))
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", _full)
        with pytest.raises(OSError, match="No space"):
            await log.add(line("+551"))
    await log.add(line("+552"))
    assert [msgspec.json.decode(raw)["to"] for raw in log.read(0, 9)] == ["+552"]
    await log.close()


def _full(_fd: int) -> None:
    raise OSError(28, "No space left on device")
