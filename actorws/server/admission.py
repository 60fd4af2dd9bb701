"""Admission: whether a request for a behaviour is let in: where it comes from is checked, then ``connect`` decides.

Rules owned here: ``connect`` is asked for each such request, whatever it is for, before anything is taken for it; what
it raises or returns costs this request only. Must not know what the request is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import trio

from actorws.behaviour import Accept, Reject
from actorws.conn import Conn
from actorws.exceptions import HandshakeError
from actorws.protocol import handshake
from actorws.protocol.head import Head
from actorws.server.http import Response, head_bytes

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.server.endpoint import Endpoint
    from actorws.server.site import Site

__all__ = ["Admission"]

#: What ``None`` from ``connect`` means.
_ACCEPT = Accept()


class Admission:
    """One request. What becomes of it when it is let in is for subclasses to say."""

    __slots__ = ("_conn", "_endpoint", "_head", "_kind", "_runtime", "_sessions")

    def __init__(self, endpoint: Endpoint, site: Site, kind: Kind, path_params: Mapping[str, str], head: Head) -> None:
        runtime = site.runtime
        self._endpoint = endpoint
        self._runtime = runtime
        self._sessions = site.sessions
        self._kind = kind
        self._head = head
        self._conn = Conn(
            runtime,
            head,
            serial=runtime.next_serial(),
            path_params=path_params,
            remote_address=endpoint.address,
            transport=self._transport_of(head),
        )

    def _transport_of(self, head: Head) -> str:
        """What ``conn.transport`` says in ``connect``."""
        return "websocket"

    def begin(self) -> bool:
        """Check the request and ask ``connect``. True as ``Receiver.receive``. Raises ``HandshakeError``."""
        self._check_origin()
        if self._kind.connect_is_async:
            self._endpoint.start(self)
            return False
        try:
            decision = self._kind.connect(self._conn)
        except BaseException as error:
            self._endpoint.crashed(error)
            return False
        return self._decide(decision)

    def _check_origin(self) -> None:
        options, form = self._kind.config.handshake, self._head.form
        if form is not None and form.allowed_by is options:
            return
        if not handshake.host_allowed(self._head, options.allowed_hosts):
            raise HandshakeError(403, "this server is not called so")
        if not handshake.origin_allowed(self._head, options.allowed_origins):
            raise HandshakeError(403, "the Origin of this page is not allowed")
        if form is not None:
            form.allowed_by = options

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
        try:
            self._go_on(decision)
        except HandshakeError as error:
            endpoint.refuse(error)

    def _go_on(self, decision: Any) -> None:
        """Do as ``connect`` says, which had to wait; more may have come meanwhile."""
        wire = self._endpoint.wire
        if self._decide(decision):
            wire.read_again()

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
        accept = _ACCEPT if decision is None else decision
        if not isinstance(accept, Accept):
            error = TypeError(f"{self._kind.name}.connect must return None, Accept or Reject, not {decision!r:.100}")
            self._endpoint.crashed(error)
            return False
        return self._let_in(accept)

    def _let_in(self, accept: Accept) -> bool:
        """``connect`` lets it in. True as ``Receiver.receive``. Raises ``HandshakeError``."""
        raise NotImplementedError

    def _reject(self, reject: Reject) -> None:
        body = reject.body or f"{reject.status}\n"
        try:
            headers = {**reject.headers, **self._headers_for_pages()}
            response = head_bytes(Response(body, reject.status, headers), keep_alive=False)
        except Exception as error:
            self._endpoint.crashed(error)
            return
        self._endpoint.reject(response, body.encode() if isinstance(body, str) else body, reject.status)

    def _headers_for_pages(self) -> Mapping[str, str]:
        """What a page of another origin needs to see an answer. A handshake's it never sees."""
        return {}
