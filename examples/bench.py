"""The server that measurements run against: one route for each way that a message can take.

python -m actorws serve examples.bench:app

- ``/`` echo with a ``def`` callback: reading, parsing, one callback, encoding, writing.
- ``/async`` the same with an ``async def`` callback: adds a trio task that is started on demand.
- ``/fan`` each message is published: adds one callback for every member of the group.
- ``/topic`` each message is broadcast: a frame encoded once and written to every member's client, no callback.
- ``/resumable`` echo behind sessions: adds, for clients that speak ``actorws.v1``, that all is kept until it has come.
"""

from __future__ import annotations

from typing import TypeAlias

from actorws import App, Conn, Websocket

Result: TypeAlias = tuple[None, list[str | bytes]]


class Echo(Websocket):
    def handle_client_message(self, state: None, conn: Conn, frame: str | bytes) -> Result:
        return None, [frame]


class AsyncEcho(Websocket):
    async def handle_client_message(self, state: None, conn: Conn, frame: str | bytes) -> Result:
        return None, [frame]


class Fan(Websocket):
    def init(self, conn: Conn) -> Result:
        conn.join_nowait("fan")
        return None, []

    def handle_client_message(self, state: None, conn: Conn, frame: str | bytes) -> Result:
        conn.publish_nowait("fan", frame)
        return None, []

    def handle_server_message(self, state: None, conn: Conn, message: str | bytes) -> Result:
        return None, [message]


class Topic(Websocket):
    def init(self, conn: Conn) -> Result:
        conn.join_nowait("topic")
        return None, []

    def handle_client_message(self, state: None, conn: Conn, frame: str | bytes) -> Result:
        conn.broadcast_nowait("topic", frame)
        return None, []


MiB = 1024 * 1024
#: Peers are asked to echo as much.
LARGE = {"max_message_size": 16 * MiB, "backpressure_limit": 64 * MiB}

app = App()
app.websocket("/", Echo, **LARGE)
app.websocket("/async", AsyncEcho, **LARGE)
app.websocket("/fan", Fan)
app.websocket("/topic", Topic)
app.websocket("/resumable", Echo, resumable=True)
