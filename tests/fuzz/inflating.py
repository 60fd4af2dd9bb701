"""A reference for compressed messages: RFC 1951 bit by bit, beside zlib on the whole message at once.

Rule owned here: what a compressed message means, and when it is whole (RFC 7692 section 7.2.2): what is put behind
it, 0x00 0x00 0xff 0xff, must end an empty stored block that the message began. zlib doesn't tell, so this does. A
message may also end its stream, with a final block, and then has nothing behind it but a byte of padding (section
7.2.3.4); blocks behind a final one, which section 7.2.1 lets a peer send and nobody does, are refused.
"""

from __future__ import annotations

import zlib
from itertools import accumulate

from tests.fuzz.reference import Failed

__all__ = ["ReferenceInflater"]

_TAIL = b"\x00\x00\xff\xff"
_PADDING = b"\x00"
_WINDOW = 32768
_LENGTH_BITS = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0)
#: Each base is the one before and what that covers, but the last, which has a word of its own.
_LENGTH_BASE = (*accumulate((1 << bits for bits in _LENGTH_BITS[:-2]), initial=3), 258)
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


class ReferenceInflater:
    """The messages of one peer, with or without context takeover."""

    def __init__(self, limit: int, takeover: bool) -> None:
        self._limit = limit
        self._takeover = takeover
        self._window = b""

    def __call__(self, payload: bytes, is_all: bool) -> bytes:
        """What a message is that begins with, or is, ``payload``."""
        zlib_object = zlib.decompressobj(wbits=-15, zdict=self._window) if self._window else zlib.decompressobj(-15)
        try:
            content = zlib_object.decompress(payload, min(self._limit + 1, 2**30))
        except zlib.error:
            raise Failed(1007) from None
        if len(content) > self._limit:
            raise Failed(1009)
        if zlib_object.unused_data not in (b"", _PADDING):
            raise Failed(1007)
        if is_all and payload:  # an empty message should be one byte (section 7.2.3.6), but is as clear without it
            self._end(payload, content)
        return content

    def _end(self, payload: bytes, content: bytes) -> None:
        blocks = _Blocks(payload + _TAIL, self._window)
        try:
            is_final = blocks.read_all(len(payload))
        except _Unsound:
            raise Failed(1007) from None
        output = bytes(blocks.output[len(self._window) :])
        if len(output) != len(content):
            raise Failed(1007)  # what was put behind it became content
        assert output == content, "zlib and RFC 1951 differ"
        self._window = bytes(blocks.output[-_WINDOW:]) if self._takeover and not is_final else b""


class _Unsound(Exception):
    """Not deflated data, or not whole."""


class _Blocks:
    """RFC 1951 section 3.2, as slowly as it is written there."""

    def __init__(self, data: bytes, window: bytes) -> None:
        self._data = data
        self._at = 0
        self.output = bytearray(window)

    def read_all(self, size: int) -> bool:
        """Read blocks to the end, which is ``size`` bytes and the tail; whether the last one was final."""
        while True:
            is_final, kind = self._bits(1), self._bits(2)
            is_tail = False
            if kind == 0:
                is_tail = self._stored(size)
            elif kind == 1:
                self._codes(*_FIXED)
            elif kind == 2:
                self._codes(*self._dynamic())
            else:
                raise _Unsound
            if is_tail:
                return bool(is_final)
            if is_final:
                if self._data[(self._at + 7) // 8 : size] not in (b"", _PADDING):
                    raise _Unsound
                return True

    def _bits(self, count: int) -> int:
        if self._at + count > 8 * len(self._data):
            raise _Unsound
        value = 0
        for i in range(count):
            value |= (self._data[self._at >> 3] >> (self._at & 7) & 1) << i
            self._at += 1
        return value

    def _symbol(self, code: dict[int, int]) -> int:
        data, word = self._data, 1
        for at in range(self._at, min(self._at + 15, 8 * len(data))):
            word = word << 1 | (data[at >> 3] >> (at & 7) & 1)
            if word in code:
                self._at = at + 1
                return code[word]
        raise _Unsound

    def _stored(self, size: int) -> bool:
        """A block of bytes as they are; whether it is the empty one that the tail completes."""
        start = (self._at + 7) // 8
        self._at = 8 * start
        length, complement = self._bits(16), self._bits(16)
        if length != complement ^ 0xFFFF:
            raise _Unsound
        end = start + 4 + length
        if end > len(self._data):
            raise _Unsound
        self.output += self._data[start + 4 : end]
        self._at = 8 * end
        return start == size

    def _dynamic(self) -> tuple[dict[int, int], dict[int, int]]:
        literals, distances, lengths = self._bits(5) + 257, self._bits(5) + 1, self._bits(4) + 4
        sizes = [0] * 19
        for i in _ORDER[:lengths]:
            sizes[i] = self._bits(3)
        code, sizes = _code(sizes), []
        while len(sizes) < literals + distances:
            symbol = self._symbol(code)
            if symbol < 16:
                sizes.append(symbol)
            elif symbol == 16 and not sizes:
                raise _Unsound
            elif symbol == 16:
                sizes += [sizes[-1]] * (3 + self._bits(2))
            else:
                sizes += [0] * (3 + self._bits(3) if symbol == 17 else 11 + self._bits(7))
        return _code(sizes[:literals]), _code(sizes[literals:])

    def _codes(self, literal: dict[int, int], distance: dict[int, int]) -> None:
        while (symbol := self._symbol(literal)) != 256:
            if symbol < 256:
                self.output.append(symbol)
                continue
            if symbol > 285:
                raise _Unsound
            length = _LENGTH_BASE[symbol - 257] + self._bits(_LENGTH_BITS[symbol - 257])
            symbol = self._symbol(distance)
            extra = max(0, symbol // 2 - 1)
            back = 1 + self._bits(extra) + (symbol if symbol < 4 else (2 + symbol % 2) << extra)
            copied = self.output[-back:] if back <= len(self.output) else b""
            if not copied:
                raise _Unsound
            self.output += (copied * (length // len(copied) + 1))[:length]


def _code(sizes: list[int]) -> dict[int, int]:
    """A Huffman code by the lengths of its symbols' words (section 3.2.2): words to symbols, with a 1 before each."""
    symbols, word = {}, 2
    for size in range(1, 16):
        for symbol in (symbol for symbol, length in enumerate(sizes) if length == size):
            symbols[word] = symbol
            word += 1
        word <<= 1
    return symbols


_FIXED = (_code([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8), _code([5] * 30))
