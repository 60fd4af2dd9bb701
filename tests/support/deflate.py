"""Compressed messages as a peer makes and reads them, with nothing but zlib (RFC 7692 section 7.2)."""

from __future__ import annotations

import zlib
from typing import Any

__all__ = ["TAIL", "Peer", "deflated", "inflated"]

TAIL = b"\x00\x00\xff\xff"


class Peer:
    """One end that goes on with its windows from message to message."""

    def __init__(self, bits: int = 15) -> None:
        self._deflate: Any = zlib.compressobj(wbits=-bits)
        self._inflate: Any = zlib.decompressobj(wbits=-bits)

    def deflate(self, payload: bytes) -> bytes:
        data: bytes = self._deflate.compress(payload) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(TAIL)
        return data.removesuffix(TAIL)

    def inflate(self, payload: bytes) -> bytes:
        data: bytes = self._inflate.decompress(payload + TAIL)
        return data


def deflated(payload: bytes, bits: int = 15) -> bytes:
    """A message that refers to nothing before it."""
    return Peer(bits).deflate(payload)


def inflated(payload: bytes, bits: int = 15) -> bytes:
    """What such a message says."""
    return Peer(bits).inflate(payload)
