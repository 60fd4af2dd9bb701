"""Behaviour: the class that users write.

Rule owned here: what each callback is called with, when, and what its return means. Callbacks thread the
actor's state: they get the last one and return the next. One instance serves every connection of a route,
so state lives in what is returned, never in ``self`` (setting an attribute while serving is an error).
Must not know how callbacks are scheduled.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from attrs import field, frozen

from actorws.exceptions import BehaviourError
from actorws.frames import Frames

if TYPE_CHECKING:
    from actorws.conn import Conn
    from actorws.reasons import Reason

__all__ = ["Accept", "Reject", "Websocket"]


@frozen
class Accept:
    """What ``connect`` returns to let the client in with something to add."""

    subprotocol: str | None = None
    """One of those the client offered; ``None`` leaves the choice to the option ``subprotocols``."""
    headers: Mapping[str, str] = field(factory=dict)
    """Further headers of the 101 response."""
    identity: Hashable | None = None
    """Who the client is, such as a user's number: then a session is resumed by the same one only."""


@frozen
class Reject:
    """What ``connect`` returns to turn the client away with a plain HTTP response."""

    status: int = 403
    """300-599."""
    body: str | bytes = ""
    """Empty: one line that names the status."""
    headers: Mapping[str, str] = field(factory=dict)
    """Further headers of the response."""

    def __attrs_post_init__(self) -> None:
        if not 300 <= self.status <= 599:
            raise ValueError(f"status must be 300-599, not {self.status!r}")


#: What every callback but ``connect`` and ``terminate`` returns: the next state, and frames for the client.
Result: TypeAlias = tuple[Any, Frames]


class Websocket:
    """A connection's behaviour. Subclass it and override callbacks, each ``def`` or ``async def``.

    A ``def`` callback runs inline and must not block; an ``async def`` callback may await anything of trio.
    Either way an actor's callbacks run one at a time, in the order in which messages arrived, and a
    message that arrives meanwhile waits in the actor's mailbox.

    Returning ``(state, frames)``: ``state`` is handed to the next callback. ``frames`` is a list or tuple of
    ``str`` (text), bytes-like (binary), ``Ping``, ``Pong`` or ``Close``, which leave together and in order; a
    bare frame is taken as one, ``None`` as none. Frames behind a ``Close`` are not sent. Anything else ends
    the actor with ``InvalidReturn``.

    Raising: ends this actor only. The client gets Close 1011 (or what ``close_codes`` says) and ``terminate``
    is called with the last state that a callback returned and ``Error(exception)``.
    """

    receive_control: ClassVar[bool] = False
    """Whether ``handle_client_message`` also gets ``Ping`` and ``Pong`` frames (pings are answered before)."""

    close_codes: ClassVar[Mapping[type[BaseException], int]] = {}
    """Close codes for exceptions of callbacks, by type; the nearest base class counts. Default 1011."""

    messages: ClassVar[Sequence[type]] = ()
    """Classes (dataclasses, attrs classes, ``msgspec.Struct``) whose instances this class sends to other actors or
    gets from them, beside ``None bool int float str bytes list tuple dict``, aware ``datetime``."""

    receive_gaps: ClassVar[bool] = False
    """Whether ``handle_server_message`` gets a ``Gap`` after messages from other nodes may have been lost."""

    on_lease_lost: ClassVar[Literal["end", "inform"]] = "end"
    """What happens to an actor whose unique name may be another's, because this node lost the cluster's engine for too
    long: it ends with ``LeaseLost``, or its ``handle_server_message`` gets ``NameLost``."""

    resumable: ClassVar[bool] = False
    """Whether an actor outlives a lost wire, for clients that speak ``actorws.v1`` (``actorws.js`` does): they come
    back to it within ``session_resume_timeout``, by any transport, and neither side misses anything. As an option it
    can be given to a route, too."""

    options: ClassVar[Mapping[str, Any]] = {}
    """Options (see ``actorws.config``) of every route that serves this class; those given to the route win."""

    _serving: bool = False

    def connect(self, conn: Conn) -> Any:
        """Called during the handshake, before the client is let in; authenticates it and sets ``conn.assigns``.

        Returning ``None`` lets the client in, ``Accept(...)`` does so with a subprotocol or headers,
        ``Reject(...)`` answers with a plain HTTP response. Raising is a 500. There is no actor yet: nothing can
        be sent, and ``terminate`` is not called. Not called when the request is not a valid WebSocket handshake.

        A client that comes back to its session, and one that polls or posts, is asked each time, with a ``conn`` of its
        own (``conn.transport`` says by what it comes).
        """
        return None

    def init(self, conn: Conn) -> Any:
        """Called right after the handshake; registers names, joins groups.

        Returning ``(state, frames)``: the actor's first state, and the first frames that the client gets.
        Messages that arrive meanwhile wait. If it raises, ``terminate(None, conn, reason)`` is called.
        """
        return None, []

    def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
        """Called with each whole message of the client: ``str`` for text, ``bytes`` for binary. Required.

        Returns as said of the class. Not called for Close; for ``Ping`` and ``Pong`` only with ``receive_control``.
        """
        raise BehaviourError(f"{type(self).__name__} has no handle_client_message")

    def handle_server_message(self, state: Any, conn: Conn, message: Any) -> Any:
        """Called with each message sent to one of the actor's names, published to one of its groups, or from
        one of its timers. Required where such messages come: without it they are a crash.

        Returns as said of the class.
        """
        raise BehaviourError(
            f"{type(self).__name__} got the message {message!r} and has no handle_server_message to take it"
        )

    def handle_drain(self, state: Any, conn: Conn) -> Any:
        """Called when the client has taken everything that waited for it, once after each time that
        ``conn.send`` reported ``BACKPRESSURED`` or ``DROPPED`` or the high-water mark was passed.

        Returns as said of the class.
        """
        return state, []

    def terminate(self, state: Any, conn: Conn, reason: Reason) -> Any:
        """Called exactly once for every actor whose ``init`` was entered, whatever ended it.

        The actor's names and memberships are gone already. ``state`` is the last one a callback returned,
        ``None`` if ``init`` returned none. An ``async def`` is shielded from cancellation and bounded by
        ``terminate_timeout``. What it returns is ignored; what it raises is reported and swallowed.
        """

    def __setattr__(self, name: str, value: object) -> None:
        if self._serving:
            raise AttributeError(
                f"can't set {name!r}: one {type(self).__name__} serves every connection of its route; "
                "keep what belongs to a connection in the state that callbacks return"
            )
        super().__setattr__(name, value)
