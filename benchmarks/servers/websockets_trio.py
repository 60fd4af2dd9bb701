"""websockets on trio: a handler task for each connection, over the same parser as its asyncio flavour.

It has no ``broadcast`` on trio, so ``/topic`` is served as ``/fan``: by a loop over the members, which waits for each.
Everything is async, so ``/async`` is ``/``.
"""

import logging
import sys

import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection, serve

LARGEST = 16 * 1024 * 1024
# It logs a traceback for each client that is reset.
logging.getLogger("websockets").setLevel(logging.CRITICAL)

groups: dict[str, set[ServerConnection]] = {"/fan": set(), "/topic": set()}


async def handle(ws: ServerConnection) -> None:
    if ws.request.path in groups:
        await fan(ws, groups[ws.request.path])
    else:
        await echo(ws)


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


async def fan(ws: ServerConnection, members: set[ServerConnection]) -> None:
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


async def main() -> None:
    await serve(
        handle,
        int(sys.argv[1]),
        host="127.0.0.1",
        compression=None,
        open_timeout=60,
        ping_interval=None,
        max_size=LARGEST,
    )


trio.run(main)
