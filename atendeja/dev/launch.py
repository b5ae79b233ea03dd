"""Become another user, promise to end with the parent, then become the given program. Run as a script, alone: imports nothing.

    python -I -S launch.py PARENT_PID UID GID SIGNAL program argument…

UID 0 keeps the user. A script of its own because the order matters (Linux forgets the promise when the user changes) and
because forking a process that has threads, to run Python between fork and exec, is not safe.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(signal_number: int, parent_pid: int) -> None:
    """Have Linux send us `signal_number` when the thread that started us ends; elsewhere nothing."""
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent_pid:
        raise SystemExit("the parent has ended already")


def main(arguments: list[str]) -> None:
    """Never returns: ends as the program, or raises what went wrong."""
    parent_pid, uid, gid, signal_number = map(int, arguments[:4])
    if uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if signal_number:
        end_with_parent(signal_number, parent_pid)
    os.execv(arguments[4], arguments[4:])  # noqa: S606  (the program is ours, there is no shell)


if __name__ == "__main__":
    main(sys.argv[1:])
