"""The servers of the behaviour suite whose connections somebody else accepted: each is an actor by ``run_over``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import trio
from attrs import evolve
from trio_websocket import wrap_server_stream

from actorws import CloseCode, Conn, Remote, Request, Runtime, Websocket, open_runtime, run_over
from actorws.config import ServerConfig
from actorws.server.router import Router
from actorws.server.site import Site
from actorws.testing import Answer, Refused
from actorws.testing.client import open_client
from actorws.testing.memory import CAPACITY, memory_streams
from actorws.testing.server import MemoryServer, _Events
from actorws.transports.memory import memory_transport
from actorws.transports.trio_websocket import door_of
from tests.support.behaviour_clients import MemoryEnd
from tests.support.stage_servers import Piece

__all__ = ["open_run_over_memory", "open_run_over_trio_websocket"]


class RunOverServer(MemoryServer):
    """A user's own server."""

    def __init__(self, nursery: trio.Nursery, runtime: Runtime, events: _Events, piece: Piece) -> None:
        site: Site = Site(runtime, Router(), ServerConfig.of(**piece.server_options))
        super().__init__(nursery, site, events, CAPACITY)
        self._options = piece.options
        self._behaviours: Router[Websocket, Any] = Router()
        for path, behaviour in piece.routes.items():
            self._behaviours.websocket(path, behaviour())

    async def _run_over(self, wire: Any, request: Request) -> None:
        found = self._behaviours.resolve(request.path)
        assert found is not None and found.websocket is not None
        request = evolve(request, path_params=found.params)
        await run_over(wire, found.websocket, self.runtime, request=request, **self._options)
        self._seen._news.unpark_all()


class TrioWebsocketServer(RunOverServer):
    """The connections are trio-websocket's."""

    async def connect(
        self,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Any = (),
        automatic: bool = True,
        host: str = "127.0.0.1",
    ) -> Any:
        stream, address = self._open(host)
        client = await open_client(
            self._nursery, stream, path, headers=headers or {}, subprotocols=subprotocols, automatic=automatic
        )
        # The library has answered before there is an actor.
        while (conn := self._seen.conn_of(address)) is None:
            await self._seen._news.park()
        client.conn = conn
        return client

    def _open(self, host: str) -> tuple[trio.abc.HalfCloseableStream, tuple[str, int]]:
        ours, theirs = memory_streams(self._capacity)
        address = (host, next(self._ports))
        self._nursery.start_soon(self._accept, theirs, address)
        return ours, address

    async def _accept(self, stream: trio.abc.HalfCloseableStream, address: tuple[str, int]) -> None:
        request = await wrap_server_stream(self._nursery, stream)
        if self._behaviours.resolve(unquote(request.path.partition("?")[0])) is None:
            await request.reject(404)
            return
        # Of a stream that is no socket the library knows no address.
        known = {**door_of(request).request, "remote_address": address}
        await self._run_over(request, Request(method="GET", **known))


class InMemoryServer(RunOverServer):
    """The connections are memory transports."""

    async def connect(
        self,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Any = (),
        automatic: bool = True,
        host: str = "127.0.0.1",
    ) -> Any:
        parts = urlsplit(path)
        if self._behaviours.resolve(unquote(parts.path)) is None:
            raise Refused(Answer(404, {}, b""))
        request = Request(
            method="GET",
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in (headers or {}).items()},
            remote_address=(host, next(self._ports)),
        )
        transport, peer = memory_transport(self._capacity)
        client = MemoryEnd(peer, self._nursery, automatic=automatic)
        client.conn = await self._admitted(transport, request, client)
        client.subprotocol = client.conn.subprotocol
        return client

    async def _admitted(self, transport: Any, request: Request, client: MemoryEnd) -> Conn:
        """The actor's. Raises ``Refused`` for a client that was told so, as far as a Close can."""
        assert isinstance(request.remote_address, tuple)
        self._nursery.start_soon(self._run_over, transport, request)
        while (conn := self._seen.conn_of(request.remote_address)) is None and client.closed_with is None:
            await self._seen._news.park()
        if conn is None:
            raise Refused(_answer(await client.wait_closed()))
        return conn


def _answer(how: Remote) -> Answer:
    """What the Close of a refusal would be as an answer of HTTP."""
    if how.code == CloseCode.INTERNAL_ERROR:
        return Answer(500, {}, b"")
    status, _, body = how.reason.partition(" ")
    return Answer(int(status), {}, body.encode())


@asynccontextmanager
async def _open(server_type: type[RunOverServer], piece: Piece) -> AsyncIterator[MemoryServer]:
    events = _Events(None)
    async with open_runtime(events) as runtime, trio.open_nursery() as nursery:
        yield server_type(nursery, runtime, events, piece)
        nursery.cancel_scope.cancel()


def open_run_over_trio_websocket(piece: Piece) -> Any:
    """Connections that trio-websocket has accepted from memory streams."""
    return _open(TrioWebsocketServer, piece)


def open_run_over_memory(piece: Piece) -> Any:
    """Memory transports."""
    return _open(InMemoryServer, piece)
