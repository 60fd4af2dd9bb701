"""Relay: a WebSocket proxy. Each client gets a connection of its own to another server, and all goes both ways.

UPSTREAM=ws://127.0.0.1:8000 python -m actorws serve examples.relay:app --port 8001

Two actors for each client: one has the client, one the server (``Upstream``), and each sends what comes in at its end
out at the other's. What one end says last, the other is told; what is cut here is cut there.

Nothing piles up in between. Where a message had to wait to leave, the callback that sent it waits, too; what comes
meanwhile waits in the mailbox, which is bounded, and behind that in TCP, until whoever sends so much has to wait.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote, urlencode

from actorws import App, Close, CloseCode, Conn, ConnectError, Error, Reason, Reject, Remote, SendStatus, Websocket
from actorws.frames import Frames

UPSTREAM = os.environ.get("UPSTREAM", "ws://127.0.0.1:8000").rstrip("/")
#: Headers that the server may need to let the client in.
HANDED_ON = ("authorization", "cookie")
#: For what still waits to be handed on when the one who sent it has gone.
OPTIONS: Any = {"terminate_timeout": 30.0}


async def send(frame: str | bytes, there: Conn) -> None:
    """Send it, and wait until there is room for more."""
    if there.send(frame) is SendStatus.BACKPRESSURED:
        await there.wait_drained()


def end(there: Conn, reason: Reason) -> None:
    """One end has come to its end: so does the other one, if it hasn't yet."""
    match reason:
        case Remote(code=CloseCode.ABNORMAL):
            there.abort()
        case Remote(code=CloseCode.NO_STATUS):
            there.close()
        case Remote(code=code, reason=words):
            there.close(code, words)
        case Error():
            there.close(CloseCode.INTERNAL_ERROR)
        case _:
            there.close(CloseCode.GOING_AWAY)


class Upstream(Websocket):
    """The end at the server's side."""

    def __init__(self, client: Conn) -> None:
        self.client = client

    async def handle_client_message(self, state: None, conn: Conn, frame: str | bytes) -> tuple[None, Frames]:
        await send(frame, self.client)
        return None, []

    def terminate(self, state: None, conn: Conn, reason: Reason) -> None:
        end(self.client, reason)


class Relay(Websocket):
    """The end at the client's side. The state is the connection to the server."""

    def connect(self, conn: Conn) -> Reject | None:
        return Reject(508, "this relay leads to itself") if conn.runtime.id in conn.headers.get("via", "") else None

    async def init(self, conn: Conn) -> tuple[Conn | None, Frames]:
        url = f"{UPSTREAM}{quote(conn.path)}?{urlencode(conn.query)}".rstrip("?")
        headers = {name: conn.headers[name] for name in HANDED_ON if name in conn.headers}
        headers["via"] = ", ".join(filter(None, [conn.headers.get("via"), f"1.1 {conn.runtime.id}"]))
        try:
            server = await conn.runtime.connect(url, Upstream(conn), restart="temporary", headers=headers, **OPTIONS)
        except ConnectError:  # said by an event
            return None, Close(CloseCode.TRY_AGAIN_LATER, "the server behind this relay can't be reached")
        return server.conn, []

    async def handle_client_message(self, server: Conn, conn: Conn, frame: str | bytes) -> tuple[Conn, Frames]:
        await send(frame, server)
        return server, []

    def terminate(self, server: Conn | None, conn: Conn, reason: Reason) -> None:
        if server is not None:
            end(server, reason)


app = App()
app.websocket("/{path:path}", Relay, **OPTIONS)
