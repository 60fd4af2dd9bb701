"""Control messages: what both sides of a session say beside messages (PROTOCOL.md, section 2).

Rules owned here: how they are told from messages, on a WebSocket by U+0000; everything a client says is checked here
and nowhere else, and so is the form of what a server says. Must not know who says it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import Any, Final, TypeAlias

from attrs import frozen

__all__ = [
    "ESCAPE",
    "SUBPROTOCOL",
    "Ack",
    "Bad",
    "CloseWish",
    "Control",
    "Greeting",
    "Hello",
    "Ping",
    "ack",
    "close",
    "escaped",
    "greeting",
    "hello",
    "on_websocket",
    "parse",
    "parse_answer",
    "parse_text",
    "pong",
]

#: What a client offers in its WebSocket handshake.
SUBPROTOCOL: Final = "actorws.v1"
#: What control messages on a WebSocket begin with.
ESCAPE: Final = "\x00"
#: Characters of a control message; nobody has more to say.
MAX_LENGTH = 2048
#: Counts above it are nonsense (JavaScript's integers end there).
MAX_COUNT = 1 << 53


@frozen
class Hello:
    """A wire begins."""

    session: str | None
    """The session to go on with; ``None``: a new one."""
    received: int = 0
    """Messages of it that the client has got."""


@frozen
class Ack:
    """The client has got messages."""

    received: int
    """So many in all."""


@frozen
class Ping:
    """The client asks whether we are there."""

    value: Any
    """Is sent back."""


@frozen
class CloseWish:
    """The client ends the session, over HTTP."""

    code: int
    reason: str


@frozen
class Greeting:
    """What a server says first on every wire."""

    session: str
    resumed: bool
    received: int
    """Messages of the client that the session has got."""
    subprotocol: str | None = None
    """The application's, if one was chosen."""
    lost: str | None = None
    """Why the session that was asked for can't be gone on with: this is another."""


@frozen
class Bad:
    """What is no control message."""

    why: str


Control: TypeAlias = Hello | Ack | Ping | CloseWish | Greeting | Bad


def escaped(message: str) -> str:
    """A text message as it goes over a WebSocket."""
    return ESCAPE + message if message[:1] == ESCAPE else message


def parse_text(text: str, meaning_of: Callable[[Any], Control] | None = None) -> str | Control:
    """What a text that begins with U+0000 is: a message, or a control message (``meaning_of``: default ``parse``)."""
    if text[1:2] == ESCAPE:
        return text[1:]
    if len(text) > MAX_LENGTH:
        return Bad("a control message is too long")
    try:
        return (meaning_of or parse)(json.loads(text[1:]))
    except (ValueError, RecursionError):
        return Bad("a control message is not JSON")


def parse(value: Any) -> Control:
    """What a JSON value is as a control message of a client."""
    match value:
        case {"new": True, **rest} if not rest:
            return Hello(None)
        case {"resume": str(session), "received": int(received), **rest} if not rest and _is_count(received):
            return Hello(session, received)
        case {"ack": int(received), **rest} if not rest and _is_count(received):
            return Ack(received)
        case {"ping": None | bool() | int() | float() | str() as ping, **rest} if not rest and _can_be_said(ping):
            return Ping(ping)
        case {"close": {"code": int(code), **close}, **rest} if not rest and not isinstance(code, bool):
            reason = close.pop("reason", "")
            if not close and isinstance(reason, str):
                return CloseWish(code, reason)
    return Bad("a control message that is not known")


def parse_answer(value: Any) -> Control:
    """What a JSON value is as a control message of a server. (One that was never asked has no ``pong`` to send.)"""
    match value:
        case {"session": str(session), "resumed": bool(resumed), "received": int(received), **rest}:
            more: dict[Any, Any] = rest
            subprotocol, lost = more.pop("subprotocol", None), more.pop("lost", None)
            is_sound = not more and isinstance(subprotocol, str | None) and isinstance(lost, str | None)
            if is_sound and _is_count(received):
                return Greeting(session, resumed, received, subprotocol, lost)
        case {"ack": int(received), **rest} if not rest and _is_count(received):
            return Ack(received)
    return Bad("a control message that is not known")


def _is_count(value: int) -> bool:
    return not isinstance(value, bool) and 0 <= value <= MAX_COUNT


def _can_be_said(value: bool | int | float | str | None) -> bool:
    """Whether it can be sent back: Python's JSON has numbers and strings that neither JSON nor UTF-8 know."""
    if isinstance(value, float):
        return isfinite(value)
    return not isinstance(value, str) or not any("\ud800" <= character <= "\udfff" for character in value)


def hello(session: str | None, received: int) -> str:
    """What a client says first on every wire, as JSON: which session it goes on with; ``None``: a new one."""
    return _json({"new": True} if session is None else {"resume": session, "received": received})


def greeting(
    session: str, received: int, *, resumed: bool = False, subprotocol: str | None = None, lost: str | None = None
) -> str:
    """What a server says first on every wire, as JSON."""
    value: dict[str, Any] = {"session": session, "resumed": resumed, "received": received}
    if subprotocol is not None:
        value["subprotocol"] = subprotocol
    if lost is not None:
        value["lost"] = lost
    return _json(value)


def ack(received: int) -> str:
    """``received`` messages of the client have come, as JSON."""
    return _json({"ack": received})


def pong(value: Any) -> str:
    """The answer to a ping, as JSON."""
    return _json({"pong": value})


def close(code: int, reason: str) -> str:
    """The end of a session over HTTP, as JSON."""
    return _json({"close": {"code": code, "reason": reason}})


def on_websocket(control: str) -> str:
    """A control message as the text of a WebSocket frame."""
    return ESCAPE + control


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
