"""Which promises are broken by the wrong engines of this folder: each breaks one, and keeps those looked at before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.hub import HubEngine

__all__ = ["BROKEN", "breaks", "is_first"]

#: Those promises that are broken, and by whom.
BROKEN: list[tuple[str, type[HubEngine]]] = []


def breaks(promise: str, **options: Any) -> Callable[[type[HubEngine]], type[HubEngine]]:
    """``options`` are attributes of the class, where one engine breaks several promises."""

    def note(engine: type[HubEngine]) -> type[HubEngine]:
        BROKEN.append((promise, type(engine.__name__, (engine,), options)))
        return engine

    return note


def is_first(engine: HubEngine) -> bool:
    """Whether it is the one that runs all the time."""
    return engine.node_id == "node1"
