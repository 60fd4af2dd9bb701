"""The server that the suite is let loose on: a process of its own on a free port.

Rule owned here: its death, and that it no longer answers, is noticed and told with the last line of its log.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Timer
from types import TracebackType

from tests.autobahn.processes import last_line
from tests.support.wire import handshake

__all__ = ["Target", "TargetFailed"]

PROJECT = Path(__file__).resolve().parent.parent.parent
#: Upper bounds for a machine that is busy with something else; a start takes 0.4 s, an end and an answer 0.1 s.
START_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 60, 30, 15
ANNOUNCEMENT = "listening on http://"


class TargetFailed(Exception):
    """The server did not start, or did not end as it should; the message says what it did."""


class Target:
    """``actorws serve APP`` while the block lasts. Raises ``TargetFailed`` where it doesn't start or end in order."""

    def __init__(self, app: str, path: str, log: Path) -> None:
        self.path = path
        self.log = log
        with log.open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "actorws", "serve", app, "--port", "0"],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self.port = self._port()

    def _port(self) -> int:
        assert self.process.stdout is not None
        watchdog = Timer(START_SECONDS, self.process.kill)  # A server that says nothing must not hang the run.
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line.startswith(ANNOUNCEMENT):
            self.kill()
            raise TargetFailed(f"the server did not start: {last_line(self.log) or repr(line)}")
        return int(line.rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{self.path}"

    def trouble(self) -> str | None:
        """How it ended, if it has."""
        status = self.process.poll()
        return None if status is None else f"the server ended with status {status}: {last_line(self.log)}"

    def answers(self) -> bool:
        """Whether it lets one more client in."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS) as client:
                client.sendall(handshake(self.path))
                return client.recv(12) == b"HTTP/1.1 101"
        except OSError:
            return False

    def stop(self) -> None:
        """End it as Ctrl-C does, and see that it went well."""
        trouble = self.trouble()
        try:
            self.process.send_signal(signal.SIGINT)
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise TargetFailed(f"the server did not end within {STOP_SECONDS} s") from None
        finally:
            self.kill()
        if trouble or status or "Traceback" in self.log.read_text():
            raise TargetFailed(trouble or f"the server ended with status {status}, see {self.log}")

    def kill(self) -> None:
        """Make sure that it is gone."""
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> Target:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            self.stop()
        except TargetFailed:
            # What ended the block comes first: an interrupt reached the server too.
            if kind is None:
                raise
