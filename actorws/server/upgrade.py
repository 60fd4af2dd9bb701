"""Upgrade: a WebSocket handshake on an endpoint, from the request's head to the first callback.

Rules owned here: the slot is taken once and the actor exists before the 101 leaves, so nothing that comes early is
lost; ``init``'s frames are the first bytes behind the 101. Must not know sockets.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import trio

from actorws.actor.actor import Actor
from actorws.behaviour import Accept
from actorws.events import ActorStarted, HandshakeRefused
from actorws.exceptions import HandshakeError
from actorws.frames import MAX_CLOSE_REASON, Close, CloseCode
from actorws.protocol import deflate, handshake
from actorws.protocol.head import Head
from actorws.server.admission import Admission
from actorws.sessions.control import SUBPROTOCOL, Hello
from actorws.sessions.opening import begin, resume
from actorws.sessions.store import Lost
from actorws.sessions.websocket import WebsocketCarrier
from actorws.transports.deflated import DeflatedTransport
from actorws.transports.rates import Metered
from actorws.transports.websocket import WebsocketTransport

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.server.endpoint import Endpoint
    from actorws.server.site import Site

__all__ = ["Upgrade"]


class Upgrade(Admission):
    """One handshake."""

    __slots__ = ("_agreed", "_forms", "_identity", "_in_session", "_key")

    def __init__(self, endpoint: Endpoint, site: Site, kind: Kind, path_params: Mapping[str, str], head: Head) -> None:
        super().__init__(endpoint, site, kind, path_params, head)
        self._forms = site.forms
        self._key = ""
        #: The compression that was agreed to, if any.
        self._agreed: deflate.Agreed | None = None
        #: Whether the client speaks ``actorws.v1``: then its first message says which session it wants.
        self._in_session = False
        self._identity: Hashable | None = None

    def begin(self) -> bool:
        """As for any admission, of a request that has to be a handshake."""
        if "websocket" not in self._kind.config.sessions.transports:
            raise HandshakeError(404, "there is no WebSocket at this path")
        self._key = handshake.check(self._head)
        return super().begin()

    def _let_in(self, accept: Accept) -> bool:
        try:
            response = self._response(accept)
        except Exception as error:
            self._endpoint.crashed(error)
            return False
        if not self._in_session:
            self._runtime.supervisor.admit(self._conn, self._kind.config.limits)
        return self._accept(response)

    def _response(self, accept: Accept) -> bytes:
        offered = handshake.offered_subprotocols(self._head)
        config = self._kind.config.handshake
        if SUBPROTOCOL in offered:
            offered.remove(SUBPROTOCOL)
            self._in_session = True
            self._identity = accept.identity
        chosen = self._conn.subprotocol = handshake.choose_subprotocol(offered, config, accept.subprotocol)
        agreed = self._agreed = deflate.negotiate(self._head, self._kind.config.compression)
        extensions = None if agreed is None else agreed.header
        return handshake.response(self._key, SUBPROTOCOL if self._in_session else chosen, accept.headers, extensions)

    def _accept(self, response: bytes) -> bool:
        runtime, kind, conn = self._runtime, self._kind, self._conn
        wire = self._endpoint.wire
        rest = self._endpoint.became_websocket()
        conn._head, conn._key = self._forms.pack(self._head, self._key)
        wire.options = kind.config.backpressure
        carrier = WebsocketCarrier(kind, conn, self._greeted, self._sessions.expected) if self._in_session else None
        if self._agreed is None:
            transport = WebsocketTransport(wire, kind, conn, carrier)
        else:
            transport = DeflatedTransport(wire, kind, conn, self._agreed, carrier)
        receiver = transport if kind.rates is None else Metered(transport, kind.rates, trio.current_time)
        wire.receiver = receiver
        wire.resume(~0)
        if carrier is not None:
            carrier.transport = transport
            wire.write(response)
        else:
            actor = transport.actor
            assert isinstance(actor, Actor)
            runtime.supervisor.add(actor, conn)
            wire.write(response)
            if runtime.wants_details():
                runtime.emit(ActorStarted(conn))
            actor.start()
        return receiver.receive(rest) if rest else False

    def _greeted(self, carrier: WebsocketCarrier, hello: Hello) -> None:
        """The client of a session has said which one it wants."""
        store, kind, conn, lost = self._sessions, self._kind, self._conn, None
        if hello.session is not None:
            found = resume(store, kind, conn, self._identity, carrier, hello.session, hello.received)
            if not isinstance(found, Lost):
                carrier.conn = found.conn
                return
            lost = found
        try:
            begin(store, kind, conn, self._identity, carrier, lost)
        except HandshakeError as error:
            self._runtime.emit(HandshakeRefused(error.status, str(error), str(conn.remote_address), error.limit))
            carrier.leave(Close(CloseCode.TRY_AGAIN_LATER, str(error)[:MAX_CLOSE_REASON]))
