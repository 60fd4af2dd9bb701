"""Conn: an actor's view of its connection: who is at the other end, and what may be done to it.

Rule owned here: everything a user may do from a callback or from elsewhere is a method of this class, safe
at any time; after the end it reports so instead of raising. Must not know how any of it is done:
the actor, its transport and the runtime do the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from actorws.addresses import Packed, pack, unpack
from actorws.exceptions import ConnectionEnded
from actorws.frames import Close, Frame

if TYPE_CHECKING:
    from actorws.actor.actor import Actor
    from actorws.actor.timers import Timer
    from actorws.protocol.forms import Form
    from actorws.protocol.head import Head, PackedHead
    from actorws.registry.unique import OnConflict
    from actorws.runtime import Runtime

__all__ = ["Conn", "ReadyState", "SendStatus"]


class SendStatus(Enum):
    """What became of one frame. Exactly one is true of it."""

    SENT = "sent"
    """Handed to the kernel, or leaves with the other output of this tick."""
    BACKPRESSURED = "backpressured"
    """Accepted and waiting: the client reads slowly. ``handle_drain`` follows."""
    DROPPED = "dropped"
    """No room: this frame will not be sent. The next one is judged anew."""
    CLOSED = "closed"
    """The connection is closing or closed: nothing more is sent."""


class ReadyState(IntEnum):
    """The four states of RFC 6455 and of the browser's ``WebSocket.readyState``."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    CLOSED = 3


class Conn:
    """One connection, as its actor sees it. Made by actorws; the same object for every callback."""

    # One per connection, so slots, and everything that can be derived is.
    __slots__ = (
        "_actor",
        "_address",
        "_head",
        "_key",
        "_serial",
        "_transport",
        "assigns",
        "path_params",
        "runtime",
        "subprotocol",
    )

    def __init__(
        self,
        runtime: Runtime,
        head: Head,
        *,
        serial: int,
        path_params: Mapping[str, str],
        remote_address: tuple[str, int] | str,
        transport: str = "websocket",
    ) -> None:
        self._actor: Actor | None = None
        #: The request's head, parsed or packed, and what it doesn't have in common with those of others.
        self._head: Head | PackedHead | Form = head
        self._key: int | None = None
        self._serial = serial
        #: The kind of wire, until there is an actor, which knows better.
        self._transport = transport
        self.runtime: Runtime = runtime
        """The runtime that the actor lives in."""
        self.assigns: Any = None
        """Whatever ``connect`` left here (who the client is, say)."""
        self.path_params: Mapping[str, str] = path_params
        """The values of ``{name}`` in the route's path."""
        self._address: Packed = pack(remote_address)
        self.subprotocol: str | None = None
        """The subprotocol agreed on, if any."""

    @property
    def number(self) -> int:
        """Tells the connection from all others of its runtime, now and later."""
        return self._serial

    @property
    def remote_address(self) -> tuple[str, int] | str:
        """``(host, port)``, or the empty string for a Unix socket."""
        return unpack(self._address)

    @remote_address.setter
    def remote_address(self, address: tuple[str, int] | str) -> None:
        self._address = pack(address)

    # The request

    @property
    def id(self) -> str:
        """Names the connection in logs; unique among all runtimes."""
        return f"{self.runtime.id}-{self._serial}"

    @property
    def path(self) -> str:
        """The path of the request, percent-decoded, without the query."""
        return self._request().path

    @property
    def query(self) -> Mapping[str, str]:
        """The query's parameters, decoded; of one given several times, the last."""
        return self._request().query

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers, names in lower case; several of one name are joined with ``", "``."""
        return self._request().headers

    def _request(self) -> Head:
        head = self._head = self._head.unpacked(self._key)
        return head

    # The connection

    @property
    def transport(self) -> str:
        """The kind of wire: ``"websocket"``, ``"sse"``, ``"stream"``, ``"poll"``, or a transport's own ``name``.

        Of a session it is the one that it has now, or had last; in ``connect`` also ``"post"``.
        """
        return self._actor.transport.name if self._actor is not None else self._transport

    @property
    def ready_state(self) -> ReadyState:
        """Where in its life the connection is. A session that lost its wire is ``OPEN``: its client may come back."""
        return self._actor.transport.ready_state if self._actor is not None else ReadyState.CONNECTING

    @property
    def buffered(self) -> int:
        """Bytes of output that the kernel has not taken yet; of a session without a wire, all that waits."""
        return self._actor.transport.buffered if self._actor is not None else 0

    def send(self, frame: Frame) -> SendStatus:
        """Send one frame now, from a callback or from anywhere in the same thread. Never waits.

        Raises ``TypeError`` if ``frame`` is not a ``str``, bytes-like, ``Close``, ``Ping`` or ``Pong``.
        """
        if self._actor is None:
            return SendStatus.CLOSED
        if type(frame) is Close:
            return SendStatus.SENT if self.close(frame.code, frame.reason) else SendStatus.CLOSED
        return self._actor.transport.send(frame)

    async def wait_drained(self) -> bool:
        """Wait until the client has taken all output, if some had to wait: behind a ``BACKPRESSURED``, say.

        For who feeds this connection from elsewhere, another actor's ``async def`` callback, say; the actor itself has
        ``handle_drain``. True: it may go on. False: the connection is closing or closed. What came in between may have
        to wait again.
        """
        return self._actor is not None and await self._actor.wait_drained()

    def close(self, code: int = 1000, reason: str = "") -> bool:
        """Send Close and end the actor with ``Stop`` when it is answered (or ``Timeout`` when it is not).

        True if this call began the close, False if the connection was closing or closed already.
        Raises ``ValueError`` as ``Close`` does.
        """
        frame = Close(code, reason)
        return self._actor is not None and self._actor.close(frame)

    def abort(self) -> None:
        """Cut the connection at once (TCP RST, nothing more is sent) and end the actor with ``Stop``."""
        if self._actor is not None:
            self._actor.abort()

    # Timers

    def send_after(self, seconds: float, message: Any) -> Timer:
        """Send ``message`` to this actor's ``handle_server_message`` in ``seconds``.

        The timer's ``cancel()`` takes it back; it ends with the actor. Raises ``ConnectionEnded`` after the end.
        """
        return self._running().send_after(seconds, message)

    # Names and groups

    @property
    def names(self) -> frozenset[str]:
        """The unique names that the actor has."""
        return self.runtime.unique.names_of(self._actor)

    @property
    def groups(self) -> frozenset[str]:
        """The groups that the actor is a member of."""
        return self.runtime.group.groups_of(self._actor)

    def is_member(self, group: str) -> bool:
        """Whether the actor is a member of ``group``."""
        return self._actor is not None and self.runtime.group.is_member(group, self._actor)

    async def register(self, name: str, on_conflict: OnConflict = "reject") -> None:
        """Take a unique name. Again by the same actor: nothing happens.

        ``on_conflict="takeover"`` ends the actor that has the name with ``Replaced`` and close code 4500;
        ``"reject"`` raises ``NameTaken`` (after a quarter of a second if it is on another node). Raises
        ``ConnectionEnded`` after the end, ``ValueError`` for a bad name, and in a cluster ``EngineUnavailable``.
        """
        await self.runtime.unique.register(name, self._running(), on_conflict)

    def register_nowait(self, name: str, on_conflict: OnConflict = "reject") -> None:
        """As ``register``, without waiting."""
        self.runtime.unique.register_nowait(name, self._running(), on_conflict)

    def fence(self, name: str) -> int | None:
        """See ``Unique.fence``."""
        return self.runtime.unique.fence(name, self._actor)

    async def unregister(self, name: str) -> bool:
        """Give a unique name back. False if the actor doesn't have it."""
        return await self.runtime.unique.unregister(name, self._actor)

    def unregister_nowait(self, name: str) -> bool:
        """As ``unregister``, without waiting."""
        return self.runtime.unique.unregister_nowait(name, self._actor)

    async def join(self, group: str, meta: Any = None) -> None:
        """Become a member of ``group``; ``meta`` is shown by ``members``. Joining again replaces ``meta``.

        Raises ``ConnectionEnded`` after the end, ``ValueError`` for a bad name.
        """
        await self.runtime.group.join(group, self._running(), meta)

    def join_nowait(self, group: str, meta: Any = None) -> None:
        """As ``join``, without waiting."""
        self.runtime.group.join_nowait(group, self._running(), meta)

    async def leave(self, group: str) -> bool:
        """Stop being a member of ``group``. False if the actor is none."""
        return await self.runtime.group.leave(group, self._actor)

    def leave_nowait(self, group: str) -> bool:
        """As ``leave``, without waiting."""
        return self.runtime.group.leave_nowait(group, self._actor)

    # Sending to other actors: the registry's calls as shortcuts

    async def send_message(self, name: str, message: Any) -> bool:
        """See ``Unique.send_message``."""
        return await self.runtime.unique.send_message(name, message)

    def send_message_nowait(self, name: str, message: Any) -> bool:
        """See ``Unique.send_message_nowait``."""
        return self.runtime.unique.send_message_nowait(name, message)

    async def publish(self, group: str, message: Any, exclude: Conn | None = None) -> int:
        """See ``Group.publish``."""
        return await self.runtime.group.publish(group, message, exclude)

    def publish_nowait(self, group: str, message: Any, exclude: Conn | None = None) -> int:
        """See ``Group.publish_nowait``."""
        return self.runtime.group.publish_nowait(group, message, exclude)

    async def broadcast(self, group: str, frame: Any, exclude: Conn | None = None) -> int:
        """See ``Group.broadcast``."""
        return await self.runtime.group.broadcast(group, frame, exclude)

    def broadcast_nowait(self, group: str, frame: Any, exclude: Conn | None = None) -> int:
        """See ``Group.broadcast_nowait``."""
        return self.runtime.group.broadcast_nowait(group, frame, exclude)

    def _running(self) -> Actor:
        if self._actor is None or self._actor.has_ended:
            raise ConnectionEnded(f"the connection {self.id} has ended")
        return self._actor

    def __repr__(self) -> str:
        return f"<Conn {self.id} {self.path} {self.ready_state.name}>"
