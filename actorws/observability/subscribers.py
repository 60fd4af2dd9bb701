"""Subscribers: several of them where one is expected, such as logs and metrics.

Rule owned here: each is called with every event, in their order; what one of them raises keeps no event from the
others. Must not know what they do with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from actorws.events import Emit, Event
from actorws.exceptions import ConfigError

__all__ = ["Subscribers", "to_all"]

#: What ``on_event`` takes: one subscriber or several.
Subscribers: TypeAlias = Emit | Iterable[Emit]


def to_all(subscribers: Subscribers) -> Emit:
    """One subscriber that stands for ``subscribers``. Raises ``ConfigError`` for what can't be called."""
    each = (subscribers,) if callable(subscribers) or not isinstance(subscribers, Iterable) else tuple(subscribers)
    for subscriber in each:
        if not callable(subscriber):
            raise ConfigError(f"on_event must be a function of an event, or a list of such, not {subscriber!r}")

    def emit(event: Event) -> None:
        for subscriber in each:
            try:
                subscriber(event)
            except Exception:
                pass  # observing must not change what is observed

    return each[0] if len(each) == 1 else emit
