"""Events: everything that can be observed, as values.

Rule owned here: the package itself never logs; it emits these, and logging, metrics and the like subscribe
(``serve(app, on_event=...)``). What a subscriber raises is not the emitter's problem. Must not know who listens.

An event that a limit of the configuration causes names the option in ``limit``; ``actorws.observability.limits`` has
the table of all limits and their events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from actorws.reasons import Expired, Timeout

if TYPE_CHECKING:
    from actorws.cluster.engine import NodeInfo
    from actorws.conn import Conn
    from actorws.exceptions import ConnectError
    from actorws.reasons import Reason

__all__ = [
    "AcceptFailed",
    "AcceptsPaused",
    "ActorCrashed",
    "ActorCut",
    "ActorEnded",
    "ActorStarted",
    "BackgroundCrashed",
    "CallbackTimedOut",
    "ConnectFailed",
    "Connected",
    "ConnectionLost",
    "DrainTimedOut",
    "Emit",
    "Event",
    "HandlerCrashed",
    "HandoverFailed",
    "HandshakeRefused",
    "HandshakeTimedOut",
    "KeepAliveTimedOut",
    "LinkLost",
    "ListenerStarted",
    "MailboxFull",
    "MessageMalformed",
    "NodeJoined",
    "NodeLeft",
    "OutputFull",
    "ProtocolViolated",
    "RateLimited",
    "ReadingPaused",
    "ResponseCut",
    "ServerDraining",
    "SessionDetached",
    "SessionLost",
    "SessionResumed",
    "SlowCallback",
    "TerminateFailed",
]


@frozen
class Event:
    """Base of all events."""


#: A subscriber: called with each event, synchronously; must not block.
Emit: TypeAlias = Callable[[Event], None]


@frozen
class ListenerStarted(Event):
    """The server accepts connections."""

    address: str
    """As a URL: ``http://127.0.0.1:8000``, ``https://[::1]:8443`` or ``unix:/run/app.sock``."""


@frozen
class ServerDraining(Event):
    """A shutdown began."""

    connections: int
    """Actors to be ended."""
    timeout: float
    """Seconds until everything has ended."""


@frozen
class DrainTimedOut(Event):
    """The time to shut down is over, and connections are left, which are cut. (Actors are told by ``ActorCut``.)"""

    connections: int
    """WebSockets whose clients don't end TCP, and plain HTTP requests that aren't answered."""
    limit: str = "drain_timeout"


@frozen
class AcceptFailed(Event):
    """The system refused to give a connection (no descriptors, no memory); accepting pauses, then goes on."""

    error: OSError
    pause: float
    """Seconds until the next try."""


@frozen
class AcceptsPaused(Event):
    """More connections came than may be accepted in a second; they wait in the kernel's queue."""

    pause: float
    """Seconds until the next one is accepted."""
    limit: str = "max_accepts_per_second"


@frozen
class HandoverFailed(Event):
    """A connection for another worker of this host could not be handed over, or one that came was dropped.

    (A node that nobody here is, is no failure: the request is served where it came.)
    """

    node: str
    """Whom it was for; this node, if nobody can hand over to it or what came was malformed."""
    why: str


@frozen
class ConnectFailed(Event):
    """An outbound connection could not be had."""

    url: str
    """Without credentials and query."""
    error: ConnectError
    failures: int
    """In a row, connections that didn't last included."""
    retry_in: float | None
    """Seconds until the next try; ``None``: it is given up."""
    limit: str = ""
    """The option that ended the try or all tries, if it was one."""


@frozen
class Connected(Event):
    """An outbound connection is there. Its actor has begun, unless one with a session goes on."""

    conn: Conn
    url: str
    """Without credentials and query."""
    failures: int
    """In a row, before it."""


@frozen
class ConnectionLost(Event):
    """An outbound connection has ended, and its actor with it, unless it has a session to go on with."""

    conn: Conn
    url: str
    """Without credentials and query."""
    reason: Reason
    retry_in: float | None
    """Seconds until the next one is tried for; ``None``: there won't be one."""
    limit: str = ""
    """``max_attempts``, if there is no next one because of it."""


@frozen
class HandshakeRefused(Event):
    """A request was answered with an error status."""

    status: int
    message: str
    remote_address: str
    limit: str = ""
    """The option that sets the limit, if it was one."""


@frozen
class HandshakeTimedOut(Event):
    """A client that had not said anything yet, or had not finished TLS, was closed without an answer."""

    remote_address: str
    limit: str = "handshake_timeout"


@frozen
class KeepAliveTimedOut(Event):
    """A connection that brought no further plain HTTP request was closed."""

    remote_address: str
    limit: str = "keep_alive_timeout"


@frozen
class ResponseCut(Event):
    """A response's body was cut short: its next piece took too long to come, or to be taken by the client."""

    path: str
    remote_address: str
    limit: str = "handler_timeout"


@frozen
class ActorStarted(Event):
    """A client was let in."""

    conn: Conn


@frozen
class ActorEnded(Event):
    """An actor's ``terminate`` has returned."""

    conn: Conn
    reason: Reason

    @property
    def limit(self) -> str:
        """The option whose time was over, if that is the reason."""
        if isinstance(self.reason, Expired):
            return self.reason.limit
        if not isinstance(self.reason, Timeout):
            return ""
        return "close_timeout" if self.reason.waited_for == "close" else "idle_timeout"


@frozen
class ActorCut(Event):
    """An actor had not come to its end when the time to shut down was over."""

    conn: Conn
    callback: str
    """What it was in."""
    limit: str = "drain_timeout"


@frozen
class ActorCrashed(Event):
    """A callback raised, or returned something else than ``(state, frames)``."""

    conn: Conn
    callback: str
    """Its name, such as ``handle_client_message``."""
    exception: BaseException = field(eq=False)


@frozen
class TerminateFailed(Event):
    """A ``terminate`` raised or took too long; the actor ended all the same."""

    conn: Conn
    exception: BaseException = field(eq=False)


@frozen
class CallbackTimedOut(Event):
    """An ``async def`` callback was cancelled: past its deadline, or its client has gone."""

    conn: Conn
    callback: str
    seconds: float
    limit: str = "callback_timeout"
    """Or ``terminate_timeout``, for ``terminate`` itself and for what ran on when the client had gone."""


@frozen
class SlowCallback(Event):
    """A ``def`` callback held up every other connection."""

    conn: Conn
    callback: str
    seconds: float
    limit: str = "slow_callback"


@frozen
class ProtocolViolated(Event):
    """A peer broke the protocol or a limit and was sent a close code."""

    conn: Conn
    code: int
    message: str
    limit: str = ""
    """The option that sets the limit, if it was one."""


@frozen
class RateLimited(Event):
    """A client sent more in a second than it may."""

    conn: Conn
    policy: str
    """What was done: ``throttle`` (not read from until it is within the rate again) or ``close``."""
    limit: str
    """The option that sets the rate."""


@frozen
class ReadingPaused(Event):
    """A client is not read from until it has taken what waits for it, or its actor has handled half of its mailbox."""

    conn: Conn
    buffered: int
    """Bytes that wait: of output, or of what the client has sent."""
    limit: str
    """``high_water_mark``, or ``mailbox_messages`` or ``mailbox_bytes``."""


@frozen
class MailboxFull(Event):
    """A message found no room in an actor's mailbox."""

    conn: Conn
    policy: str
    """What was done: ``drop_new``, ``drop_old`` or ``close``. (Coalescing as such is no lack of room.)"""
    limit: str = "mailbox_messages"
    """Or ``mailbox_bytes``."""


@frozen
class OutputFull(Event):
    """A frame found no room in a connection's output."""

    conn: Conn
    policy: str
    """What was done: ``drop_new``, ``drop_old`` or ``close``. (Coalescing as such is no lack of room.)"""
    buffered: int
    """Bytes waiting."""
    limit: str = "backpressure_limit"


@frozen
class SessionDetached(Event):
    """A session has lost its wire; its actor lives on, and its client may come back."""

    conn: Conn
    reason: Reason
    """How the wire ended."""


@frozen
class SessionResumed(Event):
    """A client has come back to its session."""

    conn: Conn
    transport: str
    """Over what."""


@frozen
class SessionLost(Event):
    """A client came back to a session that can't go on: it is told so, and begins a new one."""

    address: str
    """Of the client; of a session of ours on a server its URL."""
    reason: str
    """``unknown``, ``expired``, ``overflow`` or ``elsewhere``, as PROTOCOL.md has them."""


@frozen
class HandlerCrashed(Event):
    """``connect`` or a plain HTTP handler raised; the client got a 500."""

    path: str
    exception: BaseException = field(eq=False)


@frozen
class BackgroundCrashed(Event):
    """A background function of the app raised."""

    name: str
    exception: BaseException = field(eq=False)


@frozen
class NodeJoined(Event):
    """Another node has come into the cluster."""

    node: NodeInfo


@frozen
class NodeLeft(Event):
    """Another node has gone, in order or not."""

    node: NodeInfo


@frozen
class LinkLost(Event):
    """Messages from other nodes may have been lost; the link to the cluster's engine is there again."""

    seconds: float
    """How long they may have been lost, at most."""
    reason: str


@frozen
class MessageMalformed(Event):
    """Another node sent what can't be read; it was dropped."""

    reason: str
