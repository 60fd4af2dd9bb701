"""Encoder: frames to bytes (RFC 6455 section 5).

Rule owned here: how a frame looks on the wire. A server's frames are unmasked, so their bytes are the same for every
client and are made once for many. Must not know who sends or receives.
"""

from __future__ import annotations

from actorws.frames import Close, CloseCode, Frame, Ping, Pong
from actorws.protocol.accelerator import speedups
from actorws.protocol.masking import apply_mask
from actorws.protocol.opcodes import BINARY, CLOSE, FIN, FIN_BINARY, FIN_TEXT, MASKED, PING, PONG, TEXT

__all__ = [
    "BINARY_HEADERS",
    "SHORT",
    "encode",
    "encode_close",
    "encode_one",
    "encode_one_in_python",
    "header",
    "mask",
    "payload_of",
]

#: Bytes below which frames are not counted one by one on their way to the wire: a tick is bounded in time.
SHORT = 1024
#: Headers of small frames, made once: looked up, not built, for each echo.
BINARY_HEADERS = [bytes((FIN_BINARY, length)) for length in range(126)]
TEXT_HEADERS = [bytes((FIN_TEXT, length)) for length in range(126)]


def header(opcode: int, length: int) -> bytes:
    """The header of a whole, unmasked frame."""
    if length < 126:
        return bytes((FIN | opcode, length))
    if length < 65536:
        return bytes((FIN | opcode, 126, length >> 8, length & 0xFF))
    return bytes((FIN | opcode, 127)) + length.to_bytes(8, "big")


def payload_of(frame: Frame) -> tuple[int, bytes]:
    """The opcode and payload of a frame; its items in C order where it is a memoryview.

    Raises ``TypeError`` for what is no frame and ``UnicodeEncodeError`` for a str with surrogates.
    """
    kind = type(frame)
    if kind is str:
        return TEXT, frame.encode()  # type: ignore[union-attr]
    if kind is bytes:
        return BINARY, frame  # type: ignore[return-value]
    if isinstance(frame, Close):
        return CLOSE, frame.code.to_bytes(2, "big") + frame.reason.encode()
    if isinstance(frame, Ping):
        return PING, frame.data
    if isinstance(frame, Pong):
        return PONG, frame.data
    if isinstance(frame, str):
        return TEXT, frame.encode()
    if isinstance(frame, bytes | bytearray | memoryview):
        return BINARY, bytes(frame)
    raise TypeError(f"a frame must be str, bytes-like, Close, Ping or Pong, not {type(frame).__name__}: {frame!r:.80}")


def encode(frame: Frame) -> bytes:
    """The bytes of a frame from a server, which are the same for every client (servers don't mask)."""
    opcode, payload = payload_of(frame)
    return header(opcode, len(payload)) + payload


def encode_one_in_python(frames: object, limit: int) -> bytes | None:
    """The bytes of the only frame in ``frames``, as ``encode`` makes them, where nothing is to be decided about it.

    That is: a list or tuple of one ``str`` or ``bytes`` whose payload has less than ``limit`` bytes. ``None`` for
    anything else, none of which is an error here, not even a str with surrogates.
    """
    if (type(frames) is not list and type(frames) is not tuple) or len(frames) != 1:
        return None
    payload, headers, opcode = frames[0], BINARY_HEADERS, BINARY
    if type(payload) is str:
        headers, opcode = TEXT_HEADERS, TEXT
        try:
            payload = payload.encode()
        except UnicodeEncodeError:
            return None
    elif type(payload) is not bytes:
        return None
    length = len(payload)
    if length < 126 and length < limit:
        return headers[length] + payload
    return header(opcode, length) + payload if length < limit else None


encode_one = encode_one_in_python if speedups is None else speedups.encode_one


def encode_close(code: int, reason: str = "") -> bytes:
    """A Close frame; without payload for 1005, which is never on the wire."""
    if code == CloseCode.NO_STATUS:
        return header(CLOSE, 0)
    return encode(Close(code, reason))


def mask(frame: bytes, key: bytes) -> bytes:
    """An encoded frame as a client sends it, masked with the four bytes of ``key``."""
    start = {126: 4, 127: 10}.get(frame[1], 2)
    return bytes((frame[0], frame[1] | MASKED)) + frame[2:start] + key + apply_mask(frame[start:], key)
