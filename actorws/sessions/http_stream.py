"""HTTP streams as carriers: server-sent events, and lines, in an answer that doesn't end.

Rules owned here: a stream that has nothing to say shows after ``stream_heartbeat`` seconds that it is there; a client
that takes nothing of what waits for ``idle_timeout`` seconds is gone (one that vanishes is found by TCP, which is told
the same time where the system knows how); what a client sends has no meaning, and little of it ends the wire. Must not
know how a request came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import trio

from actorws.events import ProtocolViolated
from actorws.frames import Close, CloseCode
from actorws.reasons import Timeout
from actorws.sessions import control, lines, sse
from actorws.sessions.http_carrier import Entrance, HttpCarrier
from actorws.sessions.outbox import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actorws.transports.wire import Wire

__all__ = ["STREAMS", "EventStream", "HttpStream", "LineStream"]

#: Bytes that a client may send on a stream. (Browsers send none.)
MAX_SENT: Final = 4096
#: Close codes after which the client should come back: the server goes away, and another will be there.
COMING_BACK: Final = (CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART)
LAST_CHUNK: Final = b"0\r\n\r\n"


class HttpStream(HttpCarrier):
    """One stream. How messages look is for its subclasses to say."""

    content_type: ClassVar[str]
    heartbeat: ClassVar[bytes]

    __slots__ = ("_chunked", "_head", "_sent", "_spoke", "_stuck", "_stuck_since")

    def __init__(self, entrance: Entrance, head: bytes, *, chunked: bool) -> None:
        """``head`` leaves before the greeting; ``chunked`` is how it says that the body ends, else with TCP."""
        super().__init__(entrance)
        self._head = head
        self._chunked = chunked
        #: Bytes that the client has sent.
        self._sent = 0
        #: When something was said last.
        self._spoke = 0.0
        #: What the kernel was given and has not taken when that was last looked at, and since when.
        self._stuck: memoryview | None = None
        self._stuck_since = 0.0

    # From the driver

    def receive(self, data: bytes) -> bool:
        self._sent += len(data)
        if self._sent > MAX_SENT and self.wire is not None and not self._left:
            if self.session is not None:
                conn, why = self.session.conn, "a client has nothing to say on a stream"
                conn.runtime.emit(ProtocolViolated(conn, CloseCode.PROTOCOL_ERROR, why))
            self.wire.abort()
        return False

    def expire(self, now: float) -> None:
        wire = self.wire
        if wire is None:
            return
        if self._left or self.session is None:
            wire.abort()
        elif self._is_stuck(wire, now):
            self._give_up(wire)
        else:
            if wire.rest is None and now - self._spoke >= self._silence:
                self._write(wire, self.heartbeat)
                self._spoke = now
            self._watch(wire, now)

    def _watch(self, wire: Wire, now: float) -> None:
        """Look again when the silence may be long enough, or nothing may have been taken for long enough."""
        wire.runtime.wheel.schedule(self, max(self._silence - (now - self._spoke), self._silence / 8))

    @property
    def _silence(self) -> float:
        assert self.session is not None
        return self.session.kind.config.sessions.stream_heartbeat

    def _is_stuck(self, wire: Wire, now: float) -> bool:
        """Whether the kernel has taken nothing for too long: then what it was given is the same still."""
        assert self.session is not None
        limit = self.session.kind.config.timeouts.idle_timeout
        if wire.rest is None or wire.rest is not self._stuck:
            self._stuck, self._stuck_since = wire.rest, now
        return self._stuck is not None and limit is not None and now - self._stuck_since >= limit

    def _give_up(self, wire: Wire) -> None:
        self._stuck = None
        if self.session is not None:
            self.session.lost(self, Timeout("idle"))
        wire.abort()

    # From the session

    @property
    def takes(self) -> bool:
        return self.wire is not None and not self._left and self.wire.takes_more()

    @property
    def buffered(self) -> int:
        return 0 if self.wire is None else self.wire.buffered

    def greet(self, greeting: str) -> None:
        wire, behind = self._enter()
        head, self._head = self._head, b""
        wire.write(head)
        self._write(wire, self._greeting(greeting))
        self._spoke = trio.current_time()
        self._watch(wire, self._spoke)
        self._sent = len(behind)

    def carry(self, message: Message, cache: dict[Any, Any] | None = None) -> None:
        wire = self.wire
        if wire is not None and not self._left:
            self._spoke = trio.current_time()
            wire.write(self._encoded(message, {} if cache is None else cache))

    def close(self, frame: Close) -> bool:
        self._end(self._close_words(frame))
        return False

    def leave(self, frame: Close) -> None:
        self.close(frame)

    def supersede(self) -> None:
        self._end(b"")

    def _end(self, words: bytes) -> None:
        wire = self.wire
        if wire is None or self._left:
            return
        if words:
            self._write(wire, words)
        if self._chunked:
            wire.write(LAST_CHUNK)
        self._stuck = None
        self._leave(wire)

    def _write(self, wire: Wire, piece: bytes) -> None:
        wire.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    # What it looks like

    def _greeting(self, greeting: str) -> bytes:
        raise NotImplementedError

    def _close_words(self, frame: Close) -> bytes:
        raise NotImplementedError

    def _encoded(self, message: Message, cache: dict[Any, Any]) -> bytes:
        """A message as it goes over the wire; ``cache`` is for what others can use of it."""
        raise NotImplementedError


class EventStream(HttpStream):
    """Server-sent events, with ids by which a browser's ``EventSource`` goes on."""

    name = "sse"
    content_type = "text/event-stream"
    heartbeat = sse.COMMENT

    __slots__ = ("_id", "_number")

    def _greeting(self, greeting: str) -> bytes:
        assert self.session is not None
        self._number = self.session.outbox.handed
        #: What its ids begin with.
        self._id = b"id: %b." % str(self.session.id).encode()
        return b"%b%d\n%b" % (self._id, self._number, sse.named_event("session", greeting))

    def _close_words(self, frame: Close) -> bytes:
        event = sse.named_event("close", control.close(frame.code, frame.reason))
        return event if frame.code in COMING_BACK else b"%b%b\n%b" % (self._id, sse.END.encode(), event)

    def _encoded(self, message: Message, cache: dict[Any, Any]) -> bytes:
        key = "sse", message
        event: bytes | None = cache.get(key)
        if event is None:
            event = cache[key] = sse.event(message)
        self._number += 1
        if not self._chunked:
            return b"%b%d\n%b" % (self._id, self._number, event)
        number = b"%d\n" % self._number
        size = len(self._id) + len(number) + len(event)
        return b"%x\r\n%b%b%b\r\n" % (size, self._id, number, event)


class LineStream(HttpStream):
    """A JSON value a line."""

    name = "stream"
    content_type = "application/x-ndjson"
    heartbeat = b"\n"

    __slots__ = ()

    def _greeting(self, greeting: str) -> bytes:
        return lines.control_line(greeting)

    def _close_words(self, frame: Close) -> bytes:
        return lines.control_line(control.close(frame.code, frame.reason))

    def _encoded(self, message: Message, cache: dict[Any, Any]) -> bytes:
        key = "stream" if self._chunked else "line", message
        piece: bytes | None = cache.get(key)
        if piece is None:
            line = lines.line(message)
            piece = cache[key] = b"%x\r\n%b\r\n" % (len(line), line) if self._chunked else line
        return piece


#: By what ``transport`` in a query and the option ``transports`` call them.
STREAMS: Final[Mapping[str, type[HttpStream]]] = {kind.name: kind for kind in (EventStream, LineStream)}
