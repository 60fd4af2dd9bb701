"""Frames: what travels between a client and its actor.

Rule owned here: a control frame that exists is one that may be sent (codes, sizes and
UTF-8 are checked when it is made). Knows nothing of connections or of bytes on a wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeAlias

from attrs import frozen

__all__ = ["Close", "CloseCode", "Frame", "Frames", "Ping", "Pong"]

#: RFC 6455 section 5.5: the payload of a control frame is at most 125 bytes.
MAX_CONTROL_PAYLOAD = 125
#: Two bytes of a Close payload are the code.
MAX_CLOSE_REASON = MAX_CONTROL_PAYLOAD - 2


class CloseCode(IntEnum):
    """Close codes: RFC 6455 section 7.4.1, the IANA registry, and actorws' own in 4000-4999.

    Of actorws' own, 4000-4499 ask the client to come back and 4500-4999 ask it to stay away.
    """

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    # 1004 is reserved.
    NO_STATUS = 1005
    """Never on the wire: the peer closed without a code."""
    ABNORMAL = 1006
    """Never on the wire: the connection ended without a Close frame."""
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015
    """Never on the wire: the TLS handshake failed."""
    REPLACED = 4500
    """Another connection took this one's unique name."""


def is_sendable(code: int) -> bool:
    """Whether ``code`` may stand in a Close frame (RFC 6455 section 7.4, IANA registry)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


@frozen
class Close:
    """Ends the connection: sent as a Close frame, answered by the peer's.

    Raises ``ValueError`` for a code that may not be sent (allowed: 1000-1003, 1007-1014,
    3000-4999) and for a reason of more than 123 bytes of UTF-8.
    """

    code: int = CloseCode.NORMAL
    """Why, for programs."""
    reason: str = ""
    """Why, for people; at most 123 bytes of UTF-8."""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.code, int) or isinstance(self.code, bool):
            raise TypeError(f"code must be an int, not {self.code!r}")
        if not is_sendable(self.code):
            raise ValueError(
                f"code {self.code} may not be sent in a Close frame: "
                "expected 1000-1003, 1007-1014 or 3000-4999 (RFC 6455 section 7.4)"
            )
        if not isinstance(self.reason, str):
            raise TypeError(f"reason must be a str, not {self.reason!r}")
        size = len(self.reason.encode())
        if size > MAX_CLOSE_REASON:
            raise ValueError(f"reason is {size} bytes of UTF-8, at most {MAX_CLOSE_REASON} fit")


def _check_control_payload(data: object) -> None:
    if not isinstance(data, bytes):
        raise TypeError(f"data must be bytes, not {data!r}")
    if len(data) > MAX_CONTROL_PAYLOAD:
        raise ValueError(f"data is {len(data)} bytes, at most {MAX_CONTROL_PAYLOAD} fit a control frame")


@frozen
class Ping:
    """Asks the peer for a Pong with the same data. Pings from the client are answered by actorws."""

    data: bytes = b""
    """At most 125 bytes."""

    def __attrs_post_init__(self) -> None:
        _check_control_payload(self.data)


@frozen
class Pong:
    """Answers a Ping, or stands alone as a sign of life."""

    data: bytes = b""
    """At most 125 bytes."""

    def __attrs_post_init__(self) -> None:
        _check_control_payload(self.data)


#: One frame to a client: ``str`` is a text message, bytes-like is a binary message.
Frame: TypeAlias = str | bytes | bytearray | memoryview | Close | Ping | Pong

#: What a callback may return beside its state: nothing, one frame, or several in order.
Frames: TypeAlias = Frame | Sequence[Frame] | None
