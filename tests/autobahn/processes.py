"""Processes that a run starts, seen from outside.

Rule owned here: none outlives what it was started for, and what it said last can be told. Must not know what it does.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["LOOK", "end", "last_line"]

#: Seconds between two looks at processes.
LOOK = 0.05
#: A process that doesn't heed SIGTERM is killed after this time.
TERM_SECONDS = 5


def end(process: subprocess.Popen[bytes]) -> None:
    """Make sure that it is gone."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(TERM_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def last_line(log: Path) -> str:
    """The end of a log, for a message of one line."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
