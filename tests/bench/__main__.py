"""`scripts/bench`: measure, print the table, end with 1 when a floor was missed."""

import argparse
import asyncio
import os
import platform
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path

import msgspec

from atendeja import log
from tests.bench import api, report, rows, stage, watch
from tests.bench.stage import Stage

MEASURES = rows.MEASURES | api.MEASURES
ONCE = ("1b", "7d", "A", "A2", "A3", "A4")
LONG = (*rows.LONG, "A")


def main() -> int:
    options = _read_options()
    log.configure("WARNING", "console")
    try:
        measured = asyncio.run(_measure(options.rows, options.rounds))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    found = report.lines(measured)
    print(report.table(found))
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    return 1 if any(line.verdict == report.MISSED for line in found) else 0


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures the path of a message on this machine alone.")
    usual = ",".join(row for row in MEASURES if row not in LONG)
    parser.add_argument(
        "--rows",
        default=usual,
        type=_rows,
        metavar="1,2,3",
        help=f"which rows of the table (default {usual}; {', '.join(LONG)} take ten minutes each)",
    )
    parser.add_argument("--rounds", default=3, type=int, help="how often each is measured; the median counts (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of all rounds there")
    return parser.parse_args()


def _rows(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := [row for row in chosen if row not in MEASURES]:
        raise argparse.ArgumentTypeError(f"no row {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    return chosen


async def _measure(chosen: list[str], rounds: int) -> dict[str, list[float | None]]:
    measured: dict[str, list[float | None]] = defaultdict(list)
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # what we started must end with us
    async with stage.building() as built:
        _say(f"{os.cpu_count()} cores, Python {platform.python_version()}, {stage.sync_ms(built.folder):.2f} ms a synced write")
        for n in range(rounds):
            wanted = [row for row in chosen if n == 0 or row not in ONCE]
            for measure in dict.fromkeys(m for row in wanted for m in MEASURES[row]):
                await _take(built, measure, n, measured)
    return measured


async def _take(built: Stage, measure: rows.Measure, n: int, measured: dict[str, list[float | None]]) -> None:
    name = getattr(measure, "__name__", "")
    ours, everybody, began = watch.cpu_s(os.getpid()), watch.all_cpu_s(), time.monotonic()
    values = await measure(built, lambda line: _say(f"  {line}"))
    others = (watch.all_cpu_s() - everybody - watch.cpu_s(os.getpid()) + ours) / (time.monotonic() - began)
    for key, value in values.items():
        measured[key].append(value)
    told = ", ".join(f"{key} {'-' if value is None else format(value, '.2f')}" for key, value in values.items())
    _say(f"round {n + 1} {name}: {told} (others used {max(0.0, others):.2f} cores)")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
