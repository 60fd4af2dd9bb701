"""Options: every limit, timeout and policy, with its default, unit and reason.

Rule owned here: a ``Config`` that exists is valid; nothing checks an option a second time.
Options are grouped here for the reader and flat for the caller, because no two share a name::

    app.websocket("/chat", Chat, idle_timeout=30, max_message_size=64 * 1024)

A behaviour can give its own defaults in ``Websocket.options``. Must not know who reads an option.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import Attribute, Factory, evolve, fields, frozen
from attrs import field as attr

from actorws.checks import between, boolean, number, optional_tuple, string, strings
from actorws.exceptions import ConfigError

if TYPE_CHECKING:
    from actorws.sessions.policies import CleanupPolicy

__all__ = [
    "Backpressure",
    "Coalesce",
    "Compression",
    "Config",
    "Handshake",
    "Keepalive",
    "Limits",
    "Mailbox",
    "OverflowPolicy",
    "RatePolicy",
    "ServerConfig",
    "Sessions",
    "Timeouts",
]

KiB = 1024
MiB = 1024 * KiB


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


#: What happens to a client that sends faster than it may.
RatePolicy: TypeAlias = Literal["throttle", "close"]


def _rate_policy(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if value not in ("throttle", "close"):
        raise ConfigError(f"{attribute.name} must be 'throttle' or 'close', not {value!r}")


@frozen(kw_only=True)
class Limits:
    """How much one client may send, and how many clients there may be."""

    max_message_size: int = attr(default=1 * MiB, validator=number(1))
    """Bytes of one client message, all fragments together; above it Close 1009. Checked on the frame header."""
    max_fragments: int = attr(default=1024, validator=number(1))
    """Fragments of one client message; above it Close 1009. (Tiny fragments are a memory attack.)"""
    max_connections: int | None = attr(default=None, validator=number(0, none=True))
    """Accepted connections with an actor at one time; above it 503. ``None``: as many as descriptors allow."""
    overload_body: str = attr(default="too many connections", validator=string)
    """What the 503 says to those above it."""
    max_connections_per_address: int | None = attr(default=None, validator=number(0, none=True))
    """The same, per remote IP address."""
    max_frames_per_second: float | None = attr(default=None, validator=number(0.001, none=True))
    """Frames of one client, fragments and control frames included; above it ``rate_policy``. ``None``: any number."""
    max_bytes_per_second: float | None = attr(default=None, validator=number(0.001, none=True))
    """Bytes of one client, as they come off the wire (of TLS: what is inside); above it ``rate_policy``."""
    max_control_frames_per_second: float | None = attr(default=None, validator=number(0.001, none=True))
    """Pings and pongs of one client; above it ``rate_policy``."""
    rate_burst: float = attr(default=1.0, validator=number(0.05))
    """Seconds' worth of each of these rates that a quiet client saves up and may use at once."""
    rate_policy: RatePolicy = attr(default="throttle", validator=_rate_policy)
    """``throttle``: the client is not read from until it is back within the rate. ``close``: Close 1008. What counts is
    what was read, 64 KiB or 256 frames at a time: those are handed on, and the wait is as long as they are too many."""

    @property
    def has_rates(self) -> bool:
        """Whether there is a limit on what comes in a second."""
        rates = self.max_frames_per_second, self.max_bytes_per_second, self.max_control_frames_per_second
        return any(rate is not None for rate in rates)


@frozen(kw_only=True)
class Timeouts:
    """How long a wait may last, in seconds. Each wait on a peer or a callback has one."""

    idle_timeout: float | None = attr(default=60.0, validator=number(0.001, none=True))
    """Without any inbound byte; then Close 1001 and ``Timeout("idle")``. ``None``: never."""
    close_timeout: float = attr(default=5.0, validator=number(0.001))
    """For the peer's answer to our Close, and for what it still sends; then the connection is cut."""
    callback_timeout: float | None = attr(default=None, validator=number(0.001, none=True))
    """Of one ``async def`` callback; then it is cancelled, which is a crash. ``None``: no deadline."""
    terminate_timeout: float = attr(default=5.0, validator=number(0.001))
    """Of an ``async def terminate``, and of what still runs or waits when the client has gone."""


@frozen(kw_only=True)
class Keepalive:
    """Pings from the server, so that a dead client is noticed and proxies see traffic."""

    send_pings: bool = attr(default=True, validator=boolean)
    """Whether to ping a silent client."""
    ping_margin: float = attr(default=20.0, validator=number(0.001))
    """Seconds before the idle timeout at which the ping is sent (a third of it at most)."""


@frozen(kw_only=True)
class Backpressure:
    """How much output may wait for a client that reads slowly."""

    backpressure_limit: int = attr(default=16 * MiB, validator=number(1))
    """Bytes that may wait; a frame that doesn't fit meets ``output_policy``. Of tiny frames, which cost far more than
    their bytes, at most one for each 128 of them (and 1000 in any case)."""
    high_water_mark: int = attr(default=64 * KiB, validator=number(0))
    """Bytes above which the client is not read from until it has taken everything."""
    close_on_backpressure_limit: bool = attr(default=False, validator=boolean)
    """Short for ``output_policy="close"``."""
    output_policy: OverflowPolicy = attr(default="drop_new", validator=_policy)
    """For a frame that doesn't fit; ``drop_new`` reports ``SendStatus.DROPPED``."""


@frozen(kw_only=True)
class Mailbox:
    """How many messages may wait for an actor whose callback is running."""

    mailbox_messages: int = attr(default=1000, validator=number(1))
    """Messages that may wait."""
    mailbox_bytes: int = attr(default=4 * MiB, validator=number(1))
    """Bytes that may wait: payloads of ``str`` and bytes-like messages, the shallow size of others."""
    mailbox_policy: OverflowPolicy = attr(default="close", validator=_policy)
    """For a server message that doesn't fit. Client messages are never dropped: the socket isn't read instead."""
    slow_callback: float = attr(default=0.05, validator=number(0.0))
    """Seconds that a ``def`` callback may hold the tick before a ``SlowCallback`` event names it."""


@frozen(kw_only=True)
class Handshake:
    """Who may open a WebSocket."""

    subprotocols: tuple[str, ...] = attr(default=(), converter=strings)
    """Those the server speaks, in its order of preference; the first that the client offers is chosen."""
    subprotocol_required: bool = attr(default=False, validator=boolean)
    """Whether a client without a common subprotocol gets 400."""
    allowed_hosts: tuple[str, ...] | None = attr(default=None, converter=optional_tuple)
    """Names by which clients may call this server, such as ``chat.example.org``, ports left out; others get 403.
    ``None``: any. With names, a page can't get in by a name of its own that it points here (DNS rebinding)."""
    allowed_origins: tuple[str, ...] | None = attr(default=None, converter=optional_tuple)
    """Origins of pages that may connect, such as ``https://example.org``, beside the request's own host.
    ``("*",)`` lets every page in. Requests without an Origin don't come from a browser and are let in."""


@frozen(kw_only=True)
class Compression:
    """permessage-deflate (RFC 7692), for the clients of a route that offer it. Off, because it costs CPU and memory.

    Without context takeover, the default, each message is compressed by itself: what many get is compressed once, and a
    connection keeps no memory for it. With it, similar messages become smaller (a JSON of 150 bytes to a fifth instead
    of four fifths), and each connection keeps, measured, 274 KB to send (server) and 42 KB to receive (client); with
    windows of 12 bits and memory level 5 it is 40 KB and 13 KB. A message is compressed where it is sent, in 8 us and
    5 to 16 us more per KB, and inflated in 5 us and 3 more per KB.
    """

    compression: bool = attr(default=False, validator=boolean)
    """Whether to agree to it."""
    compression_threshold: int = attr(default=256, validator=number(0))
    """Bytes of a message from which on it is compressed; smaller ones hardly shrink."""
    compression_max_size: int = attr(default=256 * KiB, validator=number(1))
    """Bytes of a message above which it is not: to compress 256 KiB takes 4 ms, in which nobody else is served."""
    compression_level: int = attr(default=6, validator=between(1, 9))
    """Of zlib, 1 (quick) to 9 (small)."""
    compression_memory_level: int = attr(default=8, validator=between(1, 9))
    """Of zlib: 2 ** (this + 9) bytes to compress with."""
    server_context_takeover: bool = attr(default=False, validator=boolean)
    """Whether our messages may refer to earlier ones. Not with policies that drop what waits: see ``output_policy``."""
    client_context_takeover: bool = attr(default=False, validator=boolean)
    """Whether the client's may."""
    server_max_window_bits: int = attr(default=15, validator=between(9, 15))
    """How far back they may refer, at most 2 ** this bytes; a client may ask for less."""
    client_max_window_bits: int = attr(default=15, validator=between(9, 15))
    """The same for the client's, where it lets the server say it (Safari doesn't)."""


#: What a route may be reached by.
WIRES = ("websocket", "sse", "stream", "poll")


def _wires(_: Any, attribute: Attribute[Any], value: tuple[str, ...]) -> None:
    if not value or not set(value) <= set(WIRES):
        raise ConfigError(f"{attribute.name} must be some of {', '.join(WIRES)}, not {value!r}")


def _cleanup_policy(_: Any, attribute: Attribute[Any], value: Any) -> None:
    methods = ("begin", "should_cleanup", "allow_soft_close")
    if value is not None and (isinstance(value, type) or not all(callable(getattr(value, m, None)) for m in methods)):
        raise ConfigError(f"{attribute.name} must be an object with {' and '.join(methods)}, not {value!r}")


@frozen(kw_only=True)
class Sessions:
    """Actors that outlive a wire, and the wires other than WebSockets, which need that."""

    resumable: bool = attr(default=False, validator=boolean)
    """Whether an actor outlives a lost wire: its client comes back to it, and neither misses anything."""
    session_open_timeout: float = attr(default=30.0, validator=number(0.001))
    """Seconds that a session waits for its client when the first wire was lost before the client can know its id."""
    session_resume_timeout: float = attr(default=30.0, validator=number(0.0))
    """Seconds that it waits for a client that was there; then ``Expired``. 0: a lost wire ends it. The next poll has to
    come within this time, too (0: a second)."""
    session_buffer_messages: int = attr(default=1000, validator=number(1))
    """Messages kept for a client that is away, and as many of those it has been sent and hasn't acknowledged."""
    session_buffer_bytes: int = attr(default=1 * MiB, validator=number(1))
    """Bytes of them. A session that has more to keep for a client that is away ends with ``Overflow``, unless
    ``output_policy`` is ``drop_old`` or ``Coalesce``. A client that is there can't be sent again what doesn't fit."""
    cleanup_policy: CleanupPolicy | None = attr(default=None, validator=_cleanup_policy)
    """Decides which sessions go (see ``actorws.sessions.policies``). ``None``: the two timeouts do."""
    transports: tuple[str, ...] = attr(default=WIRES, converter=strings, validator=_wires)
    """By what clients may reach the route: ``websocket``, ``sse``, ``stream`` (lines, chunked), ``poll``."""
    poll_timeout: float = attr(default=25.0, validator=number(0.001))
    """Seconds after which a poll is answered although there is nothing to say. (Many proxies cut after 30.)"""
    poll_messages: int = attr(default=100, validator=number(1))
    """Messages in the answer to one poll; the rest comes with the next."""
    stream_heartbeat: float = attr(default=15.0, validator=number(0.001))
    """Seconds of silence after which an HTTP stream says that it is there; else proxies end it."""


@frozen(kw_only=True)
class Config:
    """All options of one route."""

    limits: Limits = Factory(Limits)
    timeouts: Timeouts = Factory(Timeouts)
    keepalive: Keepalive = Factory(Keepalive)
    backpressure: Backpressure = Factory(Backpressure)
    mailbox: Mailbox = Factory(Mailbox)
    handshake: Handshake = Factory(Handshake)
    compression: Compression = Factory(Compression)
    sessions: Sessions = Factory(Sessions)

    def __attrs_post_init__(self) -> None:
        self.check_takeover("server_context_takeover")

    def check_takeover(self, option: str) -> None:
        """Raises ``ConfigError`` if our messages, by ``option``, may refer to what the output policy may have dropped.

        It is the server's option, or for connections that we open the client's.
        """
        drops = self.backpressure.output_policy
        if getattr(self.compression, option) and (drops == "drop_old" or isinstance(drops, Coalesce)):
            raise ConfigError(
                f"{option} can't be had with an output_policy that drops what waits ('drop_old' or "
                "Coalesce): the messages behind refer to it"
            )

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
    "compression": Compression,
    "sessions": Sessions,
}
_GROUP_OF = {option.name: group for group, kind in _GROUPS.items() for option in fields(kind)}


@frozen(kw_only=True)
class ServerConfig:
    """Options of a listener, for everything that comes before a route is known and after the last one ends."""

    max_accepts_per_second: float | None = attr(default=None, validator=number(0.001, none=True))
    """Connections accepted in a second, on all listeners together, and as many at once; those above it wait in the
    kernel's queue (see ``backlog``). ``None``: as many as come."""
    handshake_timeout: float = attr(default=10.0, validator=number(0.001))
    """Seconds for TLS and the request head."""
    max_head_size: int = attr(default=16 * KiB, validator=number(64))
    """Bytes of a request head; above it 431."""
    max_headers: int = attr(default=100, validator=number(1))
    """Header lines of a request; above it 431."""
    max_body_size: int = attr(default=1 * MiB, validator=number(0))
    """Bytes of a plain HTTP request's body; above it 413."""
    keep_alive_timeout: float = attr(default=15.0, validator=number(0.001))
    """Seconds that a plain HTTP connection may be idle between requests."""
    handler_timeout: float = attr(default=30.0, validator=number(0.001))
    """Seconds of an ``async def`` HTTP handler or ``connect`` (then 503), of a request's body (then 408), and
    between two pieces of a response's body (then the connection is cut)."""
    drain_timeout: float = attr(default=10.0, validator=number(0.001))
    """Seconds in all from the first signal until everything has ended."""
    backlog: int | None = attr(default=None, validator=number(1, none=True))
    """Connections the kernel may hold for accept. ``None``: the system's maximum."""

    @classmethod
    def of(cls, **options: Any) -> ServerConfig:
        """From flat ``options``. Raises ``ConfigError`` for an unknown name or a bad value."""
        known = [option.name for option in fields(cls)]
        for name in options:
            if name not in known:
                raise ConfigError(f"there is no server option {name!r}; the options are {', '.join(sorted(known))}")
        return cls(**options)
