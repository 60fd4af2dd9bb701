"""Endpoint: one accepted socket from its first byte until it is a WebSocket, or for the plain HTTP requests it brings.

Rules owned here: every request gets exactly one answer, in order; whatever goes wrong is answered with a status and
costs this connection only; each wait has a deadline. Must not know how a WebSocket goes on after the handshake.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from inspect import isawaitable
from typing import TYPE_CHECKING

import trio

from actorws.events import HandlerCrashed, HandshakeRefused, HandshakeTimedOut, KeepAliveTimedOut, ResponseCut
from actorws.exceptions import HandshakeError
from actorws.protocol.http1 import RequestReader
from actorws.server.http import Request, Response, as_response, head_bytes, refusal
from actorws.server.jobs import Answer, Stream
from actorws.server.upgrade import Upgrade
from actorws.transports.contract import Receiver
from actorws.transports.keepalive import LATE
from actorws.transports.wire import MAILBOX, OUTPUT, Wire

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.actor.workers import Job, Worker
    from actorws.server.app import Handler
    from actorws.server.router import Match
    from actorws.server.site import Site

__all__ = ["Endpoint"]

#: Requests of one connection that are answered in a row; 64 KiB hold 2500 of them: 70 ms that others would wait.
REQUESTS_PER_TURN = 32
#: Seconds for the client to end its side of a connection that we have left.
LINGER = 5.0


class Endpoint(Receiver):
    """One accepted socket."""

    __slots__ = (
        "_awaits_body",
        "_began",
        "_drained",
        "_kept",
        "_late",
        "_limit",
        "_reader",
        "_site",
        "_worker",
        "address",
        "gathering",
        "left",
        "overdue",
        "wire",
    )

    def __init__(self, wire: Wire, site: Site, address: tuple[str, int] | str, patience: float | None = None) -> None:
        """``patience``: seconds for the first request's head, where TLS has taken some of them."""
        self.wire = wire
        self.address = address
        self.gathering = False
        self._site = site
        self._reader = RequestReader(site.config)
        #: Whether the current request was handed to its handler, or none is taken any more.
        self._began = False
        #: Whether the head of the current request is there and its body is not.
        self._awaits_body = False
        #: Whether a request was answered and the connection was kept.
        self._kept = False
        #: Whether we have taken leave.
        self.left = False
        self._worker: Worker | None = None
        #: Set when the client has taken what a body in pieces waits for.
        self._drained: trio.Event | None = None
        #: Whether the time is over, but something that has come is still to be read.
        self._late = False
        #: The option whose time was over when a job was cut; empty if it is cut for another reason.
        self.overdue = ""
        site.endpoints.add(self)
        self._within("handshake_timeout", patience)

    # From the driver

    def receive(self, data: bytes) -> bool:
        is_new = self._kept and not self._reader.started
        try:
            self._reader.receive(data)
            if is_new and self._reader.started:
                self._within("handshake_timeout")
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
        elif not self._began:
            # Requests may have been left for when their answers have room.
            self.wire.read_again()

    def closed(self) -> None:
        site = self._site
        site.runtime.wheel.cancel(self)
        site.endpoints.discard(self)
        if self._worker is not None:
            self._worker.cancel()
        # Cycles are cut, so that memory is back without the garbage collector.
        self.wire = None  # type: ignore[assignment]

    def expire(self, now: float) -> None:
        wire = self.wire
        if self._worker is not None:
            # Its job answers 503 when it is cut.
            self.overdue = self._limit
            self._worker.cancel()
        elif wire.buffered and now - wire.last_seen < self._site.config.keep_alive_timeout:
            # Of a long answer, some was taken not long ago.
            self._within("keep_alive_timeout")
        elif not self._late and wire.has_input():
            # It was us who were held up: what the client has said is still to be read.
            self._late = True
            self._site.runtime.wheel.schedule(self, LATE)
        elif self.left:
            wire.abort()
        elif self._reader.started:
            self.refuse(HandshakeError(408, "the request took too long", limit=self._limit))
        elif self._kept:
            self._site.runtime.emit(KeepAliveTimedOut(str(self.address)))
            self._leave()
        else:
            # Nothing was said, so there is nothing to linger for.
            self._site.runtime.emit(HandshakeTimedOut(str(self.address)))
            wire.shut()

    def _within(self, limit: str, seconds: float | None = None) -> None:
        """Expire when the time is over that the option ``limit`` gives, or what is left of it."""
        self._limit = limit
        self._late = False
        self._site.runtime.wheel.schedule(self, getattr(self._site.config, limit) if seconds is None else seconds)

    # One request

    def _advance(self) -> bool:
        """Go on as far as what has come allows. True as ``receive``."""
        answered = 0
        while self.wire is not None and not self._began and (head := self._reader.head) is not None:
            if self.wire.paused & OUTPUT:
                return False  # the client doesn't take the answers that it has: `drained` goes on
            if answered == REQUESTS_PER_TURN:
                return True
            answered += 1
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
        if not reader.complete and not self._awaits_body:
            self._awaits_body = True
            self._within("handler_timeout")
            if reader.wants_continue:
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
        except BaseException as error:
            self.crashed(error)
            return
        if isawaitable(result):
            self.start(Answer(self, result))
        else:
            self.respond(result)

    def respond(self, result: object) -> None:
        """Send what a handler returned, and go on to the next request."""
        try:
            response = as_response(result)
            payload = response.payload()
            head = self._head(response)
        except Exception as error:
            self.crashed(error)
            return
        self.wire.write(head)
        if isinstance(payload, AsyncIterable):
            if self._is_head:
                self.next()
            else:
                self.start(Stream(self, response, payload, self._version))
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
        self._began = self._awaits_body = False
        self._kept = True
        self._drained = None
        self._within("keep_alive_timeout")
        self.wire.resume(MAILBOX)
        self._reader.next()

    def go_on(self) -> None:
        """Serve the requests that came behind the one that has just been answered."""
        wire = self.wire  # which may be a WebSocket's then
        try:
            if self._advance():
                wire.read_again()
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
        try:
            response = refusal(error, is_head=self._is_head)
        except Exception as failure:  # user code raised it, with headers that can't be sent
            self.crashed(failure)
            return
        self._site.runtime.emit(HandshakeRefused(error.status, str(error), str(self.address), error.limit))
        wire.write(response)
        self._leave()

    def reject(self, head: bytes, body: bytes, status: int) -> None:
        """``connect`` turned the client away."""
        self._site.runtime.emit(HandshakeRefused(status, "rejected by connect", str(self.address)))
        self.wire.write(head)
        self.wire.write(body)
        self._leave()

    def crashed(self, error: BaseException) -> None:
        """User code raised: a refusal of its own is for the client, anything else for the log alone."""
        if isinstance(error, HandshakeError):
            self.refuse(error)
        else:
            self.report(error)
            self.refuse(HandshakeError(500, "internal server error"))

    def cut_short(self) -> None:
        """A body that was begun can't be finished: cut the connection, so that the client sees it."""
        if self.wire is None:
            return
        if self.overdue and self._reader.head is not None:
            self._site.runtime.emit(ResponseCut(self._reader.head.path, str(self.address), self.overdue))
        self.wire.abort()

    def report(self, error: BaseException) -> None:
        """Tell the log what user code raised."""
        path = self._reader.head.path if self._reader.head is not None else ""
        self._site.runtime.emit(HandlerCrashed(path, error))

    def close_if_idle(self) -> None:
        """The server goes away: take leave unless a request is being answered."""
        if self._began:
            return
        if self._reader.started:
            self.refuse(HandshakeError(503, "the server is going away", [("Retry-After", "5")]))
        elif self.wire is not None:
            # Nothing was said, so there is nothing to linger for: browsers keep such connections for minutes.
            self.wire.shut()

    def _leave(self) -> None:
        self._began = self.left = True
        self._site.runtime.wheel.schedule(self, LINGER)
        if self.wire is not None:
            self.wire.close()

    # Work that waits

    def start(self, job: Job) -> None:
        """Run ``job`` in a worker; meanwhile nothing is read."""
        self.wire.pause(MAILBOX)
        self._within("handler_timeout")
        self._worker = self._site.runtime.workers.start(job)

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
        self._within("handler_timeout")
        await trio.lowlevel.checkpoint()
        while self.wire is not None and wire.buffered > self._site.options.high_water_mark:
            self._drained = trio.Event()
            await self._drained.wait()
