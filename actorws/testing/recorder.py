"""Recorder: a node that writes down what its engine tells it, and can be waited for.

Rule owned here: what an engine doesn't tell within ``PATIENCE`` it never tells. Must not know any engine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import trio

from actorws.cluster.engine import Engine, Kind, NodeInfo
from actorws.notices import Gap

__all__ = ["PATIENCE", "Recorder", "running"]

#: Seconds for what should be done in milliseconds.
PATIENCE = 10.0


class Recorder:
    """What an engine has told: ``(what, argument, ...)``, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._news = trio.Event()

    def _tell(self, *what: Any) -> None:
        self.told.append(what)
        self._news.set()
        self._news = trio.Event()

    def deliver(self, name: str, payload: bytes) -> None:
        self._tell("name", name, payload)

    def deliver_to(self, actor: int, payload: bytes) -> None:
        self._tell("place", actor, payload)

    def deliver_group(self, group: str, kind: Kind, payload: bytes) -> None:
        self._tell("group", group, kind, payload)

    def answer(self, group: str, question: bytes) -> bytes:
        return b"to " + question

    def name_lost(self, name: str, actor: int, why: Literal["lease", "taken"]) -> None:
        self._tell("lost", name, actor, why)

    def gap(self, gap: Gap) -> None:
        self._tell("gap", gap)

    def node_joined(self, node: NodeInfo) -> None:
        self._tell("joined", node.id)

    def node_left(self, node: NodeInfo) -> None:
        self._tell("left", node.id)

    async def hears(self, promise: str, *what: Any) -> None:
        """Wait until it has been told exactly this; else ``promise`` is broken."""
        await self.until(promise, lambda: what in self.told)

    async def until(self, promise: str, condition: Callable[[], bool]) -> None:
        """Wait for what it is told to fulfil ``condition``."""
        with trio.move_on_after(PATIENCE):
            while not condition():
                await self._news.wait()
        assert condition(), f"{promise}; in the end the node was told {self.told[-5:]!r:.1000}"


@asynccontextmanager
async def running(make: Callable[[], Engine]) -> AsyncIterator[tuple[Engine, Recorder]]:
    """An engine that serves a recorder for as long as the block lasts. What is found there is raised as it is."""
    engine, node = make(), Recorder()
    found: AssertionError | None = None
    async with trio.open_nursery() as nursery:
        try:
            with trio.move_on_after(PATIENCE) as start:
                await nursery.start(engine.run, node)
            assert not start.cancelled_caught, f"run() must tell that it has begun; it did not within {PATIENCE:g} s"
            yield engine, node
        except AssertionError as error:
            found = error
        nursery.cancel_scope.cancel()
    if found is not None:
        raise found
