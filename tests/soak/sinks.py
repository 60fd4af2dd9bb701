"""Sinks of the soaked server: clients that read too slowly, and actors that get more than they can handle.

Rule owned here: what a client is sent is numbered from 0 up, so that it sees what its route's policy left out. Must not
know which policy that is.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import trio

from actorws import Coalesce, Conn, Websocket

__all__ = ["KEYS", "POLICIES", "Busy", "Source"]

#: How many keys numbers have for ``coalesce``: one of each finds room wherever a policy is tried.
KEYS = 5


def _key_of_frame(frame: str) -> str | None:
    return None if frame.startswith("=") else str(int(frame.partition(" ")[0]) % KEYS)


#: Each policy by the name it has in a path, for output and for mailboxes.
POLICIES: dict[str, tuple[Any, Any]] = {
    "drop_new": ("drop_new", "drop_new"),
    "drop_old": ("drop_old", "drop_old"),
    "close": ("close", "close"),
    "coalesce": (Coalesce(_key_of_frame), Coalesce(lambda number: number % KEYS)),
}


class Source(Websocket):
    """Sends what it is asked for. The state counts what became of it."""

    def init(self, conn: Conn) -> Any:
        return Counter(), []

    def handle_client_message(self, counts: Any, conn: Conn, frame: str) -> Any:
        verb, *numbers = frame.split(" ")
        if verb == "push":
            count, size = map(int, numbers)
            for number in range(count):
                counts[conn.send(f"{number} {'x' * size}").name] += 1
        elif verb == "listen":
            conn.join_nowait("noise")
        return counts, [f"= {json.dumps(counts)}"] if verb == "count" else []

    def handle_server_message(self, counts: Any, conn: Conn, message: str) -> Any:
        return counts, [message]

    def handle_drain(self, counts: Any, conn: Conn) -> Any:
        counts["drains"] += 1
        return counts, []


class Busy(Websocket):
    """Takes its time for each message; fills its own mailbox when it is asked to."""

    def init(self, conn: Conn) -> Any:
        conn.register_nowait(f"busy {conn.id}")
        return 0, []

    def handle_client_message(self, handled: int, conn: Conn, frame: str) -> Any:
        verb, _, count = frame.partition(" ")
        if verb == "flood":
            for number in range(int(count)):
                conn.send_message_nowait(f"busy {conn.id}", number)
        return handled, [f"= {handled}"] if verb == "count" else []

    async def handle_server_message(self, handled: int, conn: Conn, message: int) -> Any:
        await trio.sleep(0.001)
        return handled + 1, [f"{message} handled"]
