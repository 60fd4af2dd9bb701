"""Every exception of actorws, split by whose fault it is.

::

    ActorwsError
    +-- UsageError                     yours: the code that calls actorws
    |   +-- BehaviourError (TypeError)     a Websocket class that can't be served
    |   +-- InvalidReturn (TypeError)      a callback returned something else than (state, frames)
    |   +-- ConfigError (ValueError)       an option that doesn't exist or a value out of range
    |   +-- NameTaken                      a unique name that another actor has
    |   +-- ConnectionEnded                registering or joining for a connection that has ended
    |   +-- UnsendableMessage (TypeError)  a message of a type that can't be sent to other actors
    |   +-- MessageTooLarge (ValueError)   a message that is larger than may be sent to other nodes
    |   +-- AppNotFound                    ``module:attribute`` of the command line leads nowhere
    +-- EngineError                    the cluster's: what carries messages between nodes
    |   +-- EngineUnavailable              can't be reached now; whether it was done may be unknown
    |   +-- MalformedMessage               another node sent what can't be read
    +-- PeerError                      the peer's: what came over the wire
        +-- ProtocolError                  can be told with a close code
        +-- HandshakeError                 can be told with an HTTP status

Rule owned here: messages name the argument, the value and what was expected.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ActorwsError",
    "AppNotFound",
    "BehaviourError",
    "ConfigError",
    "ConnectionEnded",
    "EngineError",
    "EngineUnavailable",
    "HandshakeError",
    "InvalidReturn",
    "MalformedMessage",
    "MessageTooLarge",
    "NameTaken",
    "PeerError",
    "ProtocolError",
    "UnsendableMessage",
    "UsageError",
]


class ActorwsError(Exception):
    """Base of every exception that actorws defines."""


class UsageError(ActorwsError):
    """The calling code is wrong, or lost a race that it has to handle."""


class BehaviourError(UsageError, TypeError):
    """A ``Websocket`` subclass that can't be served: a callback is missing or has the wrong signature."""


class InvalidReturn(UsageError, TypeError):
    """A callback returned something else than ``(state, frames)``."""


class ConfigError(UsageError, ValueError):
    """An option has a name that doesn't exist or a value out of its range."""


class NameTaken(UsageError):
    """Another actor has the unique name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the unique name {name!r} is taken by another actor")
        self.name = name


class ConnectionEnded(UsageError):
    """The connection has ended, so it can't hold a name or be a member of a group."""


class UnsendableMessage(UsageError, TypeError):
    """A message is of a type that can't be sent to other actors: it would not arrive as what it is."""


class MessageTooLarge(UsageError, ValueError):
    """A message is larger than may be sent to other nodes."""


class AppNotFound(UsageError):
    """``module:attribute`` doesn't lead to an ``App`` or a ``Websocket`` subclass."""


class EngineError(ActorwsError):
    """What carries messages between the nodes of a cluster failed."""


class EngineUnavailable(EngineError):
    """The cluster's engine can't be reached now. Whether the call was carried out is unknown if it was under way."""


class MalformedMessage(EngineError):
    """What came from another node can't be read; it was dropped."""


class PeerError(ActorwsError):
    """The other end of a connection broke a rule."""


class ProtocolError(PeerError):
    """The peer broke RFC 6455 or a limit; answered with a close code."""

    def __init__(self, code: int, message: str, limit: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.limit = limit
        """The option that sets the limit, if it was one."""


class HandshakeError(PeerError):
    """The peer's request can't be served; answered with an HTTP status and a one-line body."""

    def __init__(self, status: int, message: str, headers: Sequence[tuple[str, str]] = (), limit: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.headers = tuple(headers)
        self.limit = limit
        """The option that sets the limit, if it was one."""
