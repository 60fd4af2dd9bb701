"""Connections without sockets, step by step: a wire that keeps its bytes, and a WebSocket on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from actorws import Conn, Runtime, Websocket, open_runtime
from actorws.actor.kind import Kind
from actorws.events import Event
from actorws.protocol.head import parse_head
from actorws.transports.websocket import WebsocketTransport
from actorws.transports.wire import Wire
from tests.support.wire import handshake

__all__ = ["FakeWire", "open_websocket", "runtime", "seen"]


class FakeWire(Wire):
    """A kernel takes ``takes`` bytes, then nothing until told to. ``ended`` is how the wire ended, if it has."""

    def __init__(self, runtime: Any, options: Any, takes: int = 1 << 30, now: float = 0.0) -> None:
        super().__init__(runtime, options, now)
        self.takes = takes
        self.writes: list[bytes] = []
        self.ended = ""
        self.input = False
        self.updates = 0
        self.reads_again = 0
        self._told = 0

    def tick(self) -> bytes:
        """Let a tick end; what was written since the one before it."""
        self.runtime.scheduler.settle()
        data = self.taken[self._told :]
        self._told += len(data)
        return data

    @property
    def taken(self) -> bytes:
        return b"".join(self.writes)

    def flush(self) -> None:
        pending, self.pending, self.corked = self.pending or [], None, 0
        if self.queue is not None:
            self.put_all(pending)
            return
        data = b"".join(pending)
        if data[: self.takes]:
            self.writes.append(data[: self.takes])
        rest = data[self.takes :]
        self.takes -= len(data) - len(rest)
        if rest:
            self.block(memoryview(rest))

    def take_everything(self) -> None:
        """The kernel has room again."""
        self.takes = 1 << 30
        assert self.rest is not None
        batch: memoryview | None = self.rest
        while batch is not None:
            self.writes.append(bytes(batch))
            batch = self.next_batch()
        self.unblock()

    def update(self) -> None:
        self.updates += 1

    def has_input(self) -> bool:
        return self.input

    def read_again(self) -> None:
        self.reads_again += 1

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def shut(self) -> None:
        self._gone("shut")

    def abort(self) -> None:
        self._gone("aborted")

    def _gone(self, how: str) -> None:
        self.ended = how
        self.open = False
        self.pending = None
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.closed()
            self.runtime.wire_closed()


def open_websocket(
    runtime: Runtime,
    behaviour: type[Websocket],
    *,
    takes: int = 1 << 30,
    wire: type[FakeWire] = FakeWire,
    **options: Any,
) -> WebsocketTransport:
    """A connection that has just been let in, its ``init`` called."""
    kind = Kind(behaviour, **options)
    head = parse_head(handshake(), 100)
    conn = Conn(runtime, head, serial=runtime.next_serial(), path_params={}, remote_address=("192.0.2.1", 1))
    fake = wire(runtime, kind.config.backpressure, takes, runtime.wheel._clock())
    transport = WebsocketTransport(fake, kind, conn)
    fake.receiver = transport
    runtime.supervisor.add(transport.actor, conn)
    transport.actor.start()
    return transport


@pytest.fixture
def seen() -> list[Event]:
    """The events of ``runtime``."""
    return []


@pytest.fixture
async def runtime(seen: list[Event]) -> AsyncIterator[Runtime]:
    async with open_runtime(seen.append) as runtime:
        yield runtime
