"""Outbound: a server in memory that can be away, refuse and end connections, and a runtime of its own that connects."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

import trio

from actorws import Backoff, Reject, Runtime, Websocket, events, open_runtime, testing
from actorws.client.connector import Connector
from actorws.events import Event
from actorws.testing.memory import memory_streams

__all__ = ["AT_ONCE", "STEADY", "Host", "Quiet", "World", "open_world"]

E = TypeVar("E", bound=Event)

#: Waits of exactly 1, 2, 4, 8, 8... seconds.
STEADY = Backoff(initial=1, maximum=8, jitter=0, health_time=10)
#: For tests in which the wait is not the point.
AT_ONCE = Backoff(initial=0.001, maximum=0.001, jitter=0)


class Quiet(Websocket):
    """Counts its callbacks, and does as it is told: see ``handle_server_message``."""

    options = {"close_timeout": 2, "terminate_timeout": 3}

    def __init__(self) -> None:
        self.conns: list[Any] = []
        self.said: list[Any] = []
        self.reasons: list[Any] = []

    @property
    def inits(self) -> int:
        return len(self.conns)

    def init(self, conn: Any) -> Any:
        assert len(self.reasons) == len(self.conns), "the last one has ended"
        self.conns.append(conn)
        return None, []

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        self.said.append(frame)
        if frame == "crash":
            raise ValueError("as asked for")
        return state, []

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, message

    def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        self.reasons.append(reason)


class Host(Websocket):
    """The server's end. It never ends TCP by itself, once it was told not to answer."""

    options = {"close_timeout": 2}

    def __init__(self) -> None:
        self.conns: list[Any] = []
        self.said: list[Any] = []
        self.refusals: list[Reject] = []

    def connect(self, conn: Any) -> Any:
        return self.refusals[-1] if self.refusals else None

    def init(self, conn: Any) -> Any:
        self.conns.append(conn)
        return None, []

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        self.said.append(frame)
        return state, []


class World:
    """A server and a runtime. Made by ``open_world``."""

    def __init__(self, server: testing.MemoryServer, host: Host) -> None:
        self.server = server
        self.host = host
        self.events: list[Event] = []
        #: One more who is told.
        self.tell: Callable[[Event], None] = lambda event: None
        self.runtime: Runtime
        #: How the server is to be reached.
        self.is_up: Literal["up", "down", "silent"] | Exception | type[Exception] = "up"
        #: When it was tried.
        self.tries: list[float] = []
        self.streams: list[trio.abc.Stream] = []
        self.behaviour = Quiet()

    async def open_stream(self, host: str, port: int) -> trio.abc.Stream:
        self.tries.append(trio.current_time())
        if not isinstance(self.is_up, str):
            raise self.is_up
        if self.is_up == "down":
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        if self.is_up == "silent":
            stream, other = memory_streams()
            self.streams += [stream, other]
        else:
            stream = self.server.open_stream()
            self.streams.append(stream)
        return stream

    async def connect(self, behaviour: Any = None, *, runtime: Runtime | None = None, **options: Any) -> Connector:
        """Connect to the server by steady waits, unless ``options`` say otherwise."""
        options = {"backoff": STEADY, "open_stream": self.open_stream, **options}
        return await (runtime or self.runtime).connect("ws://host/", behaviour or self.behaviour, **options)

    def refuse(self, status: int | None, **headers: str) -> None:
        """Answer handshakes with this status; ``None``: accept them."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.host.refusals[:] = [] if status is None else [Reject(status, "as asked for", names)]

    @property
    def theirs(self) -> Any:
        """The server's end of the newest connection."""
        return self.host.conns[-1]

    @property
    def ours(self) -> Any:
        """And the other."""
        return self.behaviour.conns[-1]

    def told(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def lost(self) -> list[events.ConnectionLost]:
        return self.told(events.ConnectionLost)

    @property
    def failed(self) -> list[events.ConnectFailed]:
        return self.told(events.ConnectFailed)

    def assert_nothing_is_left(self) -> None:
        """Of a runtime whose connectors are over: no actor, no wire, no stream that is open."""
        runtime = self.runtime
        assert not runtime.connectors
        assert len(runtime.supervisor) == runtime.supervisor.statistics().outbound == 0
        assert runtime.wires == 0
        assert all(stream._closed for stream in self.streams)  # type: ignore[attr-defined]
        assert not self.told(events.BackgroundCrashed)


@asynccontextmanager
async def open_world(**options: Any) -> AsyncIterator[World]:
    """A server in memory, with these options, and another runtime."""
    host = Host()
    async with testing.open_app(host, crashes="ignore", **options) as server:
        world = World(server, host)
        async with open_runtime([world.events.append, lambda event: world.tell(event)]) as world.runtime:
            yield world
