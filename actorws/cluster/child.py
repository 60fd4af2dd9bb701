"""Child: a process that this one has started, as trio sees it.

Rules owned here: it is started from the thread that asks (what a child does when its parent dies, Linux decides by the
parent's thread, and trio's own processes are started by one that soon goes); signals meant for the parent don't hit a
child that can't stand them yet; it is always reaped. Must not know what it does.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

import trio

__all__ = ["HELD_BACK", "Child", "how_it_ended"]

#: Signals that a terminal sends to all processes of a command. A child begins with them blocked; it unblocks them
#: itself when it knows what to do about them, or never.
HELD_BACK = tuple(getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name))


class Child:
    """A process that runs until it ends, or is killed."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        output: IO[bytes] | None = None,
    ) -> None:
        """``descriptors`` are inherited under the same numbers; ``output`` is stdout and stderr, if not our own.

        Raises ``OSError`` if it can't be started.
        """
        with _held_back():
            self._process = subprocess.Popen(
                command, env=environment, pass_fds=descriptors, stdin=stdin, stdout=output, stderr=output
            )
        self.pid = self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for the signal that killed it; ``None`` while it runs."""
        return self._process.poll()

    async def wait(self) -> int:
        """Wait until it has ended; returns the status. A checkpoint in any case."""
        if hasattr(os, "pidfd_open") and self._process.poll() is None:
            try:
                pidfd = os.pidfd_open(self.pid)
            except OSError:
                pass  # an old kernel, or no descriptor left
            else:
                try:
                    await trio.lowlevel.wait_readable(pidfd)
                finally:
                    os.close(pidfd)
        return await trio.to_thread.run_sync(self._process.wait, abandon_on_cancel=True)

    def send_signal(self, number: int) -> None:
        """Nothing if it has ended."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, and reap it. Nothing if it has ended."""
        self._process.kill()
        self._process.wait()


@contextmanager
def _held_back() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def how_it_ended(status: int) -> str:
    """In words, for a line about it."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
