"""Servers whose connections end in their own ways: ``python -m actorws serve tests.servers.endings:app --port 8000``.

``/`` echoes, and closes with 4000 on ``bye``, and behind 8 MB on ``much``; on ``drip`` it sends 8 MB, and then 400 000
messages of one byte without being asked again. It doesn't wait for long for a peer that has to end its side. ``/idle``
is the same for clients that say something now and then.
"""

from __future__ import annotations

from typing import Any

from actorws import App, Close, Websocket
from actorws.conn import Conn

__all__ = ["CLOSE_TIMEOUT", "IDLE_TIMEOUT", "app"]

CLOSE_TIMEOUT = 1.0
IDLE_TIMEOUT = 1.5


class Leaving(Websocket):
    """Says everything back, until it is told to leave."""

    def handle_client_message(self, state: Any, conn: Conn, frame: str | bytes) -> Any:
        if frame == "bye":
            return state, ["one more", Close(4000, "as you wish"), "too late"]
        if frame == "much":
            return state, [*[bytes(80_000)] * 100, Close(4000)]
        if frame == "drip":
            conn.send_after(0, 40)
            return state, [bytes(80_000)] * 100
        return state, [frame]

    def handle_server_message(self, state: Any, conn: Conn, message: int) -> Any:
        if message > 1:
            conn.send_after(0.001, message - 1)
        return state, ["x"] * 10_000


app = App()
app.websocket("/", Leaving, close_timeout=CLOSE_TIMEOUT)
app.websocket("/idle", Leaving, close_timeout=CLOSE_TIMEOUT, idle_timeout=IDLE_TIMEOUT)
