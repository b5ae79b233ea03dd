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

CPU_S = 2.0
"""Of one trial; a flow of the usual size takes 0.05. The signal then ends us."""
MEMORY_BYTES = 512 * 1024 * 1024


def serve(asks: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the end."""
    while len(head := asks.read(HEAD_BYTES)) == HEAD_BYTES:
        ask = msgspec.json.decode(asks.read(int.from_bytes(head, "big")), type=Ask)
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
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
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
