"""Servers that others wrote, with our client: a script's connection, and an actor behind an outbound one."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import hypercorn.config
import hypercorn.trio
import pytest
import trio
import trio_websocket
import trustme
import websockets.http11
import websockets.sync.server
from websockets.datastructures import Headers

import actorws
from actorws import Connection, ConnectionClosed, Reason, Rejected, Remote, Stop, Websocket, open_runtime
from tests.support.wire import SECONDS

LARGE = "ö" * (1 << 19)
MESSAGES = ("hello", "", b"", b"\x00\xff", "x" * 126, b"y" * 65536, LARGE, LARGE.encode())
#: More than the server's messages are.
LIMIT = 1 << 22

# Servers. Of each path they make the same: what is told above the first of them.


class Server:
    """``url`` and the client's TLS; ``deflates``: whether it agrees to permessage-deflate, ``fragments``: whether it
    can send a message in pieces."""

    def __init__(
        self, port: int, tls: ssl.SSLContext | None, *, deflates: bool = False, fragments: bool = False
    ) -> None:
        self.url = f"ws{'s' * bool(tls)}://127.0.0.1:{port}"
        self.tls = tls
        self.deflates = deflates
        self.fragments = fragments


Tls = tuple[ssl.SSLContext | None, ssl.SSLContext | None]


@asynccontextmanager
async def serve_trio_websocket(tls: Tls) -> AsyncIterator[Server]:
    """``/echo``; ``/close`` says 4000 to the first message; ``/ping`` pings us and tells when it was answered;
    ``/refuse`` answers 403, with a header and a body.
    """

    async def handle(request: trio_websocket.WebSocketRequest) -> None:
        if request.path == "/refuse":
            await request.reject(403, extra_headers=[(b"X-Why", b"mood")], body=b"not today")
            return
        chosen = next(iter(request.proposed_subprotocols), None)
        connection = await request.accept(subprotocol=chosen)
        try:
            while True:
                message = await connection.get_message()
                if request.path == "/close":
                    await connection.aclose(4000, "enough")
                elif request.path == "/ping":
                    await connection.ping(b"there?")
                    await connection.send_message("answered")
                else:
                    await connection.send_message(message)
        except trio_websocket.ConnectionClosed:
            pass

    async with trio.open_nursery() as nursery:
        start = partial(trio_websocket.serve_websocket, handle, "127.0.0.1", 0, tls[0], max_message_size=LIMIT)
        server = await nursery.start(start)
        yield Server(server.port, tls[1])
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serve_websockets(tls: Tls) -> AsyncIterator[Server]:
    """In threads of its own. What comes to ``/fragments`` goes back in pieces, with pings between them."""

    def handle(connection: websockets.sync.server.ServerConnection) -> None:
        assert connection.request is not None
        path = connection.request.path
        for message in connection:
            if path == "/close":
                connection.close(4000, "enough")
            elif path == "/ping":
                assert connection.ping(b"there?").wait(SECONDS)
                connection.send("answered")
            elif path == "/fragments":
                pieces = [message[at : at + 1000] for at in range(0, len(message), 1000)]

                def pinging(pieces: Any = pieces) -> Any:
                    for piece in pieces:
                        connection.ping()
                        yield piece

                connection.send(pinging())
            else:
                connection.send(message)

    def refuse(connection: Any, request: websockets.http11.Request) -> websockets.http11.Response | None:
        if request.path != "/refuse":
            return None
        headers = Headers({"X-Why": "mood", "Content-Length": "9"})
        return websockets.http11.Response(HTTPStatus.FORBIDDEN, "Forbidden", headers, b"not today")

    def choose(connection: Any, offered: Any) -> Any:
        return next(iter(offered), None)

    with websockets.sync.server.serve(
        handle,
        "127.0.0.1",
        0,
        ssl=tls[0],
        process_request=refuse,
        select_subprotocol=choose,
        max_size=LIMIT,
        compression="deflate",
    ) as server:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, server.serve_forever)
            try:
                yield Server(server.socket.getsockname()[1], tls[1], deflates=True, fragments=True)
            finally:
                server.shutdown()


@asynccontextmanager
async def serve_hypercorn(tls: Tls) -> AsyncIterator[Server]:
    """Which is wsproto's, and agrees to compression."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket", "lifespan is not for us"
        await receive()
        if scope["path"] == "/refuse":
            headers = [(b"x-why", b"mood"), (b"content-length", b"9")]
            await send({"type": "websocket.http.response.start", "status": 403, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b"not today"})
            return
        await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
        while (event := await receive())["type"] == "websocket.receive":
            if scope["path"] == "/close":
                await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
            else:
                await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})

    config = hypercorn.config.Config()
    config.bind = ["127.0.0.1:0"]
    config.websocket_max_message_size = LIMIT
    config.errorlog = config.accesslog = None
    over = trio.Event()
    async with trio.open_nursery() as nursery:
        [bound] = await nursery.start(partial(hypercorn.trio.serve, app, config, shutdown_trigger=over.wait))
        try:
            yield Server(int(bound.rpartition(":")[2]), tls[1], deflates=True)
        finally:
            over.set()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["trio-websocket", "trio-websocket TLS", "websockets", "websockets TLS", "hypercorn"])
def serve(request: pytest.FixtureRequest, authority: trustme.CA) -> Any:
    tls: Tls = None, None
    if "TLS" in request.param:
        server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
        authority.issue_cert("127.0.0.1").configure_cert(server)
        authority.configure_trust(client)
        tls = server, client
    if request.param == "hypercorn":
        return partial(serve_hypercorn, tls)
    return partial(serve_websockets if "websockets" in request.param else serve_trio_websocket, tls)


# Clients


class Talk:
    """What both clients of ours can do."""

    send: Callable[[str | bytes], Awaitable[None]]
    receive: Callable[[], Awaitable[str | bytes]]
    close: Callable[[int, str], Awaitable[None]]
    ended: Callable[[], Awaitable[Reason]]
    subprotocol: str | None


class Script(Talk):
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.send, self.receive, self.close = connection.send, connection.receive, connection.close
        self.subprotocol = connection.subprotocol

    async def ended(self) -> Reason:
        with pytest.raises(ConnectionClosed):
            await self.connection.receive()
        assert self.connection.reason is not None
        return self.connection.reason


class Asking(Websocket):
    """Hands what comes to the test."""

    def __init__(self) -> None:
        self.came, self.coming = trio.open_memory_channel[Any](1000)

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        self.came.send_nowait(frame)
        return state, []


class Acting(Talk):
    def __init__(self, connector: actorws.Connector, behaviour: Asking) -> None:
        assert connector.conn is not None
        self.connector, self.conn = connector, connector.conn
        self.receive = behaviour.coming.receive
        self.subprotocol = self.conn.subprotocol
        self.ended = connector.wait_ended

    async def send(self, message: str | bytes) -> None:
        assert self.conn.send(message)

    async def close(self, code: int, reason: str) -> None:
        self.connector.close(code, reason)
        await self.connector.wait_ended()


@asynccontextmanager
async def as_script(url: str, **options: Any) -> AsyncIterator[Talk]:
    async with actorws.connect(url, proxy=None, max_message_size=LIMIT, **options) as connection:
        yield Script(connection)


@asynccontextmanager
async def as_actor(url: str, **options: Any) -> AsyncIterator[Talk]:
    refusal: actorws.ConnectError | None = None
    async with open_runtime(()) as runtime:
        behaviour = Asking()
        options |= {"proxy": None, "max_message_size": LIMIT, "restart": "temporary"}
        try:
            connector = await runtime.connect(url, behaviour, **options)
        except actorws.ConnectError as error:
            refusal = error  # Raised below: out of the runtime's block it would come in a group.
        else:
            yield Acting(connector, behaviour)
    if refusal is not None:
        raise refusal


@pytest.fixture(params=[as_script, as_actor])
def talk(request: pytest.FixtureRequest) -> Callable[..., AbstractAsyncContextManager[Talk]]:
    return request.param  # type: ignore[no-any-return]


# What they say to each other


@pytest.mark.parametrize("compression", [False, True])
async def test_messages_of_all_sizes_come_back_as_they_were(serve: Any, talk: Any, compression: bool) -> None:
    async with serve() as server:
        with trio.fail_after(SECONDS):
            async with talk(f"{server.url}/echo", tls=server.tls, compression=compression) as client:
                for message in MESSAGES:
                    await client.send(message)
                    assert await client.receive() == message
                for message in MESSAGES[:4] * 50:
                    await client.send(message)
                assert [await client.receive() for _ in range(200)] == [*MESSAGES[:4]] * 50
                await client.close(1000, "")


@pytest.mark.parametrize("takeover", [False, True])
async def test_compression_is_agreed_on_with_and_without_context_takeover(serve: Any, takeover: bool) -> None:
    options = {"client_context_takeover": takeover, "server_context_takeover": takeover, "compression_threshold": 1}
    async with serve() as server:
        with trio.fail_after(SECONDS):
            async with actorws.connect(
                f"{server.url}/echo", tls=server.tls, proxy=None, compression=True, max_message_size=LIMIT, **options
            ) as connection:
                agreed = connection.headers.get("sec-websocket-extensions", "")
                assert agreed.startswith("permessage-deflate") is server.deflates
                for _ in range(3):
                    for message in MESSAGES:
                        await connection.send(message)
                        assert await connection.receive() == message


async def test_fragments_with_pings_between_them(serve: Any, talk: Any) -> None:
    async with serve() as server:
        with trio.fail_after(SECONDS):
            async with talk(f"{server.url}/fragments", tls=server.tls, compression=True) as client:
                for message in ("ö" * 5000, b"\x00\xff" * 5000, "x" * 999):
                    await client.send(message)
                    assert await client.receive() == message
        assert server.fragments or message == "x" * 999


async def test_pings_are_answered_both_ways(serve: Any) -> None:
    async with serve() as server:
        with trio.fail_after(SECONDS):
            async with actorws.connect(f"{server.url}/ping", tls=server.tls, proxy=None) as connection:
                for _ in range(3):
                    assert 0 < await connection.ping() < SECONDS
                await connection.send("answered")  # What a server says that can't ping.
                assert await connection.receive() == "answered"


async def test_we_close(serve: Any, talk: Any) -> None:
    async with serve() as server:
        with trio.fail_after(SECONDS):
            async with talk(f"{server.url}/echo", tls=server.tls) as client:
                await client.send("hello")
                assert await client.receive() == "hello"
                await client.close(4001, "that's it")
                assert await client.ended() == Stop()


async def test_the_server_closes(serve: Any, talk: Any) -> None:
    async with serve() as server:
        with trio.fail_after(SECONDS):
            async with talk(f"{server.url}/close", tls=server.tls) as client:
                await client.send("hello")
                assert await client.ended() == Remote(4000, "enough")


async def test_a_subprotocol_is_agreed_on(serve: Any, talk: Any) -> None:
    async with serve() as server:
        with trio.fail_after(SECONDS):
            async with talk(f"{server.url}/echo", tls=server.tls, subprotocols=("v2", "v1")) as client:
                assert client.subprotocol == "v2"
                await client.close(1000, "")


async def test_a_refusal_has_status_headers_and_body(serve: Any, talk: Any) -> None:
    async with serve() as server:
        with trio.fail_after(SECONDS), pytest.raises(Rejected, match="403") as raised:
            async with talk(f"{server.url}/refuse", tls=server.tls):
                pytest.fail("connected")
        answer = raised.value
        assert (answer.status, answer.headers["x-why"], answer.body) == (403, "mood", b"not today")
