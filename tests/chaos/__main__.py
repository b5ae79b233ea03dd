"""`scripts/chaos`: run, print a line for each kill and the table, end with 1 when anything was found."""

import argparse
import asyncio
import logging
import secrets
import signal
import sys
from pathlib import Path

import msgspec

from atendeja import log
from tests.chaos import report, run, script
from tests.chaos.report import Result
from tests.chaos.script import Options


def main() -> int:
    given = _read_options()
    options = Options(
        given.kills, given.seed, given.processes, given.doubt_s, given.rate, given.postgres_every, given.lost, given.failpoints
    )
    log.configure("WARNING", "console")
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # its pool tells of each restart of PostgreSQL
    _say(f"seed {options.seed}: {' '.join(['scripts/chaos', *_arguments(options)])}")
    try:
        result, folder = asyncio.run(_run(options))
    except asyncio.CancelledError:
        return 130
    print(report.table(result))
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    if folder is not None:
        _say(f"logs, evidence and the database are in {folder}")
    return 1 if result.findings else 0


async def _run(options: Options) -> tuple[Result, Path | None]:
    if (task := asyncio.current_task()) is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)  # what we started must end with us
    return await run.run(options, _say)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Kills processes at random moments and at every failpoint, and restarts PostgreSQL, while customers write; "
        "then checks that nothing was lost and nothing repeated. Ends with 1 when something was.",
    )
    parser.add_argument("--kills", type=int, default=500, metavar="N", help="how many at the least (default 500)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), metavar="S", help="repeats the choices of a run")
    parser.add_argument("--processes", type=int, default=3, choices=script.ROLES, metavar="P", help="1 to 4 `serve` (default 3)")
    parser.add_argument("--doubt-s", type=float, default=120, metavar="T", help="IN_DOUBT_S of each process (default 120)")
    parser.add_argument("--rate", type=float, default=60, metavar="R", help="texts per second (default 60)")
    parser.add_argument("--postgres-every", type=int, default=10, metavar="K", help="restart it after so many kills (default 10)")
    usual, every = Options(0, 0).lost, Options(0, 0).failpoints
    parser.add_argument(
        "--lost",
        type=float,
        default=usual,
        metavar="L",
        help=f"share of POSTs, and of answers, lost on the wire (default {usual:g})",
    )
    parser.add_argument(
        "--failpoints", type=_names, default=every, metavar="A,B", help="at which somebody dies: names, or none (default all)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that is known of the run there")
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    names = () if text == "none" else tuple(text.split(","))
    if unknown := {*names} - {*script.POINTS}:
        raise argparse.ArgumentTypeError(f"no failpoint {', '.join(unknown)}; there are {', '.join(script.POINTS)}")
    return names


def _arguments(options: Options) -> list[str]:
    """The command line that makes the same choices."""
    named: dict[str, object] = {
        "kills": options.kills, "seed": options.seed, "processes": options.processes, "doubt-s": f"{options.doubt_s:g}",
        "rate": f"{options.rate:g}", "postgres-every": options.postgres_every, "lost": f"{options.lost:g}",
    }  # fmt: skip
    if options.failpoints != Options(0, 0).failpoints:
        named["failpoints"] = ",".join(options.failpoints) or "none"
    return [f"--{name} {value}" for name, value in named.items()]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
