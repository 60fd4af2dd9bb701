"""Pings: those that a script waits for an answer to.

Rules owned here: a pong answers its own ping and those before it (RFC 6455 section 5.5.3: a server may leave them
out), any other pong nothing. Must not know how pings and pongs travel.
"""

from __future__ import annotations

import os

import trio

__all__ = ["PingSent", "Pings"]


class PingSent:
    """A ping that is under way, or about to be."""

    __slots__ = ("data", "done", "seconds", "sent")

    def __init__(self) -> None:
        #: Not to be guessed, so that it can't be answered before it has come (RFC 6455 section 5.5.3 allows for pongs
        #: that nobody asked for).
        self.data = os.urandom(8)
        self.done = trio.Event()
        self.sent: float | None = None
        """When, by trio's clock."""
        self.seconds: float | None = None
        """Until the pong came; ``None`` if the connection ended before."""


class Pings:
    """One connection's, in the order in which they are sent."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, PingSent] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def add(self) -> PingSent:
        """Another one, not sent yet."""
        ping = PingSent()
        self._under_way[ping.data] = ping
        return ping

    def leaves(self, data: bytes) -> None:
        """One is sent now."""
        if data in self._under_way:
            self._under_way[data].sent = trio.current_time()

    def forget(self, ping: PingSent) -> None:
        """Nobody waits for its answer any more."""
        self._under_way.pop(ping.data, None)

    def answered(self, data: bytes) -> None:
        """A pong has come."""
        answered = self._under_way.get(data)
        if answered is None or answered.sent is None:
            return
        for ping in list(self._under_way.values()):
            self.forget(ping)
            if ping.sent is not None:
                ping.seconds = trio.current_time() - ping.sent
            ping.done.set()
            if ping is answered:
                return

    def close(self) -> None:
        """No answer comes any more."""
        for ping in self._under_way.values():
            ping.done.set()
