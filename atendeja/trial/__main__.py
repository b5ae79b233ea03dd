"""The child: one trial after the other, from standard input to standard output, until there is nothing more to read.

Each message is its length in four bytes and as much JSON.
"""

import os
import resource
import signal
import sys
from typing import BinaryIO

import msgspec

from atendeja.trial.work import HEAD_BYTES, MOST_ANSWER_BYTES, OUT_OF_MEMORY, Ask, work

MEMORY_BYTES = 512 * 1024 * 1024


def serve(asks: BinaryIO, answers: BinaryIO, cpu_s: float) -> None:
    """Answer until the end, which a trial that takes more processor time is: the signal's."""
    while len(head := asks.read(HEAD_BYTES)) == HEAD_BYTES:
        ask = msgspec.json.decode(asks.read(int.from_bytes(head, "big")), type=Ask)
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        answer = msgspec.json.encode(work(ask))
        signal.setitimer(signal.ITIMER_PROF, 0)
        if len(answer) > MOST_ANSWER_BYTES:
            raise MemoryError
        answers.write(len(answer).to_bytes(HEAD_BYTES, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer, float(sys.argv[1]))
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
