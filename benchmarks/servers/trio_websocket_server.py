"""trio-websocket: a handler task for each connection, as its README has it.

It has nothing to send to many at once, so ``/topic`` is served as ``/fan``: by a loop over the members, which waits for
each. Everything is async, so ``/async`` is ``/``. It neither pings nor compresses by itself.
"""

import sys

import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, WebSocketRequest, serve_websocket

LARGEST = 16 * 1024 * 1024

groups: dict[str, set[WebSocketConnection]] = {"/fan": set(), "/topic": set()}


async def handle(request: WebSocketRequest) -> None:
    try:
        ws = await request.accept()
    except (ConnectionClosed, HandshakeError):
        return  # else a client that leaves at once would end the server
    try:
        if request.path in groups:
            await fan(ws, groups[request.path])
        else:
            await echo(ws)
    except ConnectionClosed:
        pass


async def echo(ws: WebSocketConnection) -> None:
    while True:
        await ws.send_message(await ws.get_message())


async def fan(ws: WebSocketConnection, members: set[WebSocketConnection]) -> None:
    members.add(ws)
    try:
        while True:
            message = await ws.get_message()
            for member in list(members):
                try:
                    await member.send_message(message)
                except ConnectionClosed:
                    members.discard(member)
    finally:
        members.discard(ws)


async def main() -> None:
    # Without a size of the receive buffer it reads what trio thinks best, at a third of the cost for large messages.
    await serve_websocket(
        handle, "127.0.0.1", int(sys.argv[1]), None, max_message_size=LARGEST, receive_buffer_size=None
    )


trio.run(main)
