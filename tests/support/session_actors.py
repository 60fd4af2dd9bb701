"""Actors that others can tell what to say, for tests of what lies between them and their clients."""

from __future__ import annotations

from typing import Any

from actorws import Close, Websocket, events
from actorws.testing import MemoryServer

__all__ = ["Lasting", "Talker", "ended", "tell"]


class Talker(Websocket):
    """Counts what it is told, says it back, and is called ``talker``."""

    options = {"close_timeout": 2}

    def init(self, conn: Any) -> Any:
        conn.register_nowait("talker")
        return 0, ["welcome"]

    def handle_client_message(self, count: int, conn: Any, frame: Any) -> Any:
        if frame == "bye":
            return count, ["last words", Close(4001, "bye")]
        if frame == "crash":
            raise ValueError("as asked for")
        return count + 1, [frame]

    def handle_server_message(self, count: int, conn: Any, message: Any) -> Any:
        if isinstance(message, int):
            return count, [Close(message, "bye")]
        return count, message if isinstance(message, list) else [message]


class Lasting(Talker):
    resumable = True


async def tell(server: MemoryServer, message: Any) -> None:
    assert await server.runtime.unique.send_message("talker", message)


def ended(server: MemoryServer) -> list[object]:
    return [event.reason for event in server.events if isinstance(event, events.ActorEnded)]
