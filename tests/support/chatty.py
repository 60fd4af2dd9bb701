"""A behaviour whose client says how it is to end, and what the suite asks about ends."""

from __future__ import annotations

from typing import Any

from actorws import Close, Reason, Websocket
from actorws.events import ActorEnded
from actorws.testing import Client

__all__ = ["Chatty", "calls", "connected", "ended"]


class Chatty(Websocket):
    """Does what the client says; names itself by its path."""

    def init(self, conn: Any) -> Any:
        conn.register_nowait(conn.path)
        conn.join_nowait("all")
        return "state", "ready"

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        if frame == "close":
            return state, Close(4001, "bye")
        if frame == "conn.close":
            return state, [str(conn.close(4002, "bye")), str(conn.close())]
        if frame == "abort":
            conn.abort()
        return state, frame

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, str(message)


async def connected(server: Any, path: str = "/chatty", **options: Any) -> Client:
    """A client whose actor has begun: a behaviour that says "ready" first."""
    client: Client = await server.connect(path, **options)
    assert await client.receive() == "ready"
    return client


async def ended(server: Any) -> Reason:
    """The reason of the first end."""
    reason: Reason = (await server.wait_event(ActorEnded)).reason
    return reason


def calls(server: Any, callback: str = "handle_client_message") -> int:
    """How often a callback was called, of all actors."""
    return [name for _, name in server.journal.calls].count(callback)
