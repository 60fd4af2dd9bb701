"""Nodes for tests of engines: they write down what they are told, and can be waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import evolve

from actorws.cluster.engine import NodeInfo
from actorws.cluster.redis import RedisEngine
from actorws.cluster.timings import Timings
from actorws.exceptions import ConfigError
from actorws.notices import Gap
from tests.support.wire import SECONDS

__all__ = ["IMPATIENT", "QUICK", "Recorder", "refusal", "running", "trying", "until"]

#: For what is about deadlines: a lease that runs out within a test, and yet outlives a busy machine's pauses.
QUICK = Timings(lease=2.0, heartbeat=0.5, margin=0.4, probe=1.0, request=1.0, connect=1.5, linger=0.2)

#: For what is about silence: who says nothing for so long is given up, and tried again.
IMPATIENT = evolve(QUICK, heartbeat=0.2, probe=0.4, request=0.4, connect=0.8)


class Recorder:
    """What an engine has told: ``(call, argument, ...)``, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        #: What ``answer`` says; ``ValueError`` to say nothing.
        self.answers: Callable[[str, bytes], bytes] = lambda group, question: b""
        self._news = trio.Event()

    def _tell(self, *what: Any) -> None:
        self.told.append(what)
        self._news.set()
        self._news = trio.Event()

    def deliver(self, name: str, payload: bytes) -> None:
        self._tell("deliver", name, payload)

    def deliver_to(self, actor: int, payload: bytes) -> None:
        self._tell("deliver_to", actor, payload)

    def deliver_group(self, group: str, kind: str, payload: bytes) -> None:
        self._tell("deliver_group", group, kind, payload)

    def answer(self, group: str, question: bytes) -> bytes:
        self._tell("answer", group, question)
        return self.answers(group, question)

    def name_lost(self, name: str, actor: int, why: str) -> None:
        self._tell("name_lost", name, actor, why)

    def gap(self, gap: Gap) -> None:
        self._tell("gap", gap)

    def node_joined(self, node: NodeInfo) -> None:
        self._tell("node_joined", node)

    def node_left(self, node: NodeInfo) -> None:
        self._tell("node_left", node)

    def all(self, call: str) -> list[tuple[Any, ...]]:
        """The arguments of all calls of one kind."""
        return [what[1:] for what in self.told if what[0] == call]

    async def seen(self, call: str, count: int = 1) -> list[tuple[Any, ...]]:
        """Wait until there are ``count`` calls of a kind."""
        with trio.fail_after(SECONDS):
            while len(self.all(call)) < count:
                await self._news.wait()
        return self.all(call)

    def payloads(self, call: str = "deliver_group") -> list[bytes]:
        """What came through groups, or by another way."""
        return [what[-1] for what in self.all(call)]


@asynccontextmanager
async def running(url: str, **options: Any) -> AsyncIterator[tuple[RedisEngine, Recorder]]:
    """An engine that has reached its server, for as long as the block lasts; then it stops in order."""
    engine, node = RedisEngine(url, **options), Recorder()
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(SECONDS) as start:
            await nursery.start(engine.run, node)
        assert not start.cancelled_caught, engine.trouble
        yield engine, node
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], Any]) -> None:
    """Wait for what nothing tells of."""
    with trio.fail_after(SECONDS):
        while not condition():
            await trio.sleep(0.005)


async def refusal(url: str) -> str:
    """What an engine says that can't be mended."""
    with pytest.raises(ConfigError) as caught, trio.fail_after(SECONDS):
        await RedisEngine(url).run(Recorder())
    return str(caught.value)


@asynccontextmanager
async def trying(url: str, timings: Timings = QUICK) -> AsyncIterator[tuple[RedisEngine, trio.Event]]:
    """An engine that goes on trying, and the event that it has made it."""
    engine, started = RedisEngine(url, timings=timings), trio.Event()

    async def run() -> None:
        async with trio.open_nursery() as inner:
            await inner.start(engine.run, Recorder())
            started.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        first = engine.trouble
        await until(lambda: engine.trouble != first)
        yield engine, started
        nursery.cancel_scope.cancel()
