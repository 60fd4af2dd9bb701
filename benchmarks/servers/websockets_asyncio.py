"""websockets on asyncio, with uvloop: a handler task for each connection.

``/topic`` uses its ``broadcast``, which makes the frame once; ``/fan`` is a loop over the members, which waits for
each. Everything is async, so ``/async`` is ``/``.
"""

import logging
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

LARGEST = 16 * 1024 * 1024
# It logs a traceback for each client that is reset.
logging.getLogger("websockets").setLevel(logging.CRITICAL)

members: set[ServerConnection] = set()
subscribers: set[ServerConnection] = set()


async def handle(ws: ServerConnection) -> None:
    if ws.request.path == "/fan":
        await fan(ws)
    elif ws.request.path == "/topic":
        await topic(ws)
    else:
        await echo(ws)


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def fan(ws: ServerConnection) -> None:
    members.add(ws)
    try:
        async for message in ws:
            for member in list(members):
                try:
                    await member.send(message)
                except ConnectionClosed:
                    members.discard(member)
    finally:
        members.discard(ws)


async def topic(ws: ServerConnection) -> None:
    subscribers.add(ws)
    try:
        async for message in ws:
            broadcast(subscribers, message)
    finally:
        subscribers.discard(ws)


async def main() -> None:
    async with serve(
        handle,
        "127.0.0.1",
        int(sys.argv[1]),
        compression=None,
        open_timeout=60,
        ping_interval=None,
        max_size=LARGEST,
        backlog=4096,
    ) as server:
        await server.serve_forever()


uvloop.run(main())
