"""A chat room by WebSocket, and by a transport of its own: JSON strings on lines of plain TCP, for scripts and ``nc``.

python -m actorws serve examples.custom_transport:app, then in another terminal: nc 127.0.0.1 8001, and type "hello" """

from __future__ import annotations

import json

import trio

from actorws import App, Close, Conn, ProtocolError, Runtime, Transport, Websocket, run_over


class Room(Websocket):
    async def init(self, conn: Conn) -> tuple[int, str]:
        await conn.join("room")
        return 0, f"welcome, you came by {conn.transport}"

    def handle_client_message(self, heard_by: int, conn: Conn, frame: str | bytes) -> tuple[int, None]:
        return conn.broadcast_nowait("room", frame), None


class JsonLines(Transport):
    name = "jsonlines"  # a message is a string; who leaves says {"close": code, "reason": "why"}

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream, self.unread = stream, bytearray()

    async def receive(self) -> str | Close:
        while (end := self.unread.find(b"\n")) < 0:
            if not (data := await self.stream.receive_some()) or len(self.unread) > 8 * 1024 * 1024:
                raise trio.EndOfChannel  # gone, or a line without an end
            self.unread += data
        line, self.unread = self.unread[:end], self.unread[end + 1 :]
        try:
            said = json.loads(line)
            return said if isinstance(said, str) else Close(said["close"], said["reason"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ProtocolError(1007, "that is neither a string nor a close") from None

    async def send(self, frame: object) -> None:
        await self.stream.send_all(json.dumps(frame).encode() + b"\n")

    async def close(self, frame: Close) -> None:
        await self.send({"close": frame.code, "reason": frame.reason})
        await self.stream.send_eof()
        while await self.stream.receive_some():
            pass  # until the client has hung up, too: with something unread, TCP could lose our last line

    def abort(self) -> None:
        self.stream.socket.close()


app = App.of(Room)


@app.background
async def lines(runtime: Runtime, port: int = 8001) -> None:
    await trio.serve_tcp(lambda stream: run_over(JsonLines(stream), Room, runtime), port, host="127.0.0.1")
