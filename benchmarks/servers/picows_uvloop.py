"""picows on uvloop: a listener object for each connection, whose callback gets each frame where it was parsed.

It leaves the answer to Close to the application. It has nothing to send to many at once, so ``/topic`` is served as
``/fan``: by a loop over the members. Its callbacks are never async, so ``/async`` is ``/``.
"""

import logging
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

LARGEST = 16 * 1024 * 1024

# Else it writes a line whenever a client takes no more for the moment.
logging.getLogger("picows").setLevel(logging.ERROR)

groups: dict[str, set[WSTransport]] = {"/fan": set(), "/topic": set()}


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview(), frame.fin)


class Fan(WSListener):
    def __init__(self, members: set[WSTransport]) -> None:
        self.members = members

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.members.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.members.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        else:
            kind, payload = frame.msg_type, frame.get_payload_as_bytes()
            for member in self.members:
                member.send(kind, payload)


def route(request: WSUpgradeRequest) -> WSListener:
    path = request.path.decode()
    return Fan(groups[path]) if path in groups else Echo()


async def main() -> None:
    server = await ws_create_server(
        route,
        "127.0.0.1",
        int(sys.argv[1]),
        max_frame_size=LARGEST + 1024,
        websocket_handshake_timeout=60,
        backlog=4096,
    )
    await server.serve_forever()


uvloop.run(main())
