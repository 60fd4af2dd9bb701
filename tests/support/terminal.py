"""A terminal with a program in it: what a person would type and see. Real, but for the glass: pyte keeps the screen."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pyte

from tests.conftest import PROJECT

__all__ = ["CTRL_C", "CTRL_D", "CTRL_R", "UP", "Terminal"]

CTRL_C, CTRL_D, CTRL_R, UP = "\x03", "\x04", "\x12", "\x1b[A"
#: Upper bound for what takes a second at most on a quiet machine.
PATIENCE = 60
ROWS, COLUMNS = 50, 120


class Terminal:
    """One, with ``argv`` as its foreground process. Use as a context manager."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._master, self._slave = os.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._before = termios.tcgetattr(self._slave)
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._screen.write_process_input = lambda data: self.type(data)  # where the cursor is, if asked
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        """All that the program wrote."""
        # Whoever leads a session and opens a terminal has it: Ctrl-C is for that process.
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" <"$TTY" >"$TTY" 2>&1', "sh", *argv],
            cwd=PROJECT,
            env={**os.environ, "TERM": "xterm-256color", **environment, "TTY": os.ttyname(self._slave)},
            start_new_session=True,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """The window is closed. Again: nothing."""
        if self._master >= 0:
            os.close(self._slave)
            os.close(self._master)
            self._master = -1

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def enter(self, line: str) -> None:
        self.type(line + "\r")

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def style_of(self, text: str) -> Any:
        """How the first character of ``text`` looks: it has ``fg``, ``bold`` and so on."""
        for row, line in enumerate(self._screen.display):
            if text in line:
                return self._screen.buffer[row][line.index(text)]
        raise AssertionError(f"{text!r} isn't on the screen:\n{self.text}")

    def wait_for(self, *texts: str) -> str:
        """Read until all of ``texts`` stand on the screen; what else does."""
        deadline = time.monotonic() + PATIENCE
        while not all(text in self.text for text in texts):
            assert self._read(deadline), f"none of {texts} came; there is:\n{self.text}"
        return self.text

    def wait_ended(self) -> int:
        """Read until the program has ended; its exit status. The terminal is as it was before."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            self._read(min(deadline, time.monotonic() + 0.05))
            assert time.monotonic() < deadline, f"it doesn't end; there is:\n{self.text}"
        while self._read(time.monotonic()):
            pass
        assert termios.tcgetattr(self._slave) == self._before, "the terminal was left as it was used"
        assert "Traceback" not in self.text
        return self.process.returncode

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(deadline - time.monotonic(), 0))
        if ready:
            data = os.read(self._master, 65536)
            self.raw += data
            self._stream.feed(data)
        return bool(ready)
