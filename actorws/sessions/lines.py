"""Lines: messages and control messages as NDJSON, both ways (PROTOCOL.md, section 3).

Rules owned here: a line is one JSON value in UTF-8, ended by LF; what a client sends is checked as strictly as on a
WebSocket, and as a whole, before anything of it counts. Must not know who sends it, nor how it is framed.
"""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from typing import Any

from actorws.exceptions import HandshakeError
from actorws.frames import Close, CloseCode
from actorws.sessions import control
from actorws.sessions.outbox import Message

__all__ = ["MAX_LINES", "control_line", "line", "parse"]

#: The longest control message, in bytes: nobody has more to say.
MAX_CONTROL = 8192
#: Lines of one POST: they are handled in a row, and others wait that long (1 MiB has room for 350 000, half a second).
MAX_LINES = 1000


def line(message: Message) -> bytes:
    """A message as a line."""
    if isinstance(message, str):
        return json.dumps(message, ensure_ascii=False).encode() + b"\n"
    return b'{"binary":"%b"}\n' % b2a_base64(message, newline=False)


def control_line(said: str) -> bytes:
    """What ``control`` has made, as a line."""
    return said.encode() + b"\n"


def parse(body: bytes, max_message_size: int) -> list[Message | control.Control]:
    """What a client says in the body of a POST; empty lines say nothing.

    Raises ``HandshakeError``: 400 for a line that is nothing of the protocol or stands behind a ``close``, 413 for a
    message of more than ``max_message_size`` bytes and for more than ``MAX_LINES`` lines.
    """
    said: list[Message | control.Control] = []
    if body.count(b"\n") > MAX_LINES:
        raise HandshakeError(413, f"the request body has more than {MAX_LINES} lines")
    for number, raw in enumerate(body.split(b"\n"), 1):
        if not raw.strip(b" \t\r"):
            continue
        if said and type(said[-1]) is control.CloseWish:
            raise _bad(number, "something behind the close")
        try:
            value = json.loads(raw.decode(), parse_constant=_no_constant)
            said.append(_meaning(value, raw))
        except (ValueError, RecursionError) as error:
            raise _bad(number, f"what can't be read: {error}") from None
        _check_size(said[-1], max_message_size)
    return said


def _meaning(value: Any, raw: bytes) -> Message | control.Control:
    """What a JSON value stands for. Raises ``ValueError`` for what stands for nothing."""
    if isinstance(value, str):
        value.encode()  # no lone surrogates: they are no Unicode, and no WebSocket could bring them
        return value
    if isinstance(value, dict) and value.keys() == {"binary"} and isinstance(value["binary"], str):
        return a2b_base64(value["binary"], strict_mode=True)
    if len(raw) > MAX_CONTROL:
        raise ValueError("a control message is too long")
    said = control.parse(value)
    if isinstance(said, control.Bad):
        raise ValueError(said.why)
    if isinstance(said, control.Hello):
        raise ValueError("a control message where it doesn't belong")
    if isinstance(said, control.CloseWish) and said.code != CloseCode.NO_STATUS:
        Close(said.code, said.reason)
    return said


def _check_size(said: Message | control.Control, limit: int) -> None:
    if isinstance(said, str | bytes) and len(said) > limit // 4:
        size = len(said.encode() if isinstance(said, str) else said)
        if size > limit:
            raise HandshakeError(413, f"a message is larger than {limit} bytes", limit="max_message_size")


def _no_constant(name: str) -> None:
    """JSON has neither NaN nor Infinity, though Python's reads them."""
    raise ValueError(f"{name} is not JSON")


def _bad(number: int, why: str) -> HandshakeError:
    return HandshakeError(400, f"line {number} of the body is {why}"[:200])
