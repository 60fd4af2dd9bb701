"""The first bytes of a fuzzer's input say how the rest is used: who reads it, within which limits, cut where.

Rule owned here: their meaning. They have a place of their own, so that a mutation of the rest doesn't move the cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import TypeVar

__all__ = ["Steering"]

T = TypeVar("T")

#: Bytes before the rest: three choices, then the lengths of the pieces.
_CHOICES, _GAPS = 3, 5
#: At most about so many pieces, however long the rest has become.
_PIECES = 1000


class Steering:
    """An input, taken apart: ``rest`` is what is behind the steering bytes."""

    def __init__(self, data: bytes) -> None:
        head = data[: _CHOICES + _GAPS].ljust(_CHOICES + _GAPS, b"\0")
        self.rest = data[_CHOICES + _GAPS :]
        self._choices = head[:_CHOICES]
        self._gaps = head[_CHOICES:]

    def bit(self, number: int) -> bool:
        """One of eight flags, in the first choice."""
        return bool(self._choices[0] >> number & 1)

    def choose(self, number: int, options: Sequence[T]) -> T:
        """One of ``options``, by choice ``number`` (1 or 2)."""
        return options[self._choices[number] % len(options)]

    def pieces(self, wire: bytes) -> Iterator[tuple[bytes, bool]]:
        """``wire`` in pieces, each with a flag; their lengths repeat, and a length of 0 is all that is left."""
        scale = 1 + len(wire) // _PIECES
        position = 0
        for gap in cycle(self._gaps):
            if position >= len(wire):
                return
            length = (gap & 0x7F) * scale or len(wire)
            yield wire[position : position + length], bool(gap & 0x80)
            position += length

    @staticmethod
    def made(rest: bytes, *, bits: int = 0, choices: Sequence[int] = (), gaps: Sequence[int] = ()) -> bytes:
        """An input, put together: for what is written by hand."""
        head = bytes([bits, *choices]).ljust(_CHOICES, b"\0") + bytes(gaps).ljust(_GAPS, b"\0")
        return head + rest
