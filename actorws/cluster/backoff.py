"""Backoff: how long to wait before the next try.

Rule owned here: waits double from one failure to the next up to a bound, spread by jitter so that many who failed
together don't come back together, and begin anew after what held for long enough. Must not know what is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random

__all__ = ["Backoff"]


class Backoff:
    """Waits in seconds: ``first``, doubled up to ``most``, each with up to a half less."""

    def __init__(
        self, first: float = 0.05, most: float = 2.0, healthy: float = 5.0, *, chance: Callable[[], float] = random
    ) -> None:
        self._first = self._next = first
        self._most = most
        self._healthy = healthy
        self._chance = chance

    def failed(self, held: float = 0.0) -> float:
        """How long to wait, after what had held for ``held`` seconds: as long as ``healthy`` begins anew."""
        if held >= self._healthy:
            self._next = self._first
        wait, self._next = self._next, min(2 * self._next, self._most)
        return wait * (1 - self._chance() / 2)
