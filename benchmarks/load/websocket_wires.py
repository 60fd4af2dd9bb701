"""WebSocket wires: a plain WebSocket, and one that speaks ``actorws.v1`` (``actorws/sessions/PROTOCOL.md``).

Rule owned here: who speaks it acknowledges every 32 messages; lost, it comes back to the same session.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any, ClassVar

from benchmarks.load.wire import ACKNOWLEDGE, TEXT, Client, Counter, WireFailed, read, read_head

__all__ = ["SessionClient", "WebsocketClient"]

MASK = b"\x5a\xa5\x3c\xc3"


def frame(payload: bytes) -> bytes:
    """A text message of a client, of less than 126 bytes."""
    masked = bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))
    return bytes((0x81, 0x80 | len(payload))) + MASK + masked


class WebsocketClient(Client):
    """Without sessions."""

    FRAME = frame(TEXT)
    subprotocol: ClassVar[Mapping[str, str]] = {}

    def __init__(self, port: int, path: str) -> None:
        super().__init__(port, path)
        self._counter = Counter(bytes((0x81, len(TEXT))) + TEXT)

    def open(self) -> None:
        self.begin()
        self.finish()

    def begin(self, query: str = "") -> None:
        """Ask to be let in."""
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        self._connect().sendall(self._head("GET", query, {**fields, **self.subprotocol}))

    def finish(self) -> bytes:
        """Returns what came behind the answer."""
        return read_head(self.sockets[0], 101)[1]

    def send(self, count: int) -> None:
        self.sockets[0].sendall(self.FRAME * count)

    def take(self, connection: socket.socket) -> int:
        count = self._counter.feed(read(connection))
        self.received += count
        return count


class SessionClient(WebsocketClient):
    """With ``actorws.v1``."""

    subprotocol: ClassVar[Mapping[str, str]] = {"Sec-WebSocket-Protocol": "actorws.v1"}

    def __init__(self, port: int, path: str) -> None:
        super().__init__(port, path)
        self._session = ""
        self._rest = b""

    def open(self) -> None:
        super().open()
        self.greet()
        self.await_greeting()

    def begin(self, query: str = "") -> None:
        super().begin(f"?actorws-node={self._session.partition('.')[0]}" if self._session else query)

    def finish(self) -> bytes:
        self._rest = super().finish()
        return b""

    def greet(self) -> None:
        """Say who it is."""
        if self._session:
            self._control(resume=self._session, received=self.received)
        else:
            self._control(new=True)

    def await_greeting(self) -> None:
        """Raises ``WireFailed`` if it is not let on with the session that it had."""
        data = self._rest
        while len(data) < 2 or len(data) < 2 + data[1]:
            data += read(self.sockets[0])
        said = json.loads(data[2 : 2 + data[1]].lstrip(b"\0"))
        if self._session and not said["resumed"]:
            raise WireFailed(f"the session was not resumed: {said}")
        self._session, self._rest = said["session"], b""

    def take(self, connection: socket.socket) -> int:
        count = super().take(connection)
        if self.received - self.acknowledged >= ACKNOWLEDGE:
            self.acknowledged = self.received
            self._control(ack=self.received)
        return count

    def _control(self, **said: Any) -> None:
        self.sockets[0].sendall(frame(b"\0" + json.dumps(said).encode()))
