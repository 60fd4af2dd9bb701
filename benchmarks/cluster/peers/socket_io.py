"""python-socketio: an event to a room, from one server to another through ``AsyncRedisManager``.

    python -m benchmarks.cluster.peers.socket_io URL

The room has no client here: the event is counted where the other server takes it, before it would be sent on. Who
publishes is a write-only manager, which is spared its own messages.
"""

from __future__ import annotations

import sys
from typing import Any

import socketio  # type: ignore[import-not-found]

from benchmarks.cluster.ledger import as_bytes, as_text
from benchmarks.cluster.peers.peer import Peer, run


class Manager(socketio.AsyncRedisManager):  # type: ignore[misc]
    """Counts what other servers emit."""

    peer: Peer

    async def _handle_emit(self, message: dict[str, Any]) -> None:
        self.peer.ledger.take(as_bytes(message["data"][0]))
        await super()._handle_emit(message)


class SocketIO(Peer):
    """One process with a server."""

    server = None

    async def open(self) -> None:
        self.emitter = socketio.AsyncRedisManager(self.url, write_only=True)

    async def join(self, group: str) -> None:
        # Every server gets what is emitted to any room.
        if self.server is None:
            manager = Manager(self.url)
            manager.peer = self
            self.server = socketio.AsyncServer(async_mode="asgi", client_manager=manager)
            manager.initialize()

    async def publish(self, group: str, data: bytes) -> None:
        await self.emitter.emit("message", as_text(data), room=group)


if __name__ == "__main__":
    run(lambda: SocketIO(sys.argv[1]))
