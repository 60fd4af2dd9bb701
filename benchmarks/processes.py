"""Processes: what a measurement starts, a server or what drives it.

Rule owned here: a process is a group of its own, kept on its cores from the beginning; every wait for it has a
deadline; it is ended by its handle, with all that it has started, whatever happens; and what it said last is told when
it fails. Must not know what is measured.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["CannotBeDone", "Driver", "RunFailed", "Running", "Server", "free_port"]

#: From where all of them are started.
ROOT = Path(__file__).parents[1]
#: Seconds that a server may take until it listens, and a process to end when it is asked to.
START, STOP = 30.0, 5.0
#: The status with which a program says that it can't do its work on this machine.
CANNOT = 2
#: Below those that the kernel gives to clients: asking whether a server listens yet could connect to itself else.
PORTS = range(20_000, 32_000)


class RunFailed(Exception):
    """What was to be measured did not happen: there is no figure."""


class CannotBeDone(Exception):
    """It can't be measured on this machine, which is nobody's fault."""


class Running:
    """A process, until the end of the block. ``what`` names it in errors; ``talks``: has pipes."""

    def __init__(self, what: str, command: Sequence[str], *, talks: bool = False) -> None:
        self._what = what
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 it is closed at the end of the block
        try:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else self._log,
                stderr=self._log,
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise RunFailed(f"{what} can't be started: {error}") from error
        self.pid = self._process.pid

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._log.close()

    def has_ended(self) -> bool:
        """Whether it runs no more. Its id is not given to another process before ``stop``."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait_ended(self, patience: float) -> bool:
        """Whether it has ended within ``patience`` seconds."""
        end = time.monotonic() + patience
        while not (ended := self.has_ended()) and time.monotonic() < end:
            time.sleep(0.01)
        return ended

    def stop(self) -> None:
        """End it and all that it has started: asked first, then by force."""
        if self._process.returncode is not None:
            return
        try:
            if not self.has_ended():
                os.killpg(self.pid, signal.SIGTERM)
                self.wait_ended(STOP)
        finally:
            # Where it has ended by itself, it may have left others behind.
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(START)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def ending(self) -> str:
        """How it has ended, in words, with the last line that it wrote."""
        self.stop()
        status = self._process.returncode
        how = f"was ended by signal {-status}" if status < 0 else f"has ended with status {status}"
        return f"{self._what} {how}{f': {line}' if (line := self.last_line()) else ''}"

    def last_line(self) -> str:
        """What it wrote last, of what is no answer."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


class Server(Running):
    """Listens on ``port``, which is added to its command."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.port = free_port()
        super().__init__(name, [*command, str(self.port)])

    def wait_listening(self) -> None:
        """Raises ``RunFailed`` if it ends instead, or has no time for it."""
        end = time.monotonic() + START
        while time.monotonic() < end:
            if self.has_ended():
                raise RunFailed(self.ending())
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RunFailed(f"{self._what} did not listen within {START:g} s")


class Driver(Running):
    """Says what it has found, each time in a line of JSON, and may wait for a line in between."""

    def __init__(self, what: str, command: Sequence[str]) -> None:
        super().__init__(what, command, talks=True)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._rest = b""

    def go_on(self) -> None:
        """What it waits for."""
        try:
            self._stdin.write(b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            pass  # It has ended, which the next answer tells.

    def answer(self, patience: float) -> dict[str, Any]:
        """The next one. Raises ``RunFailed`` if there is none, ``CannotBeDone`` if it says that this machine is why."""
        line = self._line(patience)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise RunFailed(f"{self._what} said {line.decode(errors='replace')[:200]!r}, which is no object in JSON")
        return answer

    def _line(self, patience: float) -> bytes:
        end = time.monotonic() + patience
        readable = select.poll()
        readable.register(self._stdout, select.POLLIN)
        while b"\n" not in self._rest:
            if not readable.poll(max(0.0, end - time.monotonic()) * 1000):
                raise RunFailed(f"{self._what} said nothing for {patience:g} s")
            data = os.read(self._stdout.fileno(), 1 << 16)
            if not data:
                self._explain_ending()
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _explain_ending(self) -> None:
        if not self.wait_ended(STOP):
            raise RunFailed(f"{self._what} closed its output too early")
        words = self.ending()
        if self._process.returncode == CANNOT:
            raise CannotBeDone(self.last_line() or words)
        raise RunFailed(words)


def free_port() -> int:
    """One on which nobody listens on 127.0.0.1."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RunFailed(f"of 100 ports between {PORTS[0]} and {PORTS[-1]} none is free on 127.0.0.1")
