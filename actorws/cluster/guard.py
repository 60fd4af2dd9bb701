"""Guard: a script that turns into a command which ends when the process that started the script has ended.

Rules owned here: however that process ends, kill -9 included, the command is killed with it; and by nothing else: not
by the signals that a terminal or a service manager sends to all processes at once, because others still need it then.
Imports nothing of actorws and is run as ``python -I -S guard.py PARENT death-signal|watch COMMAND...``, with the read
end of a pipe as stdin that ends with ``PARENT``.
"""

from __future__ import annotations

import os
import select
import signal
import sys

__all__ = ["main"]

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
#: Seconds between two looks of the watcher whether there is something left to watch.
INTERVAL = 1.0


def main(arguments: list[str]) -> None:
    """Never returns."""
    parent, how, command = int(arguments[0]), arguments[1], arguments[2:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    if how == "death-signal":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    elif os.fork() == 0:
        _watch(os.getppid())
    if os.getppid() != parent:
        os._exit(1)  # it was gone before anything could notice
    os.execv(command[0], command)


def _watch(command: int) -> None:
    """Kill the process that will be the command when stdin ends. Never returns."""
    while os.getppid() == command:
        ended, _, _ = select.select([0], [], [], INTERVAL)
        if ended:
            os.kill(command, signal.SIGKILL)
            break
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
