"""Echo: every message goes back as it came, text as text and binary as binary.

python -m actorws serve examples.echo:app
"""

from __future__ import annotations

from actorws import App, Conn, Websocket


class Echo(Websocket):
    def handle_client_message(self, state: None, conn: Conn, frame: str | bytes) -> tuple[None, list[str | bytes]]:
        return state, [frame]


app = App()
app.websocket("/", Echo)
