"""Build: the program of the floor."""

from __future__ import annotations

from pathlib import Path

from benchmarks import compiler

__all__ = ["binary"]


def binary() -> Path:
    """It takes a port, 0 for one that is free. Raises ``OSError``, in one line, where it can't be built."""
    return compiler.build(Path(__file__).parent.absolute())
