"""An app for the browser client's tests: a behaviour that does as it is told, and a page with nothing on it."""

from __future__ import annotations

from typing import Any

from actorws import App, Close, Conn, Reason, Response, Websocket

__all__ = ["app"]

PAGE = "<!doctype html><meta charset='utf-8'><link rel='icon' href='data:,'><title>A page</title>"
#: Seconds between two ticks.
TICK = 0.005


class Talker(Websocket):
    """Says back what it hears, but does as ``!close CODE REASON``, ``!count N``, ``!tick N`` and ``!note`` say."""

    def __init__(self) -> None:
        #: Of all connections: notes taken, actors that have ended.
        self.counts = {"notes": 0, "ended": 0}

    def init(self, conn: Conn) -> tuple[None, Any]:
        return None, f"hello {conn.subprotocol or ''}".strip()

    def handle_client_message(self, state: None, conn: Conn, frame: str | bytes) -> tuple[None, Any]:
        command, *words = frame.split(" ") if isinstance(frame, str) else [""]
        if command == "!close":
            return None, Close(int(words[0]), " ".join(words[1:]))
        if command == "!count":
            return None, [str(number) for number in range(int(words[0]))]
        if command == "!tick":
            conn.send_after(0, (0, int(words[0])))
            return None, []
        if command == "!note":
            self.counts["notes"] += 1
            return None, []
        return None, frame

    def handle_server_message(self, state: None, conn: Conn, message: tuple[int, int]) -> tuple[None, Any]:
        number, count = message
        if number + 1 < count:
            conn.send_after(TICK, (number + 1, count))
        return None, f"tick {number}"

    def terminate(self, state: None, conn: Conn, reason: Reason) -> None:
        self.counts["ended"] += 1


talker = Talker()
app = App()
app.websocket("/talk", talker, resumable=True, subprotocols=["chat"])
app.http("/", lambda request: Response(PAGE, content_type="text/html; charset=utf-8"))
app.http("/notes", lambda request: talker.counts)
