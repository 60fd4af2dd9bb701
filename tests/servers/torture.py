"""The target of attacks: ``python -m actorws serve tests.servers.torture:app --port 8000``.

``/`` echoes with every default limit and fails on the text ``boom!``; ``/big`` echoes messages of up to 32 MiB in
70 000 fragments, compressed where the client offers it (Autobahn's fuzzing client needs all of that).
"""

from __future__ import annotations

from typing import Any

from actorws import App, Websocket
from actorws.conn import Conn

__all__ = ["app"]

MiB = 1024 * 1024


class Echo(Websocket):
    """Says everything back, but fails on ``boom!``."""

    def handle_client_message(self, state: Any, conn: Conn, frame: str | bytes) -> Any:
        if frame == "boom!":
            raise RuntimeError("the client said boom!")
        return state, [frame]


app = App()
app.websocket("/", Echo)
# An echo of the largest message, and one more behind it, must fit in the output.
app.websocket(
    "/big",
    Echo,
    max_message_size=32 * MiB,
    max_fragments=70_000,
    backpressure_limit=64 * MiB,
    compression=True,
)
