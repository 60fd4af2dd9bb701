"""socketify: uWebSockets (C++) driven from Python, with a callback for each event.

``/topic`` uses its own publish, which also goes to the sender; ``/fan`` is a loop over the members. ``/async`` has an
``async def`` callback, which becomes a task of asyncio.
"""

import sys
from typing import Any

from socketify import App, AppListenOptions, CompressOptions, OpCode, WebSocket

LARGEST = 16 * 1024 * 1024

app = App()
#: By the pointer to each: every event comes with a new object around it.
members: dict[Any, WebSocket] = {}


def echo(ws: WebSocket, message: str | bytes, opcode: OpCode) -> None:
    ws.send(message, opcode)


async def echo_async(ws: WebSocket, message: str | bytes, opcode: OpCode) -> None:
    ws.send(message, opcode)


def join(ws: WebSocket) -> None:
    members[ws.ws] = ws


def leave(ws: WebSocket, code: int, reason: bytes | None) -> None:
    members.pop(ws.ws, None)


def fan(ws: WebSocket, message: str | bytes, opcode: OpCode) -> None:
    for member in members.values():
        member.send(message, opcode)


def subscribe(ws: WebSocket) -> None:
    ws.subscribe("topic")


def publish(ws: WebSocket, message: str | bytes, opcode: OpCode) -> None:
    app.publish("topic", message, opcode)


options = {
    "compression": CompressOptions.DISABLED,
    "max_payload_length": LARGEST,
    "max_backpressure": 4 * LARGEST,  # Beyond this it drops messages.
    "idle_timeout": 0,
}
app.ws("/", options | {"message": echo})
app.ws("/async", options | {"message": echo_async})
app.ws("/fan", options | {"open": join, "close": leave, "message": fan})
app.ws("/topic", options | {"open": subscribe, "message": publish})
app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
app.run()
