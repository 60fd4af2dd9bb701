"""Generator: the command that starts the compiled load.

Rule owned here: how the values of a ``Load`` are spelled on the command line of ``load.c``. What they mean is said in
``benchmarks.question``; what the program does with them, in the C files beside this one.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.compiler import build
from benchmarks.question import Load

__all__ = ["SOURCES", "binary", "command"]

SOURCES = Path(__file__).parent.absolute()


def binary() -> Path:
    """The program, built if need be. Raises ``OSError``, in one line, where it can't be."""
    return build(SOURCES)


def command(load: Load, port: int, seconds: float) -> list[str]:
    """What starts it against a server on 127.0.0.1. Raises as ``binary``."""
    options = {
        "mode": load.mode,
        "port": port,
        "connections": load.connections,
        "window": load.window,
        "size": load.size,
        "path": load.path,
        "seconds": seconds,
        "rate": load.rate,
        "slow": load.slow,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [str(binary()), *words, *(["--text"] if load.text else [])]
