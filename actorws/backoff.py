"""Backoff: how long to wait before the next try.

Rule owned here: waits grow from one failure to the next up to a bound, spread by jitter so that many who failed
together don't come back together, and begin anew after what held for long enough. Must not know what is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random

from attrs import Attribute, frozen
from attrs import field as attr

from actorws.checks import number
from actorws.exceptions import ConfigError

__all__ = ["NEARBY", "Backoff", "Waits"]


def _share(_: object, attribute: Attribute[float], value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(f"{attribute.name} must be a number from 0 to 1, not {value!r}")


@frozen(kw_only=True)
class Backoff:
    """How long an outbound connection that was lost, or can't be had, waits before it is tried again.

    By default a thousand clients that lose their server at once come back spread over four seconds, and those that
    found it away within twenty. Raises ``ConfigError`` for a value out of its range.
    """

    initial: float = attr(default=4.0, validator=number(0.001))
    """Seconds of the first wait, at most."""
    maximum: float = attr(default=20.0, validator=number(0.001))
    """Seconds of any wait, at most; only ``Retry-After`` asks for more."""
    factor: float = attr(default=2.0, validator=number(1.0))
    """By which the wait grows with each failure in a row."""
    jitter: float = attr(default=1.0, validator=_share)
    """How much of a wait is left to chance: 1: anything from nothing to all of it; 0: it is waited in full."""
    health_time: float = attr(default=10.0, validator=number(0.0))
    """Seconds after which a connection has been good: its end is the first failure, whatever was before."""
    max_attempts: int | None = attr(default=None, validator=number(1, none=True))
    """Failures in a row after which it is given up. ``None``: never."""


#: Within one host or cluster, where those who come back are few.
NEARBY = Backoff(initial=0.05, maximum=2.0, jitter=0.5, health_time=5.0)


class Waits:
    """The waits of one who tries."""

    def __init__(self, backoff: Backoff, *, chance: Callable[[], float] = random) -> None:
        self._backoff = backoff
        self._next = min(backoff.initial, backoff.maximum)
        self._chance = chance
        self.failures = 0
        """In a row."""

    def failed(self, held: float | None = None) -> float:
        """Seconds to wait, after what had held for ``held`` seconds; ``None``: it never did."""
        backoff = self._backoff
        if held is not None and held >= backoff.health_time:
            self._next = min(backoff.initial, backoff.maximum)
            self.failures = 0
        self.failures += 1
        wait, self._next = self._next, min(backoff.factor * self._next, backoff.maximum)
        return wait * (1 - backoff.jitter * self._chance())

    @property
    def are_over(self) -> bool:
        """Whether there have been as many failures as there may be."""
        most = self._backoff.max_attempts
        return most is not None and self.failures >= most
