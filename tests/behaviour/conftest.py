"""The stage of the behaviour suite: a scenario is written once, and runs on both drivers with both kinds of callbacks.

``serve`` opens a server for a behaviour written with ``def``: as it is or with every callback made ``async def``, on
a memory stream in virtual time or on the poller over real TCP sockets. Whatever the scenario, the journal checks what
holds for every actor: never two callbacks at once, none after ``terminate``, and that one exactly once.
"""

from __future__ import annotations

import inspect
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import Any

import pytest
import trio
from attrs import fields
from trio.testing import MockClock

from actorws import App, Conn, Reason, Served, Websocket, serve, testing
from actorws.config import ServerConfig
from actorws.events import ActorEnded, ActorStarted
from actorws.testing.server import MemoryServer, _Events

SERVER_OPTIONS = {option.name for option in fields(ServerConfig)}
CALLBACKS = ("connect", "init", "handle_client_message", "handle_server_message", "handle_drain", "terminate")


class Journal:
    """What happened to every actor."""

    def __init__(self) -> None:
        self.terminated: list[tuple[Any, Reason]] = []
        self.calls: list[tuple[str, str]] = []
        self._running: Counter[Conn] = Counter()
        self._inits: Counter[Conn] = Counter()
        self._ends: Counter[Conn] = Counter()
        self._faults: list[str] = []

    def enter(self, name: str, args: tuple[Any, ...]) -> None:
        conn = next(arg for arg in args if isinstance(arg, Conn))
        self.calls.append((conn.id, name))
        if self._running[conn]:
            self._faults.append(f"{name} was called inside another callback")
        if self._ends[conn]:
            self._faults.append(f"{name} was called after terminate")
        self._running[conn] += 1
        self._inits[conn] += name == "init"
        if name == "terminate":
            self._ends[conn] += 1
            self.terminated.append((args[0], args[2]))

    def leave(self, args: tuple[Any, ...]) -> None:
        self._running[next(arg for arg in args if isinstance(arg, Conn))] -= 1

    def check(self, events: _Events) -> None:
        assert not self._faults
        started = [event.conn for event in events.seen if isinstance(event, ActorStarted)]
        ended = [event.conn for event in events.seen if isinstance(event, ActorEnded)]
        assert sorted(conn.id for conn in started) == sorted(conn.id for conn in ended)
        assert self._inits <= Counter(started), "init is entered once at most for each client that is let in"
        assert self._inits == self._ends, "terminate is called exactly once for each whose init was entered"


def instrumented(behaviour: type[Websocket], kind: str, journal: Journal) -> type[Websocket]:
    """``behaviour``, watched by ``journal``; its ``def`` callbacks become ``async def`` where that is the kind."""

    def watched(name: str, callback: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(callback)
        def run(self: Websocket, *args: Any) -> Any:
            journal.enter(name, args)
            try:
                return callback(self, *args)
            finally:
                journal.leave(args)

        @wraps(callback)
        async def run_async(self: Websocket, *args: Any) -> Any:
            journal.enter(name, args)
            try:
                await trio.lowlevel.checkpoint()
                result = callback(self, *args)
                return await result if inspect.iscoroutinefunction(callback) else result
            finally:
                journal.leave(args)

        return run_async if kind == "async def" or inspect.iscoroutinefunction(callback) else run

    callbacks = {}
    for name in CALLBACKS:
        callback = getattr(behaviour, name)
        if name in ("init", "terminate") or callback is not getattr(Websocket, name):
            callbacks[name] = watched(name, callback)
    return type(behaviour.__name__, (behaviour,), callbacks)


class TcpServer(MemoryServer):
    """The same for a test, but with real sockets between it and the poller."""

    def __init__(self, nursery: trio.Nursery, served: Served, events: _Events, returned: trio.Event) -> None:
        self.runtime = served.runtime
        self.events = events.seen
        self._nursery = nursery
        self._seen = events
        self._served = served
        self._returned = returned

    def _open(self, host: str) -> tuple[trio.abc.HalfCloseableStream, tuple[str, int]]:
        # Doesn't wait: the kernel completes the connection before anybody accepts it.
        connection = socket.create_connection(("127.0.0.1", self._served.port or 0))
        connection.setblocking(False)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(connection))
        return stream, connection.getsockname()

    async def shut_down(self) -> None:
        self._served.shut_down()
        await self._returned.wait()


class Stage:
    """Opens servers; the fixture ``serve``."""

    def __init__(self, driver: str, kind: str, clock: trio.abc.Clock | None) -> None:
        self.driver = driver
        self.kind = kind
        self._clock = clock
        #: Seconds of a wait that is meant to run out: as in life in virtual time, short in real time.
        self.soon = 5.0 if driver == "memory" else 0.05

    def __call__(
        self, target: type[Websocket] | Mapping[str, type[Websocket]], *, crashes: Any = "raise", **options: Any
    ) -> AbstractAsyncContextManager[Any]:
        """Serve a behaviour at every path, or those of a mapping at theirs. ``options`` are of route or server."""
        journal = Journal()
        app = App()
        routes = target if isinstance(target, Mapping) else {"/{path:path}": target}
        server_options = {name: options.pop(name) for name in SERVER_OPTIONS & set(options)}
        for path, behaviour in routes.items():
            app.websocket(path, instrumented(behaviour, self.kind, journal), **options)
        return self._open(app, journal, crashes, server_options)

    @asynccontextmanager
    async def _open(self, app: App, journal: Journal, crashes: Any, options: dict[str, Any]) -> AsyncIterator[Any]:
        if self._clock is not None:
            assert trio.lowlevel.current_clock() is self._clock, "the test must take the fixture clock"
        with trio.fail_after(1e6 if self.driver == "memory" else 30):
            if self.driver == "memory":
                async with testing.open_app(app, crashes=crashes, **options) as server:
                    server.journal = journal
                    yield server
                journal.check(server._seen)
                return
            events = _Events(None)
            returned = trio.Event()

            async def serve_it(task_status: Any) -> None:
                await serve(app, port=0, on_event=events, task_status=task_status, **options)
                returned.set()

            async with trio.open_nursery() as nursery:
                server = TcpServer(nursery, await nursery.start(serve_it), events, returned)
                server.journal = journal
                yield server
                nursery.cancel_scope.cancel()
            journal.check(events)
            if crashes == "raise":
                events.raise_crashes()


@pytest.fixture(params=["memory", "tcp"])
def driver(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def clock(driver: str) -> trio.abc.Clock | None:
    """Virtual time where nothing real is waited for. (Each test takes it: pytest-trio finds its clock there.)"""
    return MockClock(autojump_threshold=0) if driver == "memory" else None


@pytest.fixture(name="serve")
def _stage(driver: str, kind: str, clock: trio.abc.Clock | None) -> Stage:
    return Stage(driver, kind, clock)
