"""Target ``encoder``: frames of every type, against the reference reader and the writer of ``websockets``."""

from __future__ import annotations

from collections.abc import Iterator

from websockets.frames import Frame as WebsocketsFrame
from websockets.frames import Opcode

from actorws.frames import Close, Frame, Ping, Pong
from actorws.protocol.encoder import BINARY_HEADERS, encode, encode_close, header, mask, payload_of
from actorws.reasons import Remote
from tests.fuzz.decoding import typed
from tests.fuzz.reference import Rules, read
from tests.support.speedups import ENCODERS

__all__ = ["encoder"]

_TIMES = (1, 1, 1, 2, 17, 300, 600, 2000)
_ANY = Rules(masked=False, max_message_size=2**62, max_fragments=1)
_MASKED = Rules(masked=True, max_message_size=2**62, max_fragments=1)


class _Text(str):
    """A text of a class of its own, as templates make them."""


class _Blob(bytes):
    """Bytes of a class of their own."""


def encoder(data: bytes) -> None:
    """The frames that ``data`` describes: encoded, they are read as what they are, masked or not."""
    key, text = data[:4].ljust(4, b"\0"), data[4:]
    wire, masked, expected = b"", b"", []
    for frame, meaning in _described(text):
        encoded = encode(frame)
        opcode, payload = payload_of(frame)
        assert encoded == header(opcode, len(payload)) + payload, "encode() and its parts differ"
        assert encoded == WebsocketsFrame(Opcode(opcode), payload).serialize(mask=False), "websockets writes it so"
        if opcode == 2 and len(payload) < 126:
            assert encoded == BINARY_HEADERS[len(payload)] + payload
        for encode_one in ENCODERS.values():
            is_plain = type(frame) in (str, bytes)
            assert encode_one([frame], len(payload) + 1) == (encoded if is_plain else None), "encode_one() differs"
            assert encode_one((frame,), len(payload)) is None, "as long as the limit"
        if isinstance(frame, Close):
            assert encoded == encode_close(frame.code, frame.reason)
        wire += encoded
        masked += mask(encoded, key)
        expected.append(meaning)
    assert typed(read(wire, _ANY)) == typed((expected, None)), "read differently"  # type: ignore[arg-type]
    assert typed(read(masked, _MASKED)) == typed((expected, None)), "read differently when masked"  # type: ignore[arg-type]
    assert encode_close(1005) == b"\x88\x00"


def _described(text: bytes) -> Iterator[tuple[Frame, object]]:
    """Frames and what they mean to the peer, from descriptions: the kind, how often the payload is repeated and
    its size, the payload. None behind a Close."""
    while len(text) >= 3:
        kind, times, size = text[:3]
        payload, text = text[3 : 3 + size], text[3 + size :]
        blob = payload * _TIMES[times & 7]
        chars = blob.decode("utf-8", "replace")
        match kind % 10:
            case 0:
                yield chars, chars
            case 1:
                yield _Text(chars), chars
            case 2:
                yield blob, blob
            case 3:
                yield _Blob(blob), blob
            case 4:
                yield bytearray(blob), blob
            case 5:
                yield memoryview(blob), blob
            case 6:
                yield memoryview(blob)[::-1], blob[::-1]
            case 7 | 8 as control:
                made = _or_none(Ping if control == 7 else Pong, blob)
                assert (made is not None) == (len(blob) <= 125), "a control frame's payload has at most 125 bytes"
                if made is not None:
                    yield made, made
            case _:
                code, reason = int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")
                close = _or_none(Close, code, reason)
                sendable = code in (1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000))
                assert (close is not None) == (sendable and len(reason.encode()) <= 123), "RFC 6455 sections 5.5, 7.4"
                if close is not None:
                    yield close, Remote(code, reason)
                    return


def _or_none(kind: type, *args: object) -> Frame | None:
    try:
        made: Frame = kind(*args)
    except ValueError:
        return None
    return made
