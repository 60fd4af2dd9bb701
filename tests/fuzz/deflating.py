"""Target ``deflate``: compressed messages, sound and unsound, into a decoder, against zlib and RFC 1951 bit by bit.

With windows smaller than the largest there is no oracle: whether zlib minds a reference behind its window depends on
how much it gets at once. What comes out still has to be the same for every cut.
"""

from __future__ import annotations

import zlib
from functools import cache

from actorws.config import Compression
from actorws.protocol.codec import Decoder
from actorws.protocol.deflate import Agreed, Deflater, Inflater, negotiate
from actorws.protocol.head import Head, parse_head
from tests.fuzz.decoding import check_stream, described, make_decoder, rules_of, typed
from tests.fuzz.inflating import ReferenceInflater
from tests.fuzz.reference import Rules, read
from tests.fuzz.steering import Steering

__all__ = ["deflate"]

_OPTIONS = (
    Compression(compression=True),
    Compression(compression=True, client_context_takeover=True, server_context_takeover=True),
    Compression(compression=True, client_max_window_bits=9, server_max_window_bits=9),
    Compression(compression=True, client_context_takeover=True, server_context_takeover=True, client_max_window_bits=9),
)
_STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY)
_OFFER = b"GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"


def deflate(data: bytes) -> None:
    """Frames, of which some are compressed; and what we compress of the messages that came out."""
    steering = Steering(data)
    rules, options = rules_of(steering), _OPTIONS[steering.bit(1) + 2 * steering.bit(2)]
    client = _Client(steering)
    wire = b"".join(described(steering.rest, not steering.bit(0), room=100_000, content=client.content))
    expected = None
    if options.client_max_window_bits == 15:
        expected = read(wire, rules, ReferenceInflater(rules.max_message_size, options.client_context_takeover))

    def make() -> Decoder:
        decoder = make_decoder(rules)
        decoder.inflater = Inflater(_agreed(options).extension)
        return decoder

    check_stream(steering, wire, make, expected)
    if expected is not None:
        _check_deflater([item for item in expected[0] if isinstance(item, str | bytes)], options)


class _Client:
    """Compresses what is described, in good order or in one of the other ways that RFC 7692 has or refuses."""

    def __init__(self, steering: Steering) -> None:
        self._raw = steering.bit(3)
        self._takes_over = steering.bit(1)
        self._strategy = _STRATEGIES[(steering.bit(4) + 2 * steering.bit(5)) % 3]
        self._ends = steering.bit(6)
        self._compressed = False
        self._zlib = self._made()

    def _made(self) -> zlib._Compress:
        return zlib.compressobj(9, wbits=-9, strategy=self._strategy)

    def content(self, first: int, payload: bytes) -> bytes:
        is_last, opcode = first & 0x80, first & 0x0F
        if opcode in (1, 2):
            self._compressed = bool(first & 0x40)
        if self._raw or not self._compressed or opcode > 2:
            return payload  # is deflated data as it is, or isn't meant to be any
        data = self._zlib.compress(payload)
        if is_last and self._ends:
            data += self._zlib.flush() + b"\0"  # RFC 7692 section 7.2.3.4
            self._zlib = self._made()
        else:
            data += self._zlib.flush(zlib.Z_SYNC_FLUSH)
        if is_last and not self._ends:
            data = data[:-4]
        if is_last and not self._takes_over:
            self._zlib = self._made()
        return data


@cache
def _head() -> Head:
    return parse_head(_OFFER, 100)


def _agreed(options: Compression) -> Agreed:
    agreed = negotiate(_head(), options)
    assert agreed is not None
    return agreed


def _check_deflater(messages: list[str | bytes], options: Compression) -> None:
    """What we compress is read as what it was, by the reference."""
    deflater = Deflater(_agreed(options).extension, 0)
    wire = b"".join(
        deflater.encode(1, item.encode()) if isinstance(item, str) else deflater.encode(2, item) for item in messages
    )
    rules = Rules(masked=False, max_message_size=2**30, max_fragments=1, max_deflated_size=2**31)
    outcome = read(wire, rules, ReferenceInflater(2**30, options.server_context_takeover))
    assert typed(outcome) == typed((messages, None)), "what we compress is read differently"  # type: ignore[arg-type]
