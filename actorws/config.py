"""Options: every limit, timeout and policy, with its default, unit and reason.

Rule owned here: a ``Config`` that exists is valid; nothing checks an option a second time.
Options are grouped here for the reader and flat for the caller, because no two share a name::

    app.websocket("/chat", Chat, idle_timeout=30, max_message_size=64 * 1024)

A behaviour can give its own defaults in ``Websocket.options``. Must not know who reads an option.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from math import inf
from typing import Any, Literal, TypeAlias

from attrs import Attribute, Factory, evolve, fields, frozen
from attrs import field as attr

from actorws.exceptions import ConfigError

__all__ = [
    "Backpressure",
    "Coalesce",
    "Config",
    "Handshake",
    "Keepalive",
    "Limits",
    "Mailbox",
    "OverflowPolicy",
    "ServerConfig",
    "Timeouts",
]

KiB = 1024
MiB = 1024 * KiB


def _number(minimum: float, *, none: bool = False) -> Callable[[Any, Attribute[Any], Any], None]:
    """Checks a number; a whole one if the least it may be is one."""
    kinds = (int,) if isinstance(minimum, int) else (int, float)
    word = "a whole number" if isinstance(minimum, int) else "a number"

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if none and value is None:
            return
        if isinstance(value, bool) or not isinstance(value, kinds) or not minimum <= value < inf:
            expected = f"{word} of at least {minimum:g}" + (" or None" if none else "")
            raise ConfigError(f"{attribute.name} must be {expected}, not {value!r}")

    return check


def _boolean(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{attribute.name} must be True or False, not {value!r}")


def _strings(value: Iterable[str]) -> tuple[str, ...]:
    """Names in a tuple. Raises ``ConfigError`` for one string, whose letters nobody means."""
    if isinstance(value, str):
        raise ConfigError(f"expected several strings, such as ({value!r},), not {value!r}")
    return tuple(value)


def _optional_tuple(value: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if value is None else _strings(value)


def _string(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"{attribute.name} must be a str, not {value!r}")


@frozen
class Coalesce:
    """An overflow policy: of queued items with the same key only the newest is kept, in the place of the first."""

    key: Callable[[Any], Hashable | None]
    """Gives an item's key; ``None`` leaves the item alone (it is dropped when there is no room)."""


#: What happens to an item that finds no room: it is dropped, the oldest are dropped for it,
#: it replaces a queued one with the same key, or the connection is closed.
OverflowPolicy: TypeAlias = Literal["drop_new", "drop_old", "close"] | Coalesce


def _policy(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if value not in ("drop_new", "drop_old", "close") and not isinstance(value, Coalesce):
        raise ConfigError(f"{attribute.name} must be 'drop_new', 'drop_old', 'close' or Coalesce(key), not {value!r}")


@frozen(kw_only=True)
class Limits:
    """How much one client may send, and how many clients there may be."""

    max_message_size: int = attr(default=1 * MiB, validator=_number(1))
    """Bytes of one client message, all fragments together; above it Close 1009. Checked on the frame header."""
    max_fragments: int = attr(default=1024, validator=_number(1))
    """Fragments of one client message; above it Close 1009. (Tiny fragments are a memory attack.)"""
    max_connections: int | None = attr(default=None, validator=_number(0, none=True))
    """Accepted connections with an actor at one time; above it 503. ``None``: as many as descriptors allow."""
    overload_body: str = attr(default="too many connections", validator=_string)
    """What the 503 says to those above it."""
    max_connections_per_address: int | None = attr(default=None, validator=_number(0, none=True))
    """The same, per remote IP address."""


@frozen(kw_only=True)
class Timeouts:
    """How long a wait may last, in seconds. Each wait on a peer or a callback has one."""

    idle_timeout: float | None = attr(default=60.0, validator=_number(0.001, none=True))
    """Without any inbound byte; then Close 1001 and ``Timeout("idle")``. ``None``: never."""
    close_timeout: float = attr(default=5.0, validator=_number(0.001))
    """For the peer's answer to our Close, and for what it still sends; then the connection is cut."""
    callback_timeout: float | None = attr(default=None, validator=_number(0.001, none=True))
    """Of one ``async def`` callback; then it is cancelled, which is a crash. ``None``: no deadline."""
    terminate_timeout: float = attr(default=5.0, validator=_number(0.001))
    """Of an ``async def terminate``, and of what still runs or waits when the client has gone."""


@frozen(kw_only=True)
class Keepalive:
    """Pings from the server, so that a dead client is noticed and proxies see traffic."""

    send_pings: bool = attr(default=True, validator=_boolean)
    """Whether to ping a silent client."""
    ping_margin: float = attr(default=20.0, validator=_number(0.001))
    """Seconds before the idle timeout at which the ping is sent (a third of it at most)."""


@frozen(kw_only=True)
class Backpressure:
    """How much output may wait for a client that reads slowly."""

    backpressure_limit: int = attr(default=16 * MiB, validator=_number(1))
    """Bytes that may wait; a frame that doesn't fit meets ``output_policy``."""
    high_water_mark: int = attr(default=64 * KiB, validator=_number(0))
    """Bytes above which the client is not read from until it has taken everything."""
    close_on_backpressure_limit: bool = attr(default=False, validator=_boolean)
    """Short for ``output_policy="close"``."""
    output_policy: OverflowPolicy = attr(default="drop_new", validator=_policy)
    """For a frame that doesn't fit; ``drop_new`` reports ``SendStatus.DROPPED``."""


@frozen(kw_only=True)
class Mailbox:
    """How many messages may wait for an actor whose callback is running."""

    mailbox_messages: int = attr(default=1000, validator=_number(1))
    """Messages that may wait."""
    mailbox_bytes: int = attr(default=4 * MiB, validator=_number(1))
    """Bytes that may wait: payloads of ``str`` and bytes-like messages, the shallow size of others."""
    mailbox_policy: OverflowPolicy = attr(default="close", validator=_policy)
    """For a server message that doesn't fit. Client messages are never dropped: the socket isn't read instead."""
    slow_callback: float = attr(default=0.05, validator=_number(0.0))
    """Seconds that a ``def`` callback may hold the tick before a ``SlowCallback`` event names it."""


@frozen(kw_only=True)
class Handshake:
    """Who may open a WebSocket."""

    subprotocols: tuple[str, ...] = attr(default=(), converter=_strings)
    """Those the server speaks, in its order of preference; the first that the client offers is chosen."""
    subprotocol_required: bool = attr(default=False, validator=_boolean)
    """Whether a client without a common subprotocol gets 400."""
    allowed_origins: tuple[str, ...] | None = attr(default=None, converter=_optional_tuple)
    """Origins of pages that may connect, such as ``https://example.org``, beside the request's own host.
    ``("*",)`` lets every page in. Requests without an Origin don't come from a browser and are let in."""


@frozen(kw_only=True)
class Config:
    """All options of one route."""

    limits: Limits = Factory(Limits)
    timeouts: Timeouts = Factory(Timeouts)
    keepalive: Keepalive = Factory(Keepalive)
    backpressure: Backpressure = Factory(Backpressure)
    mailbox: Mailbox = Factory(Mailbox)
    handshake: Handshake = Factory(Handshake)

    def replace(self, **options: Any) -> Config:
        """A copy with flat ``options`` changed. Raises ``ConfigError`` for an unknown name or a bad value."""
        groups: dict[str, dict[str, Any]] = {}
        for name, value in options.items():
            group = _GROUP_OF.get(name)
            if group is None:
                raise ConfigError(f"there is no option {name!r}; the options are {', '.join(sorted(_GROUP_OF))}")
            groups.setdefault(group, {})[name] = value
        return evolve(self, **{group: evolve(getattr(self, group), **changed) for group, changed in groups.items()})


_GROUPS: dict[str, type] = {
    "limits": Limits,
    "timeouts": Timeouts,
    "keepalive": Keepalive,
    "backpressure": Backpressure,
    "mailbox": Mailbox,
    "handshake": Handshake,
}
_GROUP_OF = {option.name: group for group, kind in _GROUPS.items() for option in fields(kind)}


@frozen(kw_only=True)
class ServerConfig:
    """Options of a listener, for everything that comes before a route is known and after the last one ends."""

    handshake_timeout: float = attr(default=10.0, validator=_number(0.001))
    """Seconds for TLS and the request head."""
    max_head_size: int = attr(default=16 * KiB, validator=_number(64))
    """Bytes of a request head; above it 431."""
    max_headers: int = attr(default=100, validator=_number(1))
    """Header lines of a request; above it 431."""
    max_body_size: int = attr(default=1 * MiB, validator=_number(0))
    """Bytes of a plain HTTP request's body; above it 413."""
    keep_alive_timeout: float = attr(default=15.0, validator=_number(0.001))
    """Seconds that a plain HTTP connection may be idle between requests."""
    handler_timeout: float = attr(default=30.0, validator=_number(0.001))
    """Seconds of an ``async def`` HTTP handler or ``connect`` (then 503), of a request's body (then 408), and
    between two pieces of a response's body (then the connection is cut)."""
    drain_timeout: float = attr(default=10.0, validator=_number(0.001))
    """Seconds in all from the first signal until everything has ended."""
    backlog: int | None = attr(default=None, validator=_number(1, none=True))
    """Connections the kernel may hold for accept. ``None``: the system's maximum."""

    @classmethod
    def of(cls, **options: Any) -> ServerConfig:
        """From flat ``options``. Raises ``ConfigError`` for an unknown name or a bad value."""
        known = [option.name for option in fields(cls)]
        for name in options:
            if name not in known:
                raise ConfigError(f"there is no server option {name!r}; the options are {', '.join(sorted(known))}")
        return cls(**options)
