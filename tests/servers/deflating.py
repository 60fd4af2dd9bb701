"""Servers that agree to permessage-deflate: ``python -m actorws serve tests.servers.deflating:app --port 8000``.

Every route echoes, with the default limit of a message. ``/`` forgets each message, ``/takeover`` goes on with what
came before, both ways; ``/slow`` handles one message and no more.
"""

from __future__ import annotations

from typing import Any

import trio

from actorws import App, Websocket
from actorws.conn import Conn

__all__ = ["app"]


class Echo(Websocket):
    """Says everything back."""

    def handle_client_message(self, state: Any, conn: Conn, frame: str | bytes) -> Any:
        return state, [frame]


class Slow(Websocket):
    """Is busy with its first message for ever."""

    async def handle_client_message(self, state: Any, conn: Conn, frame: str | bytes) -> Any:
        await trio.sleep_forever()


app = App()
app.websocket("/", Echo, compression=True)
app.websocket("/takeover", Echo, compression=True, server_context_takeover=True, client_context_takeover=True)
app.websocket("/slow", Slow, compression=True, terminate_timeout=0.1)
