"""Limits: which option of the configuration is told of by which event when it is reached.

Rule owned here: every option is either in ``LIMITS`` or in ``NO_LIMITS``; what a limit's event is, its metric and its
test are found by this table. Must not know who enforces a limit, nor who counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from actorws.events import (
    AcceptsPaused,
    ActorCut,
    ActorEnded,
    CallbackTimedOut,
    ConnectFailed,
    ConnectionLost,
    DrainTimedOut,
    Event,
    HandshakeRefused,
    HandshakeTimedOut,
    KeepAliveTimedOut,
    MailboxFull,
    OutputFull,
    ProtocolViolated,
    RateLimited,
    ReadingPaused,
    ResponseCut,
    SlowCallback,
)

__all__ = ["LIMITS", "NO_LIMITS", "limit_of"]

#: By option: the events that name it in their ``limit`` when it is reached.
LIMITS: Mapping[str, tuple[type[Event], ...]] = {
    # Of a route
    "max_message_size": (ProtocolViolated,),
    "max_fragments": (ProtocolViolated,),
    "max_connections": (HandshakeRefused,),
    "max_connections_per_address": (HandshakeRefused,),
    "max_frames_per_second": (RateLimited,),
    "max_bytes_per_second": (RateLimited,),
    "max_control_frames_per_second": (RateLimited,),
    "idle_timeout": (ActorEnded,),
    "close_timeout": (ActorEnded,),
    "callback_timeout": (CallbackTimedOut,),
    "terminate_timeout": (CallbackTimedOut,),
    "backpressure_limit": (OutputFull,),
    "high_water_mark": (ReadingPaused,),
    "mailbox_messages": (MailboxFull, ReadingPaused),
    "mailbox_bytes": (MailboxFull, ReadingPaused),
    "slow_callback": (SlowCallback,),
    "session_open_timeout": (ActorEnded,),
    "session_resume_timeout": (ActorEnded,),
    "session_buffer_messages": (OutputFull,),
    "session_buffer_bytes": (OutputFull,),
    # Of a server
    "max_accepts_per_second": (AcceptsPaused,),
    "handshake_timeout": (HandshakeRefused, HandshakeTimedOut, ConnectFailed),  # a server's own, and an outbound one's
    "max_head_size": (HandshakeRefused,),
    "max_headers": (HandshakeRefused,),
    "max_body_size": (HandshakeRefused,),
    "keep_alive_timeout": (KeepAliveTimedOut,),
    "handler_timeout": (HandshakeRefused, ResponseCut),
    "drain_timeout": (ActorCut, DrainTimedOut),
    # Of an outbound connection
    "connect_timeout": (ConnectFailed,),
    "max_redirects": (ConnectFailed,),
    "max_attempts": (ConnectFailed, ConnectionLost),
}

#: Options that nothing can reach, and why.
NO_LIMITS: Mapping[str, str] = {
    "overload_body": "words",
    "rate_burst": "part of the rates",
    "rate_policy": "what a limit does",
    "send_pings": "a switch",
    "ping_margin": "when a ping is sent; what is reached is idle_timeout",
    "close_on_backpressure_limit": "what a limit does",
    "output_policy": "what a limit does",
    "mailbox_policy": "what a limit does",
    "subprotocols": "a choice",
    "subprotocol_required": "a switch",
    "allowed_hosts": "who may come, not how many",
    "allowed_origins": "who may come, not how many",
    "compression": "a switch",
    "compression_threshold": "from when on, not how much",
    "compression_max_size": "how, not how much",
    "compression_level": "a choice",
    "compression_memory_level": "a choice",
    "server_context_takeover": "a switch",
    "client_context_takeover": "a switch",
    "server_max_window_bits": "negotiated",
    "client_max_window_bits": "negotiated",
    "resumable": "a switch",
    "cleanup_policy": "a choice",
    "transports": "a choice",
    "poll_timeout": "when an empty answer is sent",
    "poll_messages": "what comes with the next answer instead",
    "stream_heartbeat": "when a sign of life is sent",
    "backlog": "the kernel's, which doesn't tell",
    "initial": "how long to wait, not how much",
    "maximum": "how long to wait, not how much",
    "factor": "how long to wait, not how much",
    "jitter": "how long to wait, not how much",
    "health_time": "from when on, not how much",
}


def limit_of(event: Event) -> str:
    """The option whose limit ``event`` tells of, or the empty string."""
    limit = getattr(event, "limit", "")
    return limit if limit in LIMITS else ""
