"""HTTP downlink: a GET that brings messages of the server: a stream, or one poll.

Rules owned here: a session that can't be gone on with is a 410, but to a browser's ``EventSource``, which could do
nothing with that, a new session that says so; a request that comes late, when its client has said more elsewhere, is
refused and ends nothing. Must not know how messages look.
"""

from __future__ import annotations

import socket as _socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from actorws.events import SessionLost
from actorws.exceptions import HandshakeError
from actorws.io.socket_wire import SocketWire
from actorws.io.stream import StreamWire
from actorws.protocol import handshake
from actorws.protocol.head import Head
from actorws.protocol.headers import is_token
from actorws.server.http import Framing, Response, framed_head
from actorws.server.session_request import COMMON_HEADERS, SessionRequest
from actorws.sessions import poll, sse
from actorws.sessions.http_carrier import HttpCarrier
from actorws.sessions.http_stream import STREAMS, HttpStream
from actorws.sessions.opening import begin, resume
from actorws.sessions.poll import Poll
from actorws.sessions.session import Session
from actorws.sessions.store import Lost

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.server.endpoint import Endpoint
    from actorws.server.site import Site
    from actorws.transports.wire import Wire

__all__ = ["Downlink", "wanted_transport"]

EVENTS: Final = "text/event-stream"


def wanted_transport(head: Head) -> str:
    """By what a GET wants its messages, as the option ``transports`` calls it; empty if it wants none."""
    if b"transport=" in head.raw and (named := head.query.get("transport")) is not None:
        return named
    accepted = head.get("accept", "") or ""
    return "sse" if any(item.partition(";")[0].strip().lower() == EVENTS for item in accepted.split(",")) else ""


class Downlink(SessionRequest):
    """One such GET."""

    __slots__ = ("_polls", "_transport")

    def __init__(self, endpoint: Endpoint, site: Site, kind: Kind, path_params: Mapping[str, str], head: Head) -> None:
        super().__init__(endpoint, site, kind, path_params, head)
        self._polls = site.polls
        self._transport = self._conn.transport

    def _transport_of(self, head: Head) -> str:
        return wanted_transport(head)

    def _serve(self) -> None:
        named = self._session_id
        event = self._head.get("last-event-id") if self._transport == "sse" else None
        if named is not None:
            received = self._count("Actorws-Received")
            if received is None:
                raise HandshakeError(400, "a request that resumes a session needs Actorws-Received")
            lost = self._resume(named, received)
            if lost is not None:
                self._gone(lost.reason)
        elif event:
            self._serve_event_source(event)
        else:
            self._begin()

    def _serve_event_source(self, event: str) -> None:
        """For a browser's own ``EventSource``, which comes back by itself until it gets a 204."""
        last = sse.last_event(event)
        if last is None:
            self._begin(Lost("unknown"))
        elif last[1] is None:
            self._answer(204, None)
        elif (lost := self._resume(last[0], last[1])) is not None:
            self._begin(lost)

    def _begin(self, lost: Lost | None = None) -> None:
        value = self._head.get("actorws-subprotocols", "") or ""
        offered = [name for name in map(str.strip, value.split(",")) if name]
        if not all(map(is_token, offered)):
            raise HandshakeError(400, "Actorws-Subprotocols is not a list of tokens")
        config = self._kind.config.handshake
        self._conn.subprotocol = handshake.choose_subprotocol(offered, config, self._accept.subprotocol)
        begin(self._sessions, self._kind, self._conn, self._accept.identity, self._carrier(at_once=True), lost)
        self._conn._head = self._head.packed()

    def _resume(self, named: str, received: int) -> Lost | None:
        """Go on with a session. Raises ``HandshakeError`` 400 for a count that can't be."""
        sessions, kind, identity = self._sessions, self._kind, self._accept.identity
        found = sessions.find(kind, named, identity)
        if isinstance(found, Session):
            if received > found.outbox.count:
                raise HandshakeError(400, "Actorws-Received is more than there were messages")
            if received < found.outbox.acknowledged:
                self._runtime.emit(SessionLost(str(self._conn.remote_address), "overflow"))
                return Lost("overflow")
        at_once = isinstance(found, Session) and found.name != Poll.name
        result = resume(sessions, kind, self._conn, identity, self._carrier(at_once=at_once), named, received)
        return result if isinstance(result, Lost) else None

    # The carrier

    def _carrier(self, *, at_once: bool) -> HttpCarrier:
        head, endpoint = self._head, self._endpoint
        if self._transport == Poll.name:
            headers = self._lines(poll.CONTENT_TYPE)
            keep_alive, address = head.keep_alive, endpoint.address
            return Poll(self, self._polls, address=address, headers=headers, keep_alive=keep_alive, at_once=at_once)
        kind = STREAMS[self._transport]
        chunked = head.http_version == "1.1"
        framing = Framing.CHUNKED if chunked else Framing.CLOSE
        answer = framed_head(200, self._lines(kind.content_type), framing, None, keep_alive=False)
        return kind(self, answer, chunked=chunked)

    def _lines(self, content_type: str) -> str:
        """Header lines of the answer. Raises ``ValueError`` for what ``connect`` has added and can't be sent."""
        headers = self._headers()
        if headers == COMMON_HEADERS and content_type in _LINES:
            return _LINES[content_type]
        return Response(headers=headers, content_type=content_type)._lines()

    def hand_over(self, carrier: HttpCarrier) -> tuple[Wire, bytes]:
        """Let go of the wire, as ``Entrance`` has it."""
        wire = self._endpoint.wire
        behind = self._endpoint.became_websocket()
        wire.options = self._kind.config.backpressure
        wire.receiver = carrier
        wire.resume(~0)
        if isinstance(carrier, HttpStream):
            _watch_peer(wire, self._kind.config.timeouts.idle_timeout)
        return wire, behind


def _watch_peer(wire: Wire, seconds: float | None) -> None:
    """Have TCP find out that a client has vanished, by what it doesn't confirm: only it can know. (RFC 5482.)"""
    socket = wire.socket if isinstance(wire, SocketWire | StreamWire) else None
    option = getattr(_socket, "TCP_USER_TIMEOUT", None)
    if socket is None or option is None or seconds is None or socket.family not in (_socket.AF_INET, _socket.AF_INET6):
        return
    try:
        socket.setsockopt(_socket.IPPROTO_TCP, option, max(1, int(seconds * 1000)))
    except OSError:
        pass  # it has gone already, which shows next


#: The same for almost all: one string for all that are parked.
_LINES: Final = {
    content_type: Response(headers=COMMON_HEADERS, content_type=content_type)._lines()
    for content_type in (poll.CONTENT_TYPE, *(kind.content_type for kind in STREAMS.values()))
}
