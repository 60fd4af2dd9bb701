"""A server with behaviours that do wrong in every way that user code can: ``actorws serve tests.servers.product:app``.

Clients of ``/commands`` drive it: each message is a JSON list of an operation and its arguments, each answer is JSON.
What can only be known inside is told at ``/statistics``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import trio

from actorws import App, Coalesce, Websocket

__all__ = ["app"]

KiB, MiB = 1024, 1024 * 1024


class Echo(Websocket):
    """Says everything back."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame]


class Commands(Websocket):
    """Does what it is told, and passes on what it gets."""

    async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        operation, *arguments = json.loads(frame)
        return state, [json.dumps(await getattr(self, operation)(conn, *arguments))]

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, [message]

    async def send(self, conn: Any, name: str, messages: list[Any]) -> list[bool]:
        """Send messages to a unique name; whether each was taken."""
        return [conn.send_message_nowait(name, message) for message in messages]

    async def join(self, conn: Any, group: str) -> str:
        await conn.join(group)
        return "joined"

    async def leave(self, conn: Any, group: str) -> str:
        await conn.leave(group)
        return "left"

    async def publish(self, conn: Any, group: str, message: Any) -> int:
        count: int = await conn.publish(group, message, exclude=conn)
        return count

    async def burst(self, conn: Any, group: str, count: int, size: int) -> int:
        """Publish many messages at once."""
        return sum(conn.publish_nowait(group, f"{number:0{size}}") for number in range(count))


class Spin(Echo):
    """Holds the tick for as long as it is told to: ``while True`` with an end."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        until = time.monotonic() + float(frame)
        while time.monotonic() < until:
            pass
        return state, ["done"]


class Hang(Echo):
    """On ``hang`` it awaits for ever; it can be reached as ``hang``."""

    async def init(self, conn: Any) -> Any:
        await conn.register("hang")
        return None, []

    async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        if frame == "hang":
            await trio.sleep_forever()
        return state, [frame]

    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        report(f"hang terminated {reason!r}")


class Slow(Echo):
    """Takes its time for each message of other actors, and passes it on; named as in its path."""

    def init(self, conn: Any) -> Any:
        conn.register_nowait(conn.path.lstrip("/"))
        return None, []

    async def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        await trio.sleep(0.1)
        return state, [str(message)]


class Eater(Echo):
    """Eats memory: a MiB per connection, and as much as it is told to."""

    def init(self, conn: Any) -> Any:
        return b"x" * MiB, []

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        if isinstance(frame, str) and frame.isdigit():
            return state, [str(len(bytearray(int(frame))))]
        return state, [frame]


class Pushed(Echo):
    """Named ``pushed``: told a number and a size, it sends so many frames, and tells ``pusher`` what became of each.

    Each frame begins with its number. When it is told to by its client, it closes.
    """

    def init(self, conn: Any) -> Any:
        conn.register_nowait("pushed")
        return 0, []

    def handle_server_message(self, sent: int, conn: Any, message: Any) -> Any:
        count, size = message
        numbers = range(sent, sent + count)
        self.tell(conn, [conn.send(number.to_bytes(8) + bytes(size - 8)).name for number in numbers])
        return sent + count, []

    def handle_drain(self, sent: int, conn: Any) -> Any:
        self.tell(conn, "drained")
        return sent, []

    def handle_client_message(self, sent: int, conn: Any, frame: Any) -> Any:
        conn.close()
        self.tell(conn, [conn.send("behind Close").name])
        return sent, []

    def tell(self, conn: Any, message: Any) -> None:
        conn.send_message_nowait("pusher", json.dumps(message))


class Pusher(Commands):
    """Named ``pusher``."""

    def init(self, conn: Any) -> Any:
        conn.register_nowait("pusher")
        return None, []


class Leaving(Echo):
    """Its ``terminate`` takes a while, and writes a line when it is over. On ``push`` it sends 8 MB."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [bytes(80_000)] * 100 if frame == "push" else [frame]

    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        await trio.sleep(0.3)
        report(f"{conn.path} terminated {reason!r}")


def report(line: str) -> None:
    """A line among those of the log."""
    print(line, file=sys.stderr, flush=True)


def statistics(request: Any) -> dict[str, Any]:
    """What nobody outside can see."""
    runtime = request.runtime
    return {
        "actors": len(runtime.supervisor),
        "groups": {name: runtime.group.count_nowait(name) for name in runtime.group.names()},
        "mailboxes": {
            actor.conn.path: [len(actor.mailbox), actor.mailbox.bytes]
            for actor in runtime.supervisor
            if actor.mailbox is not None
        },
    }


app = App()
app.websocket("/", Echo)
app.websocket("/commands", Commands)
app.websocket("/spin", Spin)
app.websocket("/hang", Hang, mailbox_messages=10, terminate_timeout=1.0)
app.websocket("/eater", Eater, max_message_size=256 * MiB)
app.websocket("/pusher", Pusher)
app.websocket("/pushed", Pushed, backpressure_limit=1 * MiB)
app.websocket("/room", Commands, backpressure_limit=256 * KiB)
app.websocket("/leaving", Leaving, close_timeout=1)
app.websocket("/watched", Echo, idle_timeout=2.4)
app.websocket("/patient", Echo, idle_timeout=4.5)
for name, policy in {
    "drop_new": "drop_new",
    "drop_old": "drop_old",
    "coalesce": Coalesce(key=lambda message: message % 10 if isinstance(message, int) else None),
    "close": "close",
}.items():
    app.websocket(f"/{name}", Slow, mailbox_messages=20, mailbox_bytes=20_000, mailbox_policy=policy)
app.http("/statistics", statistics)
