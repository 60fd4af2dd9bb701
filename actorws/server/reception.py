"""Reception: the life of an accepted connection: its deadlines, its end, and how somebody is turned away.

Rules owned here: whatever goes wrong is answered with a status and costs this connection only; each wait has a
deadline; what we have said last is not lost to a reset. Must not know what is served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actorws.events import HandlerCrashed, HandshakeRefused, HandshakeTimedOut, KeepAliveTimedOut, ResponseCut
from actorws.exceptions import HandshakeError
from actorws.protocol.http1 import RequestReader
from actorws.server.http import refusal
from actorws.transports.contract import Receiver
from actorws.transports.keepalive import LATE
from actorws.transports.wire import MAILBOX, Wire

if TYPE_CHECKING:
    from actorws.actor.workers import Assignment, Job
    from actorws.server.asgi_call import AsgiCall
    from actorws.server.site import Site

__all__ = ["Reception"]

#: Seconds for the client to end its side of a connection that we have left.
LINGER = 5.0
#: Seconds for the first request of a connection that was accepted before the server began to go away.
FIRST_WORDS = 0.25


class Reception(Receiver):
    """One accepted connection. ``Endpoint`` is one that also answers requests."""

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
        "call",
        "gathering",
        "left",
        "overdue",
        "stays",
        "wire",
    )

    def __init__(self, wire: Wire, site: Site, address: tuple[str, int] | str, patience: float | None = None) -> None:
        """``patience``: seconds for the first request's head, where TLS has taken some of them."""
        self.wire = wire
        self.address = address
        self.gathering = False
        self._site = site
        self._reader = RequestReader(site.config, site.forms)
        #: Whether the current request was handed to its handler, or none is taken any more.
        self._began = False
        #: Whether the head of the current request is there and its body is not.
        self._awaits_body = False
        #: Whether a request was answered and the connection was kept.
        self._kept = False
        #: Whether the current request is served here, whichever worker it is for.
        self.stays = False
        #: Whether we have taken leave.
        self.left = False
        self._worker: Assignment | AsgiCall | None = None
        #: The mounted app's work on the current request, until its answer is complete. It is ``_worker`` then, too.
        self.call: AsgiCall | None = None
        #: Set when the client has taken what a body in pieces waits for.
        self._drained: trio.Event | None = None
        #: Whether the time is over, but something that has come is still to be read.
        self._late = False
        #: The option whose time was over when a job was cut; empty if it is cut for another reason.
        self.overdue = ""
        site.endpoints.add(self)
        self._within("handshake_timeout", patience)

    # From the driver

    def ended(self, error: OSError | None) -> None:
        if self.wire is None:
            return
        if self.call is not None and error is None and (self.wire.open or self.wire.queue is not None):
            # Nothing is broken: it may have ended its side only, and wait for the answer.
            self.call.finished_sending()
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
        if self._drained is not None:
            self._drained.set()

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
            if not self._site.draining:
                self._site.runtime.emit(HandshakeTimedOut(str(self.address)))
            wire.shut()

    def _within(self, limit: str, seconds: float | None = None) -> None:
        """Expire when the time is over that the option ``limit`` gives, or what is left of it."""
        self._limit = limit
        self._late = False
        self._site.runtime.wheel.schedule(self, getattr(self._site.config, limit) if seconds is None else seconds)

    @property
    def raw(self) -> bytes:
        """What has come of the current request and behind it."""
        return self._reader.raw

    @property
    def _is_head(self) -> bool:
        return self._reader.head is not None and self._reader.head.method == "HEAD"

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
        elif self.wire is not None and self._kept:
            # Nothing was said since, so there is nothing to linger for: browsers keep such connections for minutes.
            self.wire.shut()
        elif self.wire is not None:
            # It may have been accepted just now, its request on the way.
            self._site.runtime.wheel.schedule(self, FIRST_WORDS)

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

    def attend(self, call: AsgiCall) -> None:
        """``call`` answers, in a task that it has already; meanwhile what comes is kept, so that an end shows."""
        self.overdue = ""
        self._within("handler_timeout")
        self._worker = self.call = call

    def takes_what_is_sent(self, seconds: float) -> bool:
        """Whether nothing waits for the client, or it has given a sign of life in so many seconds."""
        wire = self.wire
        return not wire.buffered or trio.current_time() - wire.last_seen < seconds

    def finished(self) -> None:
        """The job is done."""
        self._worker = self.call = None

    async def send_piece(self, piece: bytes) -> None:
        """Send a piece of a body, and wait until the client has taken most of what was sent."""
        wire = self.wire
        if wire is None:
            raise trio.BrokenResourceError("the client has gone")
        wire.write(piece)
        self._within("handler_timeout")
        await trio.lowlevel.checkpoint()
        # Of what has not been handed on yet, a wire doesn't say that it was taken.
        wire.flush()
        while self.wire is not None and wire.buffered > self._site.options.high_water_mark:
            self._drained = trio.Event()
            await self._drained.wait()
