"""Events: everything that can be observed, as values.

Rule owned here: the package itself never logs; it emits these, and logging, metrics and the like subscribe
(``serve(app, on_event=...)``). What a subscriber raises is not the emitter's problem. Must not know who listens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

if TYPE_CHECKING:
    from actorws.conn import Conn
    from actorws.reasons import Reason

__all__ = [
    "AcceptFailed",
    "ActorCrashed",
    "ActorEnded",
    "ActorStarted",
    "BackgroundCrashed",
    "CallbackTimedOut",
    "Emit",
    "Event",
    "HandlerCrashed",
    "HandshakeRefused",
    "ListenerStarted",
    "MailboxFull",
    "OutputFull",
    "ProtocolViolated",
    "ServerDraining",
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
class AcceptFailed(Event):
    """The system refused to give a connection (no descriptors, no memory); accepting pauses, then goes on."""

    error: OSError
    pause: float
    """Seconds until the next try."""


@frozen
class HandshakeRefused(Event):
    """A request was answered with an error status."""

    status: int
    message: str
    remote_address: str


@frozen
class ActorStarted(Event):
    """A client was let in."""

    conn: Conn


@frozen
class ActorEnded(Event):
    """An actor's ``terminate`` has returned."""

    conn: Conn
    reason: Reason


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


@frozen
class SlowCallback(Event):
    """A ``def`` callback held up every other connection."""

    conn: Conn
    callback: str
    seconds: float


@frozen
class ProtocolViolated(Event):
    """A peer broke the protocol or a limit and was sent a close code."""

    conn: Conn
    code: int
    message: str


@frozen
class MailboxFull(Event):
    """A message found no room in an actor's mailbox."""

    conn: Conn
    policy: str
    """What was done: ``drop_new``, ``drop_old`` or ``close``. (Coalescing as such is no lack of room.)"""


@frozen
class OutputFull(Event):
    """A frame found no room in a connection's output."""

    conn: Conn
    policy: str
    """What was done: ``drop_new``, ``drop_old`` or ``close``. (Coalescing as such is no lack of room.)"""
    buffered: int
    """Bytes waiting."""


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
