"""A server that does as it is told: ``actorws serve tests.support.puppet:app``. For clients that are seen from outside.

What it is not told to do it echoes. At ``/refused`` nobody is let in; ``/cut`` cuts whoever connects.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actorws import App, Close, Ping, Pong, Reject, Websocket

__all__ = ["Puppet", "app"]

#: Sets a title, moves the cursor, clears the screen, turns text around.
ATTACK = "\x1b]0;owned\x07\x1b[2J\x1b[1;1H\x9b31m\rnot\x08\x00 ours\u202e\ncafé"


class Puppet(Websocket):
    """Does what the first word of a message says."""

    options = {"compression": True, "subprotocols": ["chat"], "max_message_size": 8 * 1024 * 1024}

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        if not isinstance(frame, str):
            return state, [frame]
        word, _, rest = frame.partition(" ")
        match word:
            case "close":
                code, _, reason = rest.partition(" ")
                return state, [Close(int(code), reason)]
            case "cut":
                conn.abort()
                return state, []
            case "binary":
                return state, [bytes.fromhex(rest)]
            case "ping":
                return state, [Ping(b"here?"), Pong(b"there")]
            case "attack":
                return state, [ATTACK]
            case "count":
                return state, [str(number) for number in range(int(rest))]
            case "large":
                return state, ["x" * int(rest)]
            case "header":
                return state, [str(conn.headers.get(rest))]
            case "write":
                path, _, text = rest.partition(" ")
                Path(path).write_text(text)
                return state, []
            case "chatter":
                conn.send_after(0.05, "chatter")  # and so on
                return state, ["tick"]
            case "later":
                seconds, _, then = rest.partition(" ")
                conn.send_after(float(seconds), then)
                return state, []
        return state, [frame]

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return self.handle_client_message(state, conn, message)


class Refused(Puppet):
    """Lets nobody in."""

    def connect(self, conn: Any) -> Any:
        return Reject(403, "not \x1b[31myou\nnor you")


class Cut(Puppet):
    """Cuts everyone at once."""

    def init(self, conn: Any) -> Any:
        conn.abort()


app = App()
app.websocket("/", Puppet)
app.websocket("/refused", Refused)
app.websocket("/cut", Cut)
