"""Server: an app served in memory, for as long as a block lasts.

Rules owned here: everything that a test began ends with its block, and a crash inside can't be missed. What serves is
the real thing from the first byte of the request on; only sockets are missing. Must not know any one test framework.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Literal, TypeVar

import trio

from actorws.behaviour import Websocket
from actorws.cluster.engine import Engine
from actorws.config import ServerConfig
from actorws.conn import Conn
from actorws.events import (
    ActorCrashed,
    ActorStarted,
    BackgroundCrashed,
    Event,
    HandlerCrashed,
    TerminateFailed,
)
from actorws.exceptions import ConfigError
from actorws.observability.subscribers import Subscribers, to_all
from actorws.runtime import Runtime, open_runtime
from actorws.server.app import App
from actorws.server.lifespan import open_lifespans
from actorws.server.mount import open_mounts
from actorws.server.serve import run_background, types_of
from actorws.server.shutdown import drain, say_goodbye
from actorws.server.site import Site
from actorws.server.stream_listener import serve_stream
from actorws.testing.client import PATIENCE, Client, open_client
from actorws.testing.http import Answer, read_answer, request_bytes
from actorws.testing.memory import CAPACITY, memory_streams

__all__ = ["MemoryServer", "open_app"]

E = TypeVar("E", bound=Event)

#: The first port of the clients' addresses; each has its own.
_FIRST_PORT = 50_000


class MemoryServer:
    """An app that is served to clients in the same process. Made by ``open_app``."""

    def __init__(self, nursery: trio.Nursery, site: Site, events: _Events, capacity: int) -> None:
        self.runtime: Runtime = site.runtime
        """To send, publish and look around with."""
        self.events: list[Event] = events.seen
        """All events so far, oldest first."""
        self._nursery = nursery
        self._site = site
        self._seen = events
        self._capacity = capacity
        self._ports = count(_FIRST_PORT)

    async def connect(
        self,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        automatic: bool = True,
        host: str = "127.0.0.1",
    ) -> Client:
        """Open a WebSocket at ``path`` (which may have a query), and return when the server has accepted it.

        ``headers`` are added to those of the handshake, or replace them. ``automatic=False`` makes one that answers
        no ping and no Close by itself. ``host`` is the address that the server sees. Raises ``Refused`` for an HTTP
        answer.
        """
        stream, address = self._open(host)
        client = await open_client(
            self._nursery,
            stream,
            path,
            headers=headers or {},
            subprotocols=subprotocols,
            automatic=automatic,
        )
        client.conn = self._seen.conn_of(address)
        return client

    async def request(
        self, method: str, path: str = "/", *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send one plain HTTP request on a connection of its own, and return the answer."""
        stream = self.open_stream()
        await stream.send_all(request_bytes(method, path, {"Connection": "close", **(headers or {})}, body))
        answer, _ = await read_answer(stream, has_body=method != "HEAD")
        await stream.aclose()
        return answer

    def open_stream(self) -> trio.abc.HalfCloseableStream:
        """Open a connection and say nothing yet: the client's end, for what ``connect`` and ``request`` can't do."""
        stream, _ = self._open("127.0.0.1")
        return stream

    def _open(self, host: str) -> tuple[trio.abc.HalfCloseableStream, tuple[str, int]]:
        """The client's end of a new connection, and the address that the server sees."""
        ours, theirs = memory_streams(self._capacity)
        address = (host, next(self._ports))
        self._nursery.start_soon(serve_stream, theirs, self._site, address, name="actorws test connection")
        return ours, address

    async def wait_event(self, kind: type[E], number: int = 1, timeout: float = PATIENCE) -> E:
        """The ``number``-th event of this kind since the server was opened, as soon as there is one.

        Raises ``trio.TooSlowError`` when that takes longer than ``timeout`` seconds.
        """
        return await self._seen.wait(kind, number, timeout)

    async def shut_down(self) -> None:
        """Shut down as a server does on its first signal, and return when everything has ended."""
        await drain(self._site, self._site.config.drain_timeout)


class _Events:
    """Keeps what a runtime emits, and passes it on."""

    def __init__(self, on_event: Subscribers | None) -> None:
        self.seen: list[Event] = []
        self._on_event = to_all(() if on_event is None else on_event)
        self._news = trio.lowlevel.ParkingLot()

    def __call__(self, event: Event) -> None:
        self.seen.append(event)
        self._news.unpark_all()
        self._on_event(event)

    async def wait(self, kind: type[E], number: int, timeout: float) -> E:
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout):
            while len(found := [event for event in self.seen if isinstance(event, kind)]) < number:
                await self._news.park()
            return found[number - 1]
        raise trio.TooSlowError(f"{len(found)} of {number} {kind.__name__} events came in {timeout:g} s")

    def conn_of(self, address: tuple[str, int]) -> Conn | None:
        for event in self.seen:
            if isinstance(event, ActorStarted) and event.conn.remote_address == address:
                return event.conn
        return None

    def raise_crashes(self) -> None:
        """Raise what was raised by the code under test, with notes that say where."""
        found: list[BaseException] = []
        for event in self.seen:
            if isinstance(event, ActorCrashed | TerminateFailed | HandlerCrashed | BackgroundCrashed):
                event.exception.add_note(f"seen by actorws.testing as {event!r:.200}")
                found.append(event.exception)
        if found:
            raise BaseExceptionGroup(f"{len(found)} crashes while the app was served", found)


@asynccontextmanager
async def open_app(
    app: App | type[Websocket] | Websocket,
    *,
    on_event: Subscribers | None = None,
    crashes: Literal["raise", "ignore"] = "raise",
    capacity: int = CAPACITY,
    engine: Engine | None = None,
    messages: Literal["checked", "any"] = "checked",
    **options: Any,
) -> AsyncIterator[MemoryServer]:
    """Serve ``app``, an ``App`` or a behaviour (at every path), in memory for as long as the block lasts.

    ``on_event``, or each if it is a list, is called with every event; ``server.events`` has them too. ``capacity`` is
    how many bytes each direction of a connection holds that the other end hasn't read. ``engine`` and ``messages`` are
    as ``serve`` has them. ``options`` are those of ``ServerConfig``, by name.

    At the end of the block every connection ends as at a cancelled server (each ``terminate`` runs). If a callback,
    a handler or a background function raised in the meantime, that is raised then, in an ``ExceptionGroup``, unless
    ``crashes`` is ``"ignore"``; an exception of the block itself passes as it is. Raises ``ConfigError`` for a bad
    option, ``UsageError`` for a target that can't be served.
    """
    if crashes not in ("raise", "ignore"):
        raise ConfigError(f"crashes must be 'raise' or 'ignore', not {crashes!r}")
    config = ServerConfig.of(**options)
    app = App.of(app)
    events = _Events(on_event)
    failure: BaseException | None = None
    types = types_of(app, messages, engine)
    async with (
        open_lifespans(app.mounts, events) as state_of,
        open_runtime(events, engine=engine, messages=types) as runtime,
        open_mounts(runtime, state_of, config.handler_timeout) as mounts,
        trio.open_nursery() as nursery,
    ):
        site = Site(runtime, app.router, config, mounts)
        for background in app.backgrounds:
            nursery.start_soon(run_background, background, runtime)
        try:
            yield MemoryServer(nursery, site, events, capacity)
        except BaseException as error:
            # Raised below: out of these blocks it would come in a group.
            failure = error
        say_goodbye(runtime)
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if crashes == "raise":
        events.raise_crashes()
