"""Clients: WebSocket clients of a measurement, many in one process: ``python -m benchmarks.cluster.clients``.

Rule owned here: connecting is no part of what is measured, and neither is what was under way before. Plain sockets and
no parser: what comes is counted in bytes of the first answer's size.
"""

from __future__ import annotations

import selectors
import socket
from time import monotonic

import trio

from benchmarks.cluster.node import in_thread
from benchmarks.cluster.orders import obey
from benchmarks.hot_path_load import MESSAGE, connect, size_of_answer

__all__ = ["Clients"]

#: Seconds in which all clients must have got something.
PATIENCE = 10.0
READ_SIZE = 1 << 18


class Clients:
    """What the coordinator orders."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._clients: list[socket.socket] = []
        self._size = 0
        #: Bytes of an answer of which the rest is still to come.
        self._rest: dict[socket.socket, int] = {}

    async def connect(self, port: int, count: int) -> None:
        """Open ``count`` connections."""
        for _ in range(count):
            client = connect(port)
            self._clients.append(client)
            self._rest[client] = 0
            self._selector.register(client, selectors.EVENT_READ)

    async def begin(self, window: int, fan: bool) -> None:
        """Send, and return when everybody has got something. ``fan``: only the first one sends."""
        self._senders = set(self._clients[:1] if fan else self._clients)
        for client in self._senders:
            client.sendall(MESSAGE * window)
        silent, until = set(self._clients), monotonic() + PATIENCE
        while silent:
            silent -= self._step()[1]
            if monotonic() > until:
                raise TimeoutError(f"{len(silent)} clients got nothing")

    async def run(self, seconds: float) -> dict[str, float]:
        """Go on, a message for each that comes; returns how many came, and in how many seconds."""
        came, began = 0, monotonic()
        while (now := monotonic()) < began + seconds:
            came += self._step()[0]
        return {"came": came, "seconds": now - began}

    def _step(self) -> tuple[int, set[socket.socket]]:
        """Read once from all that can be read; returns how many messages came, and for whom."""
        came, heard = 0, set()
        for key, _ in self._selector.select(0.1):
            client: socket.socket = key.fileobj  # type: ignore[assignment]
            data = client.recv(READ_SIZE)
            if not data:
                raise ConnectionError("the server has closed a connection")
            self._size = self._size or size_of_answer(data)
            count, self._rest[client] = divmod(self._rest[client] + len(data), self._size)
            came += count
            heard.add(client)
            if count and client in self._senders:
                client.sendall(MESSAGE * count)
        return came, heard


if __name__ == "__main__":
    trio.run(obey, Clients(), in_thread)
