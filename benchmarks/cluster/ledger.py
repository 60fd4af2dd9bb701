"""Ledger: whether what was sent has come: all of it, once, in order.

Rule owned here: a run in which a message was lost, came twice or out of order has no figure. Every message says who
sent it, which of that sender's it is, and when it left. Nothing but the standard library: the peers use it, too.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from time import monotonic_ns
from typing import Any

__all__ = ["SIZE", "Ledger", "as_bytes", "as_text", "message"]

#: Bytes of a message.
SIZE = 200
#: Sender, number, and when it left (ns of the system-wide monotonic clock).
HEAD = struct.Struct("<IIQ")
FILLER = b"." * (SIZE - HEAD.size)
_unpack, _pack = HEAD.unpack_from, HEAD.pack


def message(sender: int, number: int) -> bytes:
    """The ``number``-th message of ``sender``, leaving now."""
    return _pack(sender, number, monotonic_ns()) + FILLER


def as_text(data: bytes) -> str:
    """A message for those who carry text alone; it has the same length."""
    return data[: HEAD.size].hex() + "." * (SIZE - 2 * HEAD.size)


def as_bytes(text: str) -> bytes:
    """The message again, as far as the ledger looks at it."""
    return bytes.fromhex(text[: 2 * HEAD.size])


class Ledger:
    """What has come. ``times``: also how long each message took."""

    def __init__(self, *, times: bool = False) -> None:
        self._next: dict[int, int] = {}
        self._micros = array("d") if times else None
        self.count = 0
        self.fault = ""
        """The first message that came twice or out of order, in words."""
        self.last_ns = 0
        """When the last one came."""

    def take(self, data: bytes) -> None:
        """A message has come."""
        sender, number, left_ns = _unpack(data)
        expected = self._next.get(sender, 0)
        if number != expected and not self.fault:
            self.fault = f"message {number} of sender {sender} came where {expected} was due"
        self._next[sender] = number + 1
        self.count += 1
        self.last_ns = now = monotonic_ns()
        if self._micros is not None:
            self._micros.append((now - left_ns) / 1000)

    def check(self, sent: Sequence[int]) -> str:
        """What is wrong, given how many each sender has sent; empty if nothing is."""
        if self.fault:
            return self.fault
        if self.count != sum(sent):
            return f"{self.count} of {sum(sent)} messages came"
        return ""

    def report(self, sent: Sequence[int]) -> dict[str, Any]:
        """All of it, for the coordinator."""
        return {"fault": self.check(sent), "count": self.count, "last_ns": self.last_ns, **self._quantiles()}

    def _quantiles(self) -> dict[str, float]:
        if not self._micros:
            return {}
        ordered = sorted(self._micros)
        return {name: ordered[int(part * (len(ordered) - 1))] for name, part in (("p50", 0.5), ("p99", 0.99))}
