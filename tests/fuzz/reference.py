"""A reference reader and writer of frames: RFC 6455 section 5 word by word, slow, all bytes at once.

Rule owned here: what a stream of frames means, and the code that fails it. A rule is applied as soon as the bytes
that it is about are there, so that an unfinished stream has one meaning too. Must not share code with the package:
the numbers stand here once more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from actorws.frames import Ping, Pong
from actorws.reasons import Remote

__all__ = ["Failed", "Inflate", "Read", "Rules", "read", "write"]

#: What a stream means: messages, control frames and the Close in order, and the code of what failed it, if anything.
Read: TypeAlias = tuple[list[str | bytes | Ping | Pong | Remote], int | None]
#: Takes the payload of a compressed message as far as it has come, and whether that is all of it. Raises ``Failed``.
Inflate: TypeAlias = Callable[[bytes, bool], bytes]

#: RFC 3629 section 4.
_CHARACTER = (
    rb"(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})"
)
#: What the text of an unfinished message may end with. A surrogate (ED A0 and so on) shows two bytes before its end,
#: but Python's decoder minds only its third, and nobody is the worse for it.
_BEGINNING = (
    rb"(?:[\xc2-\xdf]|\xe0[\xa0-\xbf]?|[\xe1-\xef][\x80-\xbf]?"
    rb"|\xf0(?:[\x90-\xbf][\x80-\xbf]?)?|[\xf1-\xf3][\x80-\xbf]{0,2}|\xf4(?:[\x80-\x8f][\x80-\xbf]?)?)"
)
_TEXT = re.compile(_CHARACTER + rb"*+")
_CUT_TEXT = re.compile(_CHARACTER + rb"*+" + _BEGINNING + rb"?")


class Failed(Exception):
    """The stream breaks a rule."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Unfinished(Exception):
    """The stream ends inside a frame."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the reader may expect of the peer."""

    masked: bool
    max_message_size: int
    max_fragments: int
    max_deflated_size: int = 0


class _Bytes:
    """What is left of the stream."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        if len(self.data) < count:
            raise _Unfinished
        taken, self.data = self.data[:count], self.data[count:]
        return taken


@dataclass
class _Message:
    """A message of which not all fragments have come."""

    is_text: bool
    is_compressed: bool
    payload: bytes = b""
    fragments: int = 0


def read(wire: bytes, rules: Rules, inflate: Inflate | None = None) -> Read:
    """What ``wire`` means; with ``inflate``, messages may be compressed (RFC 7692)."""
    left, received, message = _Bytes(wire), [], None  # type: tuple[_Bytes, list[object], _Message | None]
    try:
        while not (received and isinstance(received[-1], Remote)):
            message = _read_frame(left, rules, received, message, inflate)
    except _Unfinished:
        return received, None  # type: ignore[return-value]
    except Failed as failure:
        return received, failure.code  # type: ignore[return-value]
    return received, None  # type: ignore[return-value]


def _read_frame(
    left: _Bytes, rules: Rules, received: list[object], message: _Message | None, inflate: Inflate | None
) -> _Message | None:
    """Read one frame; the message that it leaves unfinished."""
    first, second = left.take(2)
    fin, rsv1, rsv2, rsv3 = first >> 7 & 1, first >> 6 & 1, first >> 5 & 1, first >> 4 & 1
    opcode, masked, length = first & 15, second >> 7, second & 127
    # 5.2, RSV: "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values." That one
    # uses RSV1, and only on the first frame of a data message (RFC 7692 section 6).
    if rsv2 or rsv3 or (rsv1 and (inflate is None or opcode not in (1, 2))):
        raise Failed(1002)
    # 5.2, opcode: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."
    if opcode not in (0, 1, 2, 8, 9, 10):
        raise Failed(1002)
    # 5.1: "a client MUST mask all frames that it sends to the server", "A server MUST NOT mask any frames".
    if bool(masked) != rules.masked:
        raise Failed(1002)
    # 5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
    if opcode >= 8 and (not fin or length > 125):
        raise Failed(1002)
    # 5.4: a continuation belongs to a message that has begun, and only control frames may stand between.
    if (opcode == 0) != (message is not None) and opcode < 8:
        raise Failed(1002)
    length = _read_length(left, length)
    if opcode >= 8:
        key = left.take(4) if masked else bytes(4)
        received.append(_control(opcode, _xor(left.take(length), key)))
        return message
    if message is None:
        message = _Message(is_text=opcode == 1, is_compressed=bool(rsv1))
    message.fragments += 1
    # 7.4.1: 1009 is for "a message that is too big for it to process", by its bytes on the wire to begin with.
    limit = rules.max_deflated_size if message.is_compressed else rules.max_message_size
    if len(message.payload) + length > limit or message.fragments > rules.max_fragments:
        raise Failed(1009)
    key = left.take(4) if masked else bytes(4)
    message.payload += _xor(left.data[:length], key)
    is_whole = len(left.data) >= length
    content = message.payload
    if message.is_compressed:
        left.take(length if not is_whole else 0)  # inflated is what is whole
        assert inflate is not None
        content = inflate(message.payload, bool(fin))
    # 8.1: text that is not UTF-8 fails the connection, and what can't become UTF-8 any more is none already.
    if message.is_text and not (_TEXT if fin and is_whole else _CUT_TEXT).fullmatch(content):
        raise Failed(1007)
    left.take(length)
    if not fin:
        return message
    received.append(content.decode() if message.is_text else content)
    return None


def _read_length(left: _Bytes, length: int) -> int:
    """5.2, payload length: network byte order, "the minimal number of bytes MUST be used", the top bit is 0."""
    if length == 126:
        length = int.from_bytes(left.take(2), "big")
        if length <= 125:
            raise Failed(1002)
    elif length == 127:
        length = int.from_bytes(left.take(8), "big")
        if length <= 65535 or length >= 2**63:
            raise Failed(1002)
    return length


def _control(opcode: int, payload: bytes) -> Ping | Pong | Remote:
    if opcode != 8:
        return Ping(payload) if opcode == 9 else Pong(payload)
    # 5.5.1: "the first two bytes of the body MUST be a 2-byte unsigned integer"; 1005 stands for none (7.1.5).
    if not payload:
        return Remote(1005)
    if len(payload) == 1:
        raise Failed(1002)
    code, reason = payload[0] << 8 | payload[1], payload[2:]
    # 7.4: 1004, 1005, 1006 and 1015 are never sent, 1012 to 1014 are IANA's, 1016 to 2999 not given out.
    if code not in (1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)):
        raise Failed(1002)
    if not _TEXT.fullmatch(reason):
        raise Failed(1007)
    return Remote(code, reason.decode())


def _xor(payload: bytes, key: bytes) -> bytes:
    """5.3: octet i of the payload XOR octet i MOD 4 of the key."""
    keys = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(len(payload), "big")


def write(first: int, payload: bytes, key: bytes | None = None, *, form: int = 0, length: int | None = None) -> bytes:
    """A frame of which every field may be wrong: ``form`` is the bytes its length takes at least (0, 2 or 8),
    ``length`` what it announces instead of the truth."""
    size = len(payload) if length is None else length
    bit = 0 if key is None else 128
    if size > 65535 or form == 8:
        coded = bytes([127 | bit]) + size.to_bytes(8, "big")
    elif size > 125 or form == 2:
        coded = bytes([126 | bit]) + size.to_bytes(2, "big")
    else:
        coded = bytes([size | bit])
    return bytes([first]) + coded + (payload if key is None else key + _xor(payload, key))
