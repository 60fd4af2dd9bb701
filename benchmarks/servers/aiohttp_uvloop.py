"""aiohttp on uvloop: a handler for each route, which iterates over the messages of its connection.

It has nothing to send to many at once, so ``/topic`` is served as ``/fan``: by a loop over the members, which waits for
each. Everything is async, so ``/async`` is ``/``.
"""

import sys

import uvloop
from aiohttp import ClientConnectionResetError, WSMessage, WSMsgType, web

LARGEST = 16 * 1024 * 1024

groups: dict[str, set[web.WebSocketResponse]] = {"/fan": set(), "/topic": set()}


async def accept(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(compress=False, max_msg_size=LARGEST + 1)
    await ws.prepare(request)
    return ws


async def send(ws: web.WebSocketResponse, message: WSMessage) -> None:
    if message.type is WSMsgType.TEXT:
        await ws.send_str(message.data)
    elif message.type is WSMsgType.BINARY:
        await ws.send_bytes(message.data)


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = await accept(request)
    async for message in ws:
        await send(ws, message)
    return ws


async def fan(request: web.Request) -> web.WebSocketResponse:
    ws, members = await accept(request), groups[request.path]
    members.add(ws)
    try:
        async for message in ws:
            for member in list(members):
                try:
                    await send(member, message)
                except ClientConnectionResetError:
                    members.discard(member)
    finally:
        members.discard(ws)
    return ws


app = web.Application()
app.add_routes([web.get("/", echo), web.get("/async", echo), web.get("/fan", fan), web.get("/topic", fan)])
web.run_app(
    app,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    loop=uvloop.new_event_loop(),
    backlog=4096,
    access_log=None,
    print=None,
    shutdown_timeout=0.1,
)
