"""Custom: connections that a factory of the user's takes over, to have an actor live behind a transport of its making.

Rules owned here: the last factory registered is asked first; a connection goes over to a transport only if one is
returned and the request may come from where it does; from then on its actor is as every other. Must not know what the
factories make.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from actorws.exceptions import HandshakeError
from actorws.io.wire_stream import WireStream
from actorws.protocol import handshake
from actorws.server.http import Request
from actorws.server.router import Router
from actorws.server.run_over import OpenDoor, run_behind
from actorws.transports.custom import Transport

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.protocol.head import Head
    from actorws.runtime import Runtime
    from actorws.server.app import Handler
    from actorws.server.endpoint import Endpoint
    from actorws.server.router import Match
    from actorws.server.site import Site

__all__ = ["Factory", "Routes", "TransportRequest", "choose"]


@frozen(kw_only=True, eq=False)
class TransportRequest(Request):
    """A request on a behaviour's path, as a factory of transports sees it. Its body, if any, comes with the stream."""

    _stream: WireStream = field(factory=WireStream, repr=False)

    @property
    def is_taken_over(self) -> bool:
        """Whether ``take_over`` was called."""
        return self._stream.wanted

    def take_over(self) -> WireStream:
        """The raw connection, as a ``trio.abc.Stream`` with a synchronous ``abort()``; again: the same.

        It begins with the first byte behind the request's head, which nobody has answered: with whatever answer your
        protocol has. It works as soon as the factory has returned its ``Transport``; if none is returned, never.
        """
        self._stream.wanted = True
        return self._stream


#: ``def``; is given each request on a behaviour's path, and returns a transport for it, or ``None``.
Factory: TypeAlias = Callable[[TransportRequest], Transport | None]


class Routes(Router["Kind", "Handler"]):
    """An app's routes, and who is asked about those of its behaviours."""

    def __init__(self) -> None:
        super().__init__()
        #: In the order in which they were registered.
        self.factories: list[Factory] = []


class Hosted:
    """A worker's job: an actor behind a transport."""

    __slots__ = ("kind", "request", "runtime", "stream", "transport")

    def __init__(
        self, transport: Transport, kind: Kind, runtime: Runtime, request: TransportRequest, stream: WireStream
    ) -> None:
        self.transport = transport
        self.stream = stream
        self.kind = kind
        self.runtime = runtime
        self.request = request

    async def work(self) -> None:
        """Run it."""
        await run_behind(OpenDoor(self.transport), self.kind, self.runtime, self.request)
        self.stream.abort()  # which does nothing where the transport has seen to it

    def cut(self) -> None:
        """It was cancelled, which has ended the actor already, or before it had begun."""
        self.transport.abort()
        self.stream.abort()


def choose(endpoint: Endpoint, site: Site, match: Match[Kind, Handler], head: Head) -> bool:
    """Ask the factories about a request. Whether the endpoint has nothing more to do with it.

    Raises ``HandshakeError`` 403 if one would take it, and the route doesn't allow for where it comes from.
    """
    assert match.websocket is not None
    request = TransportRequest(
        method=head.method,
        path=head.path,
        path_params=match.params,
        query=head.query,
        headers=head.headers,
        remote_address=endpoint.address,
        runtime=site.runtime,
    )
    try:
        transport = _ask(site.factories, request)
    except Exception as error:
        endpoint.crashed(error)
        return True
    if transport is None:
        return False
    _check(head, match.websocket, transport)
    stream, wire = request.take_over(), endpoint.wire
    stream.attach(wire, endpoint.became_websocket())
    site.runtime.workers.start(Hosted(transport, match.websocket, site.runtime, request, stream))
    return True


def _ask(factories: Sequence[Factory], request: TransportRequest) -> Transport | None:
    for factory in reversed(factories):
        transport = factory(request)
        if transport is not None:
            if not isinstance(transport, Transport):
                raise TypeError(f"{factory!r} must return an actorws.Transport or None, not {transport!r:.100}")
            if not request.is_taken_over:
                transport.abort()
                raise TypeError(f"{factory!r} returned a transport without request.take_over(): nobody would answer")
            return transport
    return None


def _check(head: Head, kind: Kind, transport: Transport) -> None:
    options = kind.config.handshake
    refused = ""
    if not handshake.host_allowed(head, options.allowed_hosts):
        refused = "this server is not called so"
    elif not handshake.origin_allowed(head, options.allowed_origins):
        refused = "the Origin of this page is not allowed"
    if refused:
        transport.abort()
        raise HandshakeError(403, refused)
