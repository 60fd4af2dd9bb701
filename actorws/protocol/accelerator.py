"""Accelerator: the C code of ``_speedups.c``, where a compiler was there to build it.

Rule owned here: whether it is used. ``ACTORWS_PURE_PYTHON=1`` in the environment, when this is imported, chooses the
Python code, which does the same: for tests, and for who doubts. Must not know what the functions in it do.
"""

from __future__ import annotations

import os

__all__ = ["speedups"]

#: The module of the C code, or ``None``.
if os.environ.get("ACTORWS_PURE_PYTHON", "") in ("", "0"):
    try:
        from actorws.protocol import _speedups as speedups
    except ImportError:  # pragma: no cover - installed where there was no compiler
        speedups = None  # type: ignore[assignment]
else:
    speedups = None  # type: ignore[assignment]
