"""Header rules: what a frame's first two bytes may say (RFC 6455 sections 5.1 to 5.5), and a Close frame's payload.

Rule owned here: which combinations of bits are a violation, and how it is told. All functions are pure; they are off
the path of a whole data frame. Must not know payloads, or how frames are found in what comes.
"""

from __future__ import annotations

from actorws.exceptions import ProtocolError
from actorws.frames import CloseCode, is_sendable
from actorws.protocol.opcodes import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT
from actorws.protocol.payload import text
from actorws.reasons import Remote

__all__ = ["check_first_bytes", "check_length", "parse_close"]

OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
RESERVED = 0x70


def check_first_bytes(first: int, second: int, *, must_mask: bool, in_message: bool, inflates: bool) -> None:
    """Raise ``ProtocolError`` 1002 unless a frame may begin so.

    ``in_message``: a fragmented message has begun. ``inflates``: messages may be compressed.
    """
    opcode = first & 0x0F
    if first & RESERVED and not (inflates and first & RESERVED == RSV1 and opcode in (TEXT, BINARY)):
        # Compressed is the message, so only its first frame says so, and a control frame never (RFC 7692 section 6).
        raise _error("a reserved bit is set without an extension that defines it", "5.2")
    if opcode not in OPCODES:
        raise _error(f"opcode {opcode:#x} is reserved", "5.2")
    if bool(second & 0x80) is not must_mask:
        raise _error("a client's frame must be masked" if must_mask else "a server masked a frame", "5.1")
    if opcode >= CLOSE:
        if not first & FIN:
            raise _error("a control frame is fragmented", "5.5")
        if second & 0x7F > 125:
            raise _error("a control frame has more than 125 bytes of payload", "5.5")
    elif opcode == CONTINUATION:
        if not in_message:
            raise _error("a continuation frame continues nothing", "5.4")
    elif in_message:
        raise _error("a new message begins inside a fragmented one", "5.4")


def check_length(length: int, size: int) -> None:
    """Raise ``ProtocolError`` 1002 unless ``length`` needs the ``size`` bytes that say it."""
    if length < (126 if size == 2 else 65536):
        raise _error("the payload length is not in its shortest form", "5.2")
    if length >> 63:
        raise _error("the payload length has its top bit set", "5.2")


def parse_close(payload: bytes) -> Remote:
    """The code and reason of a Close frame (RFC 6455 section 5.5.1). Raises ``ProtocolError`` 1002 or 1007."""
    if not payload:
        return Remote(CloseCode.NO_STATUS)
    if len(payload) == 1:
        raise _error("a Close frame has one byte of payload", "5.5.1")
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable(code):
        raise _error(f"close code {code} may not be sent", "7.4")
    return Remote(code, text(payload[2:]))


def _error(message: str, section: str) -> ProtocolError:
    return ProtocolError(CloseCode.PROTOCOL_ERROR, f"{message} (RFC 6455 section {section})")
