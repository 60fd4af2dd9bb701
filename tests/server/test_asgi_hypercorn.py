"""A behaviour mounted in Starlette, served by Hypercorn on trio, reached by trio-websocket over TCP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import hypercorn.trio
import pytest
import trio
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from trio_websocket import open_websocket_url

import actorws
from actorws import Accept, Close, Reject, Remote, Websocket, testing
from tests.support.wire import CLOSE, SECONDS, connect, handshake


class Chat(Websocket):
    """A room whose members hear each other."""

    reasons: list[Any]

    def __init__(self) -> None:
        self.reasons = []

    def connect(self, conn: Any) -> Any:
        if conn.query.get("name") == "mallory":
            return Reject(402, "pay first")
        return Accept(headers={"X-Room": conn.path_params.get("room", "none")})

    async def init(self, conn: Any) -> Any:
        await conn.join("lobby")
        return None, []

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        if frame == "bye":
            return state, [Close(4001, "as you wish")]
        conn.publish_nowait("lobby", frame)
        return state, []

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, [message]

    def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        self.reasons.append(reason)


def starlette(chat: Chat) -> Starlette:
    """As the docstring of ``actorws.asgi`` has it."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        async with actorws.open_runtime(lambda event: None, messages=Chat.messages) as runtime:
            yield {"actorws": runtime}

    async def announce(request: Any) -> JSONResponse:
        sent = await request.state.actorws.group.publish("lobby", "news")
        return JSONResponse({"to": sent})

    return Starlette(
        lifespan=lifespan,
        routes=[
            WebSocketRoute("/chat/{room}", actorws.asgi(chat, subprotocols=["chat.v1"])),
            Mount("/mounted", actorws.asgi(chat)),
            Route("/announce", announce, methods=["POST"]),
        ],
    )


@contextlib.asynccontextmanager
async def hypercorn_serving(app: Any, **options: Any) -> AsyncIterator[int]:
    """The port where Hypercorn serves ``app``, until the block ends; then it has to come to its end."""
    config = Config.from_mapping(bind=["127.0.0.1:0"], graceful_timeout=2, errorlog=None, **options)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        serve = partial(hypercorn.trio.serve, app, config, shutdown_trigger=stop.wait)
        (address,) = await nursery.start(serve)
        try:
            yield int(address.rpartition(":")[2])
        finally:
            stop.set()
            nursery.cancel_scope.deadline = trio.current_time() + SECONDS
    assert not nursery.cancel_scope.cancelled_caught, "it did not end"


@pytest.fixture
async def chat() -> Chat:
    return Chat()


@pytest.fixture
async def port(chat: Chat) -> AsyncIterator[int]:
    async with hypercorn_serving(starlette(chat)) as port:
        yield port


def url(port: int, path: str = "/chat/lobby") -> str:
    return f"ws://127.0.0.1:{port}{path}"


@pytest.mark.parametrize("path", ["/chat/lobby", "/mounted/", "/mounted/below"])
async def test_clients_hear_each_other_and_what_requests_say(port: int, path: str) -> None:
    with trio.fail_after(SECONDS):
        async with open_websocket_url(url(port, path)) as ada, open_websocket_url(url(port)) as bob:
            await ada.send_message("hello")
            assert [await each.get_message() for each in (ada, bob)] == ["hello", "hello"]
            await bob.send_message(b"\0\1")
            assert [await each.get_message() for each in (ada, bob)] == [b"\0\1", b"\0\1"]
            async with connect(port) as client:
                assert (await client.get("/announce", "POST")).body == b'{"to":2}'
            assert [await each.get_message() for each in (ada, bob)] == ["news", "news"]


async def test_subprotocol_and_headers_reach_the_client(port: int) -> None:
    with trio.fail_after(SECONDS):
        async with open_websocket_url(url(port), subprotocols=["chat.v0", "chat.v1"]) as client:
            assert client.subprotocol == "chat.v1"
            assert (b"x-room", b"lobby") in client.handshake_headers


async def test_a_rejected_client_gets_the_status_and_the_words(port: int) -> None:
    async with connect(port) as client:
        await client.send(handshake("/chat/lobby?name=mallory"))
        response = await client.response()
    assert (response.status, response.body) == (402, b"pay first")


async def test_a_page_from_elsewhere_is_turned_away(port: int) -> None:
    async with connect(port) as client:
        await client.send(handshake("/chat/lobby", origin="https://evil.example"))
        assert (await client.response()).status == 403


async def test_a_close_of_the_actor_reaches_the_client(port: int) -> None:
    async with connect(port) as client:
        await client.upgrade("/chat/lobby")
        await client.text("bye")
        assert await client.frame() == (CLOSE, (4001).to_bytes(2) + b"as you wish")


async def test_a_client_that_leaves_ends_its_actor_though_hypercorn_keeps_its_code_to_itself(chat: Chat) -> None:
    async with hypercorn_serving(starlette(chat)) as port:
        with trio.fail_after(SECONDS):
            async with open_websocket_url(url(port)) as client:
                await client.send_message("hello")
                await client.get_message()
    assert chat.reasons == [Remote(1006)]


async def test_a_large_message_goes_both_ways(port: int) -> None:
    with trio.fail_after(SECONDS):
        async with open_websocket_url(url(port)) as client:
            await client.send_message("x" * 500_000)
            assert await client.get_message() == "x" * 500_000


async def test_a_plain_request_is_told_where_it_is(port: int) -> None:
    async with connect(port) as client:
        response = await client.get("/mounted/")
        assert (response.status, response.headers["upgrade"]) == (426, "websocket")


async def test_served_by_itself_it_needs_no_framework(chat: Chat) -> None:
    async with hypercorn_serving(actorws.asgi(chat)) as port:
        with trio.fail_after(SECONDS):
            async with open_websocket_url(url(port, "/")) as client:
                await client.send_message("hello")
                assert await client.get_message() == "hello"


async def test_hypercorn_and_actorws_tell_a_mounted_app_the_same_of_a_request() -> None:
    """Where both know it: Hypercorn's lines of headers are in order, too."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        seen.append(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    request = b"PUT /a%20b/?x=%20&y HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-two: 2\r\nConnection: close\r\n\r\n"
    own = actorws.App()
    own.mount("/", app)
    async with testing.open_app(own) as server:
        stream = server.open_stream()
        await stream.send_all(request)
        await stream.receive_some()
    with trio.fail_after(SECONDS):
        async with hypercorn_serving(app) as port, connect(port) as client:
            await client.send(request)
            await client.rest()
    ours, theirs = ({**scope, "headers": list(map(tuple, scope["headers"]))} for scope in seen)
    for scope in (ours, theirs):
        for key in ("client", "server", "extensions", "state", "asgi"):
            scope.pop(key, None)
    assert ours == theirs
