"""Encoder: frames to bytes (RFC 6455 section 5).

Rule owned here: how a frame looks on the wire. A server's frames are unmasked, so their bytes are the same for every
client and are made once for many. Must not know who sends or receives.
"""

from __future__ import annotations

from actorws.frames import Close, CloseCode, Frame, Ping, Pong
from actorws.protocol.masking import apply_mask
from actorws.protocol.opcodes import BINARY, CLOSE, FIN, FIN_BINARY, MASKED, PING, PONG, TEXT

__all__ = ["BINARY_HEADERS", "encode", "encode_close", "header", "mask", "payload_of"]

#: Headers of small binary frames, made once: looked up, not built, for each echo.
BINARY_HEADERS = [bytes((FIN_BINARY, length)) for length in range(126)]


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


def encode_close(code: int, reason: str = "") -> bytes:
    """A Close frame; without payload for 1005, which is never on the wire."""
    if code == CloseCode.NO_STATUS:
        return header(CLOSE, 0)
    return encode(Close(code, reason))


def mask(frame: bytes, key: bytes) -> bytes:
    """An encoded frame as a client sends it, masked with the four bytes of ``key``."""
    start = {126: 4, 127: 10}.get(frame[1], 2)
    return bytes((frame[0], frame[1] | MASKED)) + frame[2:start] + key + apply_mask(frame[start:], key)
