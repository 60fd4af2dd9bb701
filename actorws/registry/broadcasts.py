"""Broadcasts: what can be sent straight to clients, and its form for those of other nodes.

Rule owned here: what means nothing on another node is refused where it is sent. Must not know groups.
"""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any

from actorws.cluster.engine import Kind
from actorws.frames import Close, Ping, Pong

__all__ = ["checked", "frame_of", "payload_of"]


def checked(frame: object) -> object:
    """``frame``, if it is one that can be broadcast, or a function of ``(conn, meta)``.

    Raises ``TypeError`` for anything else, ``ValueError`` for text with a lone surrogate.
    """
    if isinstance(frame, str):
        if not frame.isascii():
            _check_unicode(frame)
        return frame
    if isinstance(frame, bytes | Close | Ping | Pong):
        return frame
    if isinstance(frame, bytearray | memoryview):
        return bytes(frame)  # the caller may change it before the delivery
    if callable(frame) and not isinstance(frame, type) and not iscoroutinefunction(frame):
        return frame
    raise TypeError(
        f"frame must be a str, bytes-like, Close, Ping or Pong, or a function of (conn, meta) "
        f"that returns one of them or None, not {frame!r}"
    )


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"frame must be valid Unicode: {error}") from None


def payload_of(frame: Any) -> tuple[Kind, bytes]:
    """A frame for the clients of other nodes. Raises ``TypeError`` for what makes no sense there."""
    if isinstance(frame, str):
        return "text", frame.encode()
    if isinstance(frame, bytes):
        return "binary", frame
    if isinstance(frame, Close):
        return "close", frame.code.to_bytes(2, "big") + frame.reason.encode()
    raise TypeError(
        f"{frame!r:.100} can't be broadcast in a cluster: only text, bytes and Close reach clients of other nodes; "
        "publish a message instead, and let each actor make its frame"
    )


def frame_of(kind: Kind, payload: bytes) -> Any:
    """The frame again. Raises ``ValueError`` for what no node has made."""
    if kind == "text":
        return payload.decode()
    if kind == "close":
        return Close(int.from_bytes(payload[:2], "big"), payload[2:].decode())
    return payload
