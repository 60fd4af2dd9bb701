"""Wire: a client of a server of actorws, over any of the wires that it offers, and what all of them have in common.

Rule owned here: a client does what its protocol asks of it and no more. Messages are one text of 32 characters, which
is looked for in what comes, so that to take a message costs next to nothing. Must not know when something is sent, nor
what is measured. The wires themselves: ``websocket_wires`` and ``http_wires``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

__all__ = ["ACKNOWLEDGE", "TEXT", "Client", "Counter", "WireFailed", "read", "read_head", "read_past"]

TEXT = b"x" * 32
#: Messages after which they have to be acknowledged.
ACKNOWLEDGE = 32
#: Seconds for anything that a server has to answer.
PATIENCE = 30


class WireFailed(Exception):
    """The server did something else than its protocol says."""


class Client:
    """One connection, or what stands for one."""

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path
        self.received = 0
        """Messages."""
        self.acknowledged = 0
        """How many of them the server was told to have come, where it wants to know."""
        self.sockets: list[socket.socket] = []
        """Whoever is readable is given to ``take``."""

    def open(self) -> None:
        """Raises ``WireFailed`` or ``OSError``."""
        raise NotImplementedError

    def send(self, count: int) -> None:
        """Send so many messages, as soon as it may be done."""
        raise NotImplementedError

    def take(self, connection: socket.socket) -> int:
        """Read once; returns how many messages came."""
        raise NotImplementedError

    def close(self) -> None:
        """Vanish: reset, so that nothing is left of it in the kernel."""
        for connection in self.sockets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        self.sockets = []

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's deadlines: with those of Python, each call would be preceded by a poll.
        connection.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", PATIENCE, 0))
        self.sockets.append(connection)
        return connection

    def _head(self, method: str, query: str, fields: Mapping[str, object]) -> bytes:
        lines = [f"{method} {self.path}{query} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in fields.items()), "", ""]).encode()


class Counter:
    """Counts messages in what comes, however it is cut."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._rest = b""

    def feed(self, data: bytes) -> int:
        data = self._rest + data
        end = data.rfind(self._message)
        self._rest = data[max(end + len(self._message) if end >= 0 else 0, len(data) - len(self._message) + 1) :]
        return data.count(self._message)


def read(connection: socket.socket) -> bytes:
    """Some bytes. Raises ``WireFailed`` if there are no more."""
    data = connection.recv(1 << 16)
    if not data:
        raise WireFailed("the server has closed a connection")
    return data


def read_past(connection: socket.socket, mark: bytes, data: bytes = b"") -> tuple[bytes, bytes]:
    """What comes up to ``mark``, and what came behind it."""
    while mark not in data:
        data += read(connection)
    before, _, rest = data.partition(mark)
    return before, rest


def read_head(connection: socket.socket, status: int, data: bytes = b"") -> tuple[bytes, bytes]:
    """The head of an answer, and what came of its body."""
    head, rest = read_past(connection, b"\r\n\r\n", data)
    if head.split(b" ", 2)[1] != b"%d" % status:
        raise WireFailed(f"the server answers {head.splitlines()[0].decode()!r}, not with status {status}")
    return head, rest
