"""actorws: each client connection is a supervised actor, on trio.

Subclass ``Websocket``, return ``(state, frames)`` from its callbacks, send to actors by name, publish to groups.

The map, lowest layer first; a layer imports only those above it in this list:

- vocabulary: ``frames``, ``reasons``, ``exceptions``, ``config``, ``behaviour``, ``events``, ``notices``, ``conn``
- ``observability``: subscribers to events, which know nothing but the vocabulary
- ``protocol``: bytes to frames and back, the HTTP head, the handshake; no I/O
- ``actor``: a connection's state and callbacks, its mailbox, the run queue between actors, timers, the supervisor
- ``cluster``: engines that carry names and messages between nodes, and the form in which they travel
- ``registry``: unique names and groups
- ``transports``: the life of a WebSocket between a wire and an actor, without I/O; and what users bring instead of one
- ``io``: drivers that move bytes: the poller, trio streams
- ``sessions``: actors that outlive their wire, over WebSockets, HTTP streams and polls
- ``client``: how servers are reached; actors behind outbound connections, which come back
- ``runtime``: what all connections of a process share
- ``connection``: a WebSocket in the hands of a script
- ``browser``: the client that pages load, and its types
- ``server``: listeners, routes, plain HTTP, the shutdown
- ``testing``: behaviours driven in memory
- ``cli``: the command line

This module is the only public door besides ``actorws.config``, ``actorws.events``, ``actorws.testing``, for subscribers
to events ``actorws.observability.logs`` and ``actorws.observability.metrics``, for authors of engines
``actorws.cluster.engine``, and for authors of transports ``actorws.transports.custom``.
"""

from actorws.actor.timers import Timer
from actorws.backoff import Backoff
from actorws.behaviour import Accept, Reject, Websocket
from actorws.client.connector import Connector
from actorws.config import Coalesce
from actorws.conn import Conn, ReadyState, SendStatus
from actorws.connection.connect import connect
from actorws.connection.connection import Connection
from actorws.exceptions import (
    ActorwsError,
    AppNotFound,
    BehaviourError,
    ConfigError,
    ConnectError,
    ConnectionClosed,
    ConnectionEnded,
    ConnectTimeout,
    HandshakeError,
    InvalidReturn,
    InvalidUrl,
    NameTaken,
    NotWebsocket,
    PeerError,
    ProtocolError,
    ProxyFailed,
    Rejected,
    TlsFailed,
    Unreachable,
    UsageError,
)
from actorws.frames import Close, CloseCode, Frame, Frames, Ping, Pong
from actorws.reasons import Error, Expired, Normal, Overflow, Reason, Remote, Replaced, Shutdown, Stop, Timeout
from actorws.registry.census import Member
from actorws.registry.group import Group
from actorws.registry.refs import ActorRef
from actorws.registry.unique import Unique
from actorws.runtime import Runtime, open_runtime
from actorws.server.app import App
from actorws.server.asgi import asgi
from actorws.server.custom import TransportRequest
from actorws.server.http import Request, Response
from actorws.server.run import run
from actorws.server.run_over import run_over
from actorws.server.serve import Served, serve
from actorws.sessions.policies import (
    CleanupPolicy,
    DefaultCleanupPolicy,
    MemoryCleanupPolicy,
    PerUserCleanupPolicy,
)
from actorws.transports.custom import Transport

__all__ = [
    "Accept",
    "ActorRef",
    "ActorwsError",
    "App",
    "AppNotFound",
    "Backoff",
    "BehaviourError",
    "CleanupPolicy",
    "Close",
    "CloseCode",
    "Coalesce",
    "ConfigError",
    "Conn",
    "ConnectError",
    "ConnectTimeout",
    "Connection",
    "ConnectionClosed",
    "ConnectionEnded",
    "Connector",
    "DefaultCleanupPolicy",
    "Error",
    "Expired",
    "Frame",
    "Frames",
    "Group",
    "HandshakeError",
    "InvalidReturn",
    "InvalidUrl",
    "Member",
    "MemoryCleanupPolicy",
    "NameTaken",
    "Normal",
    "NotWebsocket",
    "Overflow",
    "PeerError",
    "PerUserCleanupPolicy",
    "Ping",
    "Pong",
    "ProtocolError",
    "ProxyFailed",
    "ReadyState",
    "Reason",
    "Reject",
    "Rejected",
    "Remote",
    "Replaced",
    "Request",
    "Response",
    "Runtime",
    "SendStatus",
    "Served",
    "Shutdown",
    "Stop",
    "Timeout",
    "Timer",
    "TlsFailed",
    "Transport",
    "TransportRequest",
    "Unique",
    "Unreachable",
    "UsageError",
    "Websocket",
    "asgi",
    "connect",
    "open_runtime",
    "run",
    "run_over",
    "serve",
]
