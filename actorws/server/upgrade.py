"""Upgrade: a WebSocket handshake on an endpoint, from the request's head to the first callback.

Rules owned here: ``connect`` decides before a slot is taken; the slot is taken once and the actor exists before the
101 leaves, so nothing that comes early is lost; ``init``'s frames are the first bytes behind the 101. Must not know
sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import trio

from actorws.behaviour import Accept, Reject
from actorws.conn import Conn
from actorws.events import ActorStarted
from actorws.exceptions import HandshakeError
from actorws.protocol import deflate, handshake
from actorws.protocol.head import Head
from actorws.server.http import Response, head_bytes
from actorws.transports.deflated import DeflatedTransport
from actorws.transports.rates import Metered
from actorws.transports.websocket import WebsocketTransport

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.runtime import Runtime
    from actorws.server.endpoint import Endpoint

__all__ = ["Upgrade"]


class Upgrade:
    """One handshake."""

    __slots__ = ("_agreed", "_conn", "_endpoint", "_head", "_key", "_kind", "_runtime")

    def __init__(
        self, endpoint: Endpoint, runtime: Runtime, kind: Kind, path_params: Mapping[str, str], head: Head
    ) -> None:
        self._endpoint = endpoint
        self._runtime = runtime
        self._kind = kind
        self._head = head
        self._key = ""
        #: The compression that was agreed to, if any.
        self._agreed: deflate.Agreed | None = None
        self._conn = Conn(
            runtime, head, serial=runtime.next_serial(), path_params=path_params, remote_address=endpoint.address
        )

    def begin(self) -> bool:
        """Check the request and ask ``connect``. True as ``Receiver.receive``. Raises ``HandshakeError``."""
        self._key = handshake.check(self._head)
        options = self._kind.config.handshake
        if not handshake.host_allowed(self._head, options.allowed_hosts):
            raise HandshakeError(403, "this server is not called so")
        if not handshake.origin_allowed(self._head, options.allowed_origins):
            raise HandshakeError(403, "the Origin of this page is not allowed")
        if self._kind.connect_is_async:
            self._endpoint.start(self)
            return False
        try:
            decision = self._kind.connect(self._conn)
        except BaseException as error:
            self._endpoint.crashed(error)
            return False
        return self._decide(decision)

    async def work(self) -> None:
        """An ``async def connect``, in a worker."""
        endpoint = self._endpoint
        try:
            decision = await self._kind.connect(self._conn)
        except trio.Cancelled:
            raise
        except BaseException as error:
            endpoint.finished()
            endpoint.crashed(error)
            return
        endpoint.finished()
        if endpoint.wire is None or endpoint.left:
            return
        wire = endpoint.wire
        try:
            if self._decide(decision):
                wire.read_again()
        except HandshakeError as error:
            endpoint.refuse(error)

    def cut(self) -> None:
        """``connect`` was cancelled: it took too long, or the client has gone."""
        self._endpoint.finished()
        limit = self._endpoint.overdue
        self._endpoint.refuse(HandshakeError(503, "the handshake took too long", [("Retry-After", "5")], limit))

    def _decide(self, decision: Any) -> bool:
        """Do as ``connect`` says."""
        if isinstance(decision, Reject):
            self._reject(decision)
            return False
        accept = decision if isinstance(decision, Accept) else Accept()
        if decision is not None and accept is not decision:
            error = TypeError(f"{self._kind.name}.connect must return None, Accept or Reject, not {decision!r:.100}")
            self._endpoint.crashed(error)
            return False
        try:
            response = self._response(accept)
        except Exception as error:
            self._endpoint.crashed(error)
            return False
        self._runtime.supervisor.admit(self._conn, self._kind.config.limits)
        return self._accept(response)

    def _response(self, accept: Accept) -> bytes:
        offered = handshake.offered_subprotocols(self._head)
        config = self._kind.config.handshake
        self._conn.subprotocol = handshake.choose_subprotocol(offered, config, accept.subprotocol)
        agreed = self._agreed = deflate.negotiate(self._head, self._kind.config.compression)
        extensions = None if agreed is None else agreed.header
        return handshake.response(self._key, self._conn.subprotocol, accept.headers, extensions)

    def _reject(self, reject: Reject) -> None:
        body = reject.body or f"{reject.status}\n"
        try:
            response = head_bytes(Response(body, reject.status, reject.headers), keep_alive=False)
        except Exception as error:
            self._endpoint.crashed(error)
            return
        self._endpoint.reject(response, body.encode() if isinstance(body, str) else body, reject.status)

    def _accept(self, response: bytes) -> bool:
        runtime, kind, conn = self._runtime, self._kind, self._conn
        wire = self._endpoint.wire
        rest = self._endpoint.became_websocket()
        self._head.forget()
        wire.options = kind.config.backpressure
        if self._agreed is None:
            transport = WebsocketTransport(wire, kind, conn)
        else:
            transport = DeflatedTransport(wire, kind, conn, self._agreed)
        receiver = transport if kind.rates is None else Metered(transport, kind.rates, trio.current_time)
        wire.receiver = receiver
        wire.resume(~0)
        runtime.supervisor.add(transport.actor, conn)
        wire.write(response)
        runtime.emit(ActorStarted(conn))
        transport.actor.start()
        return receiver.receive(rest) if rest else False
