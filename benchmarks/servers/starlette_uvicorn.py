"""starlette on uvicorn, with uvloop and httptools: an ASGI application with a WebSocket endpoint for each route.

uvicorn has three implementations of WebSocket; ``websockets-sansio`` is the quickest. Starlette has nothing to send to
many at once, so ``/topic`` is served as ``/fan``: by a loop over the members, which waits for each. Everything is
async, so ``/async`` is ``/``.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

LARGEST = 16 * 1024 * 1024

groups: dict[str, set[WebSocket]] = {"/fan": set(), "/topic": set()}


async def send(ws: WebSocket, data: str | bytes) -> None:
    if isinstance(data, str):
        await ws.send_text(data)
    else:
        await ws.send_bytes(data)


class Echo(WebSocketEndpoint):
    async def on_receive(self, websocket: WebSocket, data: str | bytes) -> None:
        await send(websocket, data)


class Fan(WebSocketEndpoint):
    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.members = groups[websocket.url.path]
        self.members.add(websocket)

    async def on_receive(self, websocket: WebSocket, data: str | bytes) -> None:
        for member in list(self.members):
            try:
                await send(member, data)
            except WebSocketDisconnect:
                self.members.discard(member)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        self.members.discard(websocket)


app = Starlette(
    routes=[
        WebSocketRoute("/", Echo),
        WebSocketRoute("/async", Echo),
        WebSocketRoute("/fan", Fan),
        WebSocketRoute("/topic", Fan),
    ]
)

uvicorn.run(
    app,
    host="127.0.0.1",
    port=int(sys.argv[1]),
    loop="uvloop",
    http="httptools",
    ws="websockets-sansio",
    ws_max_size=LARGEST,
    ws_ping_interval=None,
    ws_per_message_deflate=False,
    lifespan="off",
    access_log=False,
    log_level="error",
    backlog=4096,
    timeout_graceful_shutdown=1,
)
