"""Payloads that come in pieces: fragmented messages, and large frames over many reads.

Rules owned here: memory stays in proportion to what the peer has really sent; a large payload is gathered once and
unmasked once, so that its cost is linear; text is checked as it comes. Must not know frame headers.
"""

from __future__ import annotations

from codecs import IncrementalDecoder, getincrementaldecoder

from actorws.exceptions import ProtocolError
from actorws.frames import CloseCode
from actorws.protocol.masking import apply_mask, rotate

__all__ = ["FIRST_ROOM", "Gather", "Message", "invalid_utf8", "text", "utf8_decoder"]

#: The first room made for a payload that is announced but hasn't come: a header alone must not cost much memory.
FIRST_ROOM = 64 * 1024
#: A room that is smaller is made larger before it is read into: a read of ten bytes costs what one of all others does.
LEAST_ROOM = 16 * 1024
#: What a buffer grows by: copying from one block that all share takes half of the time of making zeros each time.
#: (It is never written to, so mostly the kernel has no memory for it either.)
ZEROS = memoryview(bytes(256 * 1024))

_Utf8 = getincrementaldecoder("utf-8")


class Message:
    """The fragments of one message, as far as they have come."""

    __slots__ = ("deflated", "parts", "received", "size", "utf8")

    def __init__(self, utf8: IncrementalDecoder | None, deflated: bool) -> None:
        #: Inflated already, if the message is compressed.
        self.parts: list[bytes] = []
        self.size = 0
        #: Bytes of payload as they came; ``size`` if nothing is compressed.
        self.received = 0
        self.deflated = deflated
        #: Of a text message, checks the fragments as they come.
        self.utf8 = utf8

    def add(self, payload: bytes, received: int, last: bool, *, checked: bool = False) -> None:
        self.parts.append(payload)
        self.size += len(payload)
        self.received += received
        if self.utf8 is not None:
            check_utf8(self.utf8, b"" if checked else payload, last)

    def whole(self) -> str | bytes:
        payload = b"".join(self.parts)
        return payload.decode() if self.utf8 is not None else payload


class Gather:
    """A large payload, gathered masked in one buffer and unmasked once."""

    __slots__ = ("buffer", "checked", "deflated", "fin", "key", "length", "opcode", "size", "utf8")

    def __init__(
        self, fin: int, opcode: int, deflated: bool, key: bytes, length: int, utf8: IncrementalDecoder | None
    ) -> None:
        self.fin = fin
        self.opcode = opcode
        self.deflated = deflated
        self.key = key
        self.length = length
        self.utf8 = utf8
        self.size = 0
        self.checked = 0
        #: What has come, and room for more behind it.
        self.buffer = bytearray()

    def room(self) -> memoryview:
        if len(self.buffer) - self.size < min(LEAST_ROOM, self.length - self.size):
            self._grow()
        return memoryview(self.buffer)[self.size : self.length]

    def _grow(self) -> None:
        # Four times what has come, at most what was announced: memory stays in proportion to what the peer has sent.
        size = max(FIRST_ROOM, 4 * self.size)
        missing = min(self.length, size + LEAST_ROOM) - len(self.buffer)
        self.buffer += ZEROS[:missing] if missing <= len(ZEROS) else bytes(missing)

    def take(self, data: bytes) -> int:
        """Add what of ``data`` belongs to the payload; return how much that is."""
        count = min(len(data), self.length - self.size)
        self.buffer[self.size : self.size + count] = data if count == len(data) else data[:count]
        self.size += count
        return count

    def check(self) -> None:
        """Check the text that has come since the last call."""
        if self.utf8 is not None and self.checked < self.size:
            piece = bytes(memoryview(self.buffer)[self.checked : self.size])
            if self.key:
                piece = apply_mask(piece, rotate(self.key, self.checked))
            self.checked = self.size
            check_utf8(self.utf8, piece, False)

    def payload(self) -> bytes:
        with memoryview(self.buffer)[: self.length] as whole:
            return apply_mask(whole, self.key) if self.key else bytes(whole)


def utf8_decoder(text: bool) -> IncrementalDecoder | None:
    return _Utf8() if text else None


def check_utf8(utf8: IncrementalDecoder, payload: bytes, last: bool) -> None:
    try:
        utf8.decode(payload, last)
    except UnicodeDecodeError:
        raise invalid_utf8() from None


def text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise invalid_utf8() from None


def invalid_utf8() -> ProtocolError:
    return ProtocolError(CloseCode.INVALID_PAYLOAD, "a text message is not UTF-8 (RFC 6455 section 8.1)")
