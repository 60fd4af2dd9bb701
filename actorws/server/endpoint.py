"""Endpoint: one accepted socket from its first byte until it is a WebSocket, or for the plain HTTP requests it brings.

Rules owned here: every request gets exactly one answer, in order; whatever goes wrong is answered with a status and
costs this connection only; each wait has a deadline. Must not know how a WebSocket goes on after the handshake.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import trio

from actorws.config import Backpressure, ServerConfig
from actorws.events import HandlerCrashed, HandshakeRefused
from actorws.exceptions import HandshakeError
from actorws.protocol.http1 import RequestReader
from actorws.server.http import LAST_CHUNK, Framing, Request, Response, as_response, chunk, framing, head_bytes, refusal
from actorws.server.upgrade import Upgrade
from actorws.transports.contract import Receiver
from actorws.transports.wire import MAILBOX, Wire

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.actor.workers import Worker
    from actorws.runtime import Runtime
    from actorws.server.app import Handler
    from actorws.server.router import Match, Router

__all__ = ["Endpoint", "Site"]


class Site:
    """What all endpoints of a server share."""

    __slots__ = ("config", "draining", "endpoints", "options", "router", "runtime")

    def __init__(self, runtime: Runtime, router: Router[Kind, Handler], config: ServerConfig) -> None:
        self.runtime = runtime
        self.router = router
        self.config = config
        #: Of connections that are not WebSockets (yet).
        self.options = Backpressure()
        self.endpoints: set[Endpoint] = set()
        self.draining = False

    def drain(self) -> None:
        """Answer what is being answered, close what is idle, take nothing new."""
        self.draining = True
        for endpoint in list(self.endpoints):
            endpoint.close_if_idle()


class Endpoint(Receiver):
    """One accepted socket."""

    __slots__ = ("_began", "_drained", "_reader", "_site", "_worker", "address", "gathering", "wire")

    def __init__(self, wire: Wire, site: Site, address: tuple[str, int] | str) -> None:
        self.wire = wire
        self.address = address
        self.gathering = False
        self._site = site
        self._reader = RequestReader(site.config)
        #: Whether the current request was handed to its handler.
        self._began = False
        self._worker: Worker | None = None
        self._drained: trio.Event | None = None
        site.endpoints.add(self)
        site.runtime.wheel.schedule(self, site.config.handshake_timeout)

    # From the driver

    def receive(self, data: bytes) -> bool:
        try:
            self._reader.receive(data)
            return self._advance()
        except HandshakeError as error:
            self.refuse(error)
            return False

    def ended(self, error: OSError | None) -> None:
        if self.wire is None:
            return
        if self._worker is not None:
            self._worker.cancel()
        self._leave()

    def drained(self) -> None:
        self.wire.open = True
        if self._drained is not None:
            self._drained.set()

    def closed(self) -> None:
        site = self._site
        site.runtime.wheel.cancel(self)
        site.endpoints.discard(self)
        if self._worker is not None:
            self._worker.cancel()
        # Cycles are cut, so that memory is back without the garbage collector.
        self.wire = None  # type: ignore[assignment]

    def expire(self, now: float) -> None:
        if self._worker is not None:
            # Its job answers 503 when it is cut.
            self._worker.cancel()
        elif self._reader.started and not self._began:
            self.refuse(HandshakeError(408, "the request took too long"))
        else:
            self.wire.abort()

    # One request

    def _advance(self) -> bool:
        """Go on as far as what has come allows. True as ``receive``."""
        while self.wire is not None and not self._began and (head := self._reader.head) is not None:
            match = self._site.router.resolve(head.path)
            if match is None:
                raise HandshakeError(404, "there is nothing at this path")
            if match.websocket is not None and (head.is_upgrade or head.method not in match.http):
                self._began = True
                return Upgrade(self, self._site.runtime, match.websocket, match.params, head).begin()
            if not self._has_body(match):
                return False
            self._began = True
            self._answer(match)
        return False

    def _has_body(self, match: Match[Kind, Handler]) -> bool:
        """Whether the request is whole; asks for the body if the client waits to be asked."""
        reader = self._reader
        assert reader.head is not None
        if reader.head.method not in match.http:
            raise HandshakeError(405, "the path is not served with this method", [("Allow", match.allow)])
        if reader.wants_continue and self._drained is None:
            self._drained = trio.Event()
            self.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return reader.complete

    def _answer(self, match: Match[Kind, Handler]) -> None:
        head, runtime = self._reader.head, self._site.runtime
        assert head is not None
        request = Request(
            method=head.method,
            path=head.path,
            path_params=match.params,
            query=head.query,
            headers=head.headers,
            body=self._reader.body,
            remote_address=self.address,
            runtime=runtime,
        )
        try:
            result = match.http[head.method](request)
        except Exception as error:
            self._crashed(error)
            return
        if isawaitable(result):
            self.start(_Answer(self, result))
        else:
            self.respond(result)

    def respond(self, result: object) -> None:
        """Send what a handler returned, and go on to the next request."""
        try:
            response = as_response(result)
            payload = response.payload()
            head = self._head(response)
        except Exception as error:
            self._crashed(error)
            return
        self.wire.write(head)
        if isinstance(payload, AsyncIterable):
            if self._is_head:
                self.next()
            else:
                self.start(_Stream(self, payload, framing(response, self._version)))
            return
        if payload and not self._is_head:
            self.wire.write(payload)
        self.next()

    def next(self) -> None:
        """The request is answered: go on to the next one, or take leave."""
        head = self._reader.head
        if self.wire is None:
            return
        if head is None or not self._keeps_alive:
            self._leave()
            return
        self._began = False
        self._drained = None
        self._site.runtime.wheel.schedule(self, self._site.config.keep_alive_timeout)
        self.wire.resume(MAILBOX)
        self._reader.next()

    def go_on(self) -> None:
        """Serve the requests that came behind the one that has just been answered."""
        try:
            if self._advance():
                self.wire.read_again()
        except HandshakeError as error:
            self.refuse(error)

    @property
    def _keeps_alive(self) -> bool:
        head = self._reader.head
        return head is not None and head.keep_alive and not self._site.draining

    @property
    def _is_head(self) -> bool:
        return self._reader.head is not None and self._reader.head.method == "HEAD"

    @property
    def _version(self) -> str:
        return "1.1" if self._reader.head is None else self._reader.head.http_version

    def _head(self, response: Response) -> bytes:
        return head_bytes(response, keep_alive=self._keeps_alive, http_version=self._version)

    # Trouble

    def refuse(self, error: HandshakeError) -> None:
        """Answer with an error status and take leave."""
        wire = self.wire
        if wire is None:
            return
        self._site.runtime.emit(HandshakeRefused(error.status, str(error), str(self.address)))
        wire.write(refusal(error))
        self._leave()

    def reject(self, head: bytes, body: bytes, status: int) -> None:
        """``connect`` turned the client away."""
        self._site.runtime.emit(HandshakeRefused(status, "rejected by connect", str(self.address)))
        self.wire.write(head)
        self.wire.write(body)
        self._leave()

    def _crashed(self, error: BaseException) -> None:
        if isinstance(error, HandshakeError):
            self.refuse(error)
        else:
            self.crashed(error)

    def crashed(self, error: BaseException) -> None:
        """User code raised: that is told to the log, not to the client."""
        path = self._reader.head.path if self._reader.head is not None else ""
        self._site.runtime.emit(HandlerCrashed(path, error))
        self.refuse(HandshakeError(500, "internal server error"))

    def close_if_idle(self) -> None:
        """The server goes away: take leave unless a request is being answered."""
        if not self._began:
            self._leave()

    def _leave(self) -> None:
        self._began = True
        self._site.runtime.wheel.schedule(self, 5.0)
        if self.wire is not None:
            self.wire.close()

    # Work that waits

    def start(self, job: _Work) -> None:
        """Run ``job`` in a worker; meanwhile nothing is read."""
        self.wire.pause(MAILBOX)
        runtime = self._site.runtime
        runtime.wheel.schedule(self, self._site.config.handler_timeout)
        self._worker = runtime.workers.start(job)

    def finished(self) -> None:
        """The job is done."""
        self._worker = None

    def became_websocket(self) -> bytes:
        """The handshake is done, and someone else receives now; returns what came behind the head."""
        site, rest = self._site, self._reader.rest
        site.runtime.wheel.cancel(self)
        site.endpoints.discard(self)
        self.wire = None  # type: ignore[assignment]
        return rest

    async def send_piece(self, piece: bytes) -> None:
        """Send a piece of a body, and wait until the client has taken most of what was sent."""
        wire = self.wire
        if wire is None:
            raise trio.BrokenResourceError("the client has gone")
        wire.write(piece)
        self._site.runtime.wheel.schedule(self, self._site.config.handler_timeout)
        await trio.lowlevel.checkpoint()
        while self.wire is not None and wire.buffered > self._site.options.high_water_mark:
            self._drained = trio.Event()
            await self._drained.wait()


class _Work:
    """A job of an endpoint that takes its time; answers 503 if it is cut."""

    __slots__ = ("endpoint",)

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def work(self) -> None:
        endpoint = self.endpoint
        try:
            await self.run()
        except trio.Cancelled:
            raise
        except BaseException as error:
            endpoint.finished()
            self.failed(error)

    async def run(self) -> None:
        """The job itself; calls ``endpoint.finished`` before it goes on."""
        raise NotImplementedError  # pragma: no cover

    def failed(self, error: BaseException) -> None:
        """It raised."""
        self.endpoint._crashed(error)

    def cut(self) -> None:
        self.endpoint.finished()
        if self.endpoint.wire is not None:
            self.endpoint.refuse(HandshakeError(503, "the answer took too long", [("Retry-After", "5")]))


class _Answer(_Work):
    """An ``async def`` handler."""

    __slots__ = ("awaitable",)

    def __init__(self, endpoint: Endpoint, awaitable: Awaitable[Any]) -> None:
        super().__init__(endpoint)
        self.awaitable = awaitable

    async def run(self) -> None:
        result = await self.awaitable
        self.endpoint.finished()
        if self.endpoint.wire is not None:
            self.endpoint.respond(result)
            self.endpoint.go_on()


class _Stream(_Work):
    """A body in pieces. Its head has left: if it fails, the client can only be told by cutting it short."""

    __slots__ = ("framing", "pieces")

    def __init__(self, endpoint: Endpoint, pieces: AsyncIterable[bytes], framing: Framing) -> None:
        super().__init__(endpoint)
        self.pieces = pieces
        self.framing = framing

    async def run(self) -> None:
        endpoint = self.endpoint
        chunked = self.framing is Framing.CHUNKED
        async for piece in self.pieces:
            await endpoint.send_piece(chunk(piece) if chunked else piece)
        endpoint.finished()
        if endpoint.wire is not None:
            if chunked:
                endpoint.wire.write(LAST_CHUNK)
            endpoint.next()
            endpoint.go_on()

    def failed(self, error: BaseException) -> None:
        endpoint = self.endpoint
        if endpoint.wire is not None:
            if not isinstance(error, trio.BrokenResourceError):
                endpoint._site.runtime.emit(HandlerCrashed(endpoint._reader.head.path, error))
            endpoint.wire.abort()

    def cut(self) -> None:
        self.endpoint.finished()
        if self.endpoint.wire is not None:
            self.endpoint.wire.abort()
