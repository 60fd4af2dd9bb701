"""A connection that is paused in the turn in which it was ready to be read is not broken."""

from __future__ import annotations

from typing import Any

import trio

from actorws import SendStatus, Websocket, open_runtime
from tests.support.serving import serving
from tests.support.wire import SECONDS

#: Messages of each side, and their size: far more than all buffers on the way hold.
COUNT, SIZE = 100, 256 * 1024


class Flooding(Websocket):
    """Sends as much as is taken, from the beginning on, and keeps the sizes of what comes."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.done = trio.Event()

    def init(self, conn: Any) -> Any:
        conn.send_after(0, "begin")
        return 0, []

    def handle_server_message(self, sent: int, conn: Any, message: Any) -> Any:
        while sent < COUNT:
            sent += 1
            if conn.send(bytes(SIZE)) is not SendStatus.SENT:
                break
        return sent, []

    def handle_drain(self, sent: int, conn: Any) -> Any:
        return self.handle_server_message(sent, conn, None)

    def handle_client_message(self, sent: int, conn: Any, frame: Any) -> Any:
        self.came.append(len(frame))
        if self.came == [SIZE] * COUNT:
            self.done.set()
        return sent, []


async def test_two_that_flood_each_other_both_get_everything() -> None:
    """What the drain of one's output leads to pauses the reading of what is ready in the same turn."""
    ours, theirs = Flooding(), Flooding()
    async with serving(theirs) as server, open_runtime(()) as runtime:
        await runtime.connect(f"ws://127.0.0.1:{server.port}/", ours, proxy=None, restart="temporary")
        with trio.fail_after(SECONDS):
            await ours.done.wait()
            await theirs.done.wait()
