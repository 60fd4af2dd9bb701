"""Level: what is measured on a node: the engine by itself, or the runtime with an actor on it.

Rule owned here: both are driven by the same calls and through public names alone, and whatever comes for the node goes
into its ledger.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import trio

from actorws import Conn, Runtime, Websocket, open_runtime
from actorws.cluster.engine import Kind, NodeInfo
from actorws.cluster.redis import RedisEngine
from actorws.notices import Gap
from benchmarks.cluster.ledger import Ledger
from benchmarks.cluster.sink import open_connections

__all__ = ["LEVELS", "EngineLevel", "Level", "RuntimeLevel"]


class Level(ABC):
    """What a node can do."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.gaps: list[float] = []
        """When each gap was told of, by the system-wide monotonic clock."""

    @abstractmethod
    def join(self, group: str) -> Awaitable[None]:
        """Have what is published to ``group`` come here."""

    @abstractmethod
    def publish(self, group: str, data: bytes) -> Awaitable[int]:
        """Send, and wait until it is through."""

    @abstractmethod
    def publish_nowait(self, group: str, data: bytes) -> None:
        """Send. Raises ``trio.WouldBlock``."""

    @abstractmethod
    def register(self, name: str) -> Awaitable[object]:
        """Have what is sent to ``name`` come here."""

    @abstractmethod
    def send(self, name: str, data: bytes) -> Awaitable[bool]:
        """Send to who has ``name``; whether anybody has."""

    @abstractmethod
    def locate(self, name: str) -> Awaitable[object | None]:
        """Who has ``name``."""


class EngineLevel(Level):
    """Bytes in, bytes out. Is its own ``engine.Node``."""

    def __init__(self, engine: RedisEngine) -> None:
        super().__init__()
        self._engine = engine

    def join(self, group: str) -> Awaitable[None]:
        return self._engine.join(group)

    def publish(self, group: str, data: bytes) -> Awaitable[int]:
        return self._engine.publish(group, "message", data)

    def publish_nowait(self, group: str, data: bytes) -> None:
        self._engine.publish_nowait(group, "message", data)

    def register(self, name: str) -> Awaitable[object]:
        return self._engine.register(name, 1)

    def send(self, name: str, data: bytes) -> Awaitable[bool]:
        return self._engine.send(name, data)

    def locate(self, name: str) -> Awaitable[object | None]:
        return self._engine.locate(name)

    # What the engine tells

    def deliver(self, name: str, payload: bytes) -> None:
        """See ``engine.Node``."""
        self.ledger.take(payload)

    def deliver_to(self, actor: int, payload: bytes) -> None:
        """As ``deliver``."""

    def deliver_group(self, group: str, kind: Kind, payload: bytes) -> None:
        """As ``deliver``."""
        self.ledger.take(payload)

    def answer(self, group: str, question: bytes) -> bytes:
        """Nobody asks."""
        return b""

    def name_lost(self, name: str, actor: int, why: str) -> None:
        """A fault of the run: what is sent to it doesn't come."""

    def gap(self, gap: Gap) -> None:
        """The link is back."""
        self.gaps.append(monotonic())

    def node_joined(self, node: NodeInfo) -> None:
        """Nothing to do."""

    def node_left(self, node: NodeInfo) -> None:
        """Nothing to do."""


class RuntimeLevel(Level):
    """An actor of this node gets what comes."""

    conn: Conn

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self._group, self._unique = runtime.group, runtime.unique
        open_connections(runtime, _Receiver(self), 1)

    def join(self, group: str) -> Awaitable[None]:
        return self.conn.join(group)

    def publish(self, group: str, data: bytes) -> Awaitable[int]:
        return self._group.publish(group, data)

    def publish_nowait(self, group: str, data: bytes) -> None:
        self._group.publish_nowait(group, data)

    def register(self, name: str) -> Awaitable[object]:
        return self.conn.register(name)

    def send(self, name: str, data: bytes) -> Awaitable[bool]:
        return self._unique.send_message(name, data)

    def locate(self, name: str) -> Awaitable[object | None]:
        return self._unique.whereis(name)


class _Receiver(Websocket):
    receive_gaps = True

    def __init__(self, level: RuntimeLevel) -> None:
        self._level = level

    def init(self, conn: Conn) -> tuple[None, None]:
        self._level.conn = conn
        return None, None

    def handle_client_message(self, state: None, conn: Conn, frame: Any) -> tuple[None, None]:
        return None, None

    def handle_server_message(self, state: None, conn: Conn, message: Any) -> tuple[None, None]:
        if type(message) is bytes:
            self._level.ledger.take(message)
        elif isinstance(message, Gap):
            self._level.gaps.append(monotonic())
        return None, None


@asynccontextmanager
async def _engine_level(url: str) -> AsyncIterator[EngineLevel]:
    engine = RedisEngine(url)
    level = EngineLevel(engine)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run, level)
        yield level
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _runtime_level(url: str) -> AsyncIterator[RuntimeLevel]:
    async with open_runtime(engine=RedisEngine(url)) as runtime:
        yield RuntimeLevel(runtime)


LEVELS: dict[str, Callable[[str], Any]] = {"engine": _engine_level, "runtime": _runtime_level}
