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
    |   +-- InvalidUrl (ValueError)        what was to be connected to is no URL of a WebSocket
    +-- EngineError                    the cluster's: what carries messages between nodes
    |   +-- EngineUnavailable              can't be reached now; whether it was done may be unknown
    |   +-- MalformedMessage               another node sent what can't be read
    +-- PeerError                      the peer's: what came over the wire
    |   +-- ProtocolError                  can be told with a close code
    |   +-- HandshakeError                 can be told with an HTTP status
    +-- ConnectError                   the server's, or of the way to it: there is no connection
    |   +-- Unreachable                    nobody answers at the address, or there is no way to it
    |   +-- ProxyFailed                    nor is there one through the proxy
    |   +-- TlsFailed                      a certificate that isn't the server's, or no TLS at all
    |   +-- NotWebsocket                   who answers doesn't speak WebSocket there
    |   +-- Rejected                       the server answered with an HTTP status
    |   +-- ConnectTimeout                 one of these took too long
    +-- ConnectionClosed               the connection of a script is over

Rule owned here: messages name the argument, the value and what was expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actorws.reasons import Reason

__all__ = [
    "ActorwsError",
    "AppNotFound",
    "BehaviourError",
    "ConfigError",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionClosed",
    "ConnectionEnded",
    "EngineError",
    "EngineUnavailable",
    "HandshakeError",
    "InvalidReturn",
    "InvalidUrl",
    "MalformedMessage",
    "MessageTooLarge",
    "NameTaken",
    "NotWebsocket",
    "PeerError",
    "ProtocolError",
    "ProxyFailed",
    "Rejected",
    "TlsFailed",
    "Unreachable",
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


class InvalidUrl(UsageError, ValueError):
    """What was to be connected to is no URL of a WebSocket: ``wss://host[:port]/path`` and the like."""


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


class ConnectError(ActorwsError):
    """There is no connection to a server. The message is one sentence that names the URL and what was wrong."""

    is_final: bool = False
    """Whether it would be the same again: then a first try is not repeated."""
    retry_after: float | None = None
    """Seconds after which the server asks to be tried again, if it does."""
    limit: str = ""
    """The option that sets the limit, if it was one."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"can't connect to {url}: {why}")
        self.url = url
        """What was connected to, without credentials and query."""
        self.why = why
        """What was wrong, without the URL."""


class Unreachable(ConnectError):
    """Nobody answers at the address, it isn't known, or there is no way to it; ``__cause__`` is the ``OSError``."""


class ProxyFailed(ConnectError):
    """The proxy can't be reached, or doesn't let us through. What is said of it has no password in it."""

    def __init__(self, url: str, why: str, *, is_final: bool = False) -> None:
        super().__init__(url, why)
        self.is_final = is_final


class TlsFailed(ConnectError):
    """The server's certificate is not one for its name that this machine trusts, or it speaks no TLS that we do."""

    def __init__(self, url: str, why: str, *, is_final: bool = True) -> None:
        super().__init__(url, why)
        self.is_final = is_final


class NotWebsocket(ConnectError):
    """Who answers doesn't speak WebSocket there, or doesn't keep to RFC 6455 section 4.2.2."""

    is_final = True


class Rejected(ConnectError):
    """The server answered the handshake with an HTTP status other than 101."""

    def __init__(
        self,
        url: str,
        status: int,
        headers: Mapping[str, str],
        body: bytes = b"",
        why: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(url, why or f"the server answered {status}")
        self.status = status
        """Such as 403."""
        self.headers = headers
        """Names in lower case; several of one name are joined with ``", "``."""
        self.body = body
        """What came with it, at most 64 KiB."""
        self.retry_after = retry_after
        self.is_final = 300 <= status < 500 and status not in (408, 409, 421, 425, 429)


class ConnectTimeout(ConnectError):
    """A connection was not there in time."""

    def __init__(self, url: str, why: str, limit: str) -> None:
        super().__init__(url, why)
        self.limit = limit
        """The option that sets the time: ``connect_timeout`` or ``handshake_timeout``."""


class ConnectionClosed(ActorwsError):
    """The connection of a script is over, so nothing more can be sent, and nothing more comes."""

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason = reason
        """How it ended: ``Remote`` has the server's close code (1006: none came), ``Stop`` means that we closed it."""
