"""``App.register_transport``: who is asked, in which order, and what becomes of the connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from actorws import App, Conn, HandshakeError, Remote, Shutdown, Stop, Transport, TransportRequest
from actorws.events import ActorEnded, HandlerCrashed, HandshakeRefused
from actorws.testing import memory_transport, open_app
from tests.support.serving import Echo, serving
from tests.support.transports import JsonPeer, TakenOver

SECONDS = 20


class Greeting(Echo):
    def init(self, conn: Conn) -> Any:
        return None, f"{conn.transport} {conn.path} {dict(conn.query)} {dict(conn.path_params)}"


def lines(request: TransportRequest) -> Transport | None:
    return TakenOver(request.take_over()) if request.headers.get("upgrade") == "lines" else None  # type: ignore[arg-type]


def app_with(*factories: Callable[[TransportRequest], Any], **options: Any) -> App:
    app = App()
    app.websocket("/chat/{room}", Greeting, **options)
    app.http("/plain", lambda request: "plain")
    app.http("/chat/{room}", lambda request: "by http")
    for factory in factories:
        app.register_transport(factory)
    return app


def head(path: str = "/chat/7?a=1", upgrade: str = "lines", **headers: str) -> bytes:
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: here\r\nUpgrade: {upgrade}\r\n{more}\r\n".encode()


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[tuple[trio.SocketStream, JsonPeer]]:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        with trio.fail_after(SECONDS):
            yield stream, JsonPeer(stream)


async def test_the_actor_knows_the_request_and_gets_what_came_with_it() -> None:
    async with serving(app_with(lines)) as server, opened(server.port) as (stream, peer):
        await stream.send_all(head() + b'"with it"\n')
        assert await peer.receive() == "jsonlines /chat/7 {'a': '1'} {'room': '7'}"
        assert await peer.receive() == "with it"


async def test_what_no_factory_wants_is_served_as_ever() -> None:
    async with open_app(app_with(lines, lambda request: None)) as server:
        client = await server.connect("/chat/7")
        assert str(await client.receive()).startswith("websocket /chat/7")
        assert (await server.request("GET", "/chat/7")).body == b"by http"


async def test_the_last_one_registered_is_asked_first_and_only_about_behaviours() -> None:
    asked: list[Any] = []

    def noting(name: str) -> Callable[[TransportRequest], None]:
        return lambda request: asked.append((name, request.method, request.path))

    async with open_app(app_with(noting("first"), noting("last"))) as server:
        await server.request("GET", "/plain")
        await server.request("GET", "/nothing")
        await server.request("POST", "/chat/7")
        assert asked == [("last", "POST", "/chat/7"), ("first", "POST", "/chat/7")]


async def test_who_takes_it_is_the_last_to_be_asked() -> None:
    asked: list[str] = []
    async with open_app(app_with(lambda request: asked.append("other"), lines)) as server:
        stream = server.open_stream()
        await stream.send_all(head())
        assert str(await JsonPeer(stream).receive()).startswith("jsonlines")
        assert asked == []


@pytest.mark.parametrize("wrong", [lambda request: 1 / 0, lambda request: "no transport"])
async def test_a_factory_that_fails_is_a_500_and_hurts_nobody_else(wrong: Any) -> None:
    async with open_app(app_with(wrong), crashes="ignore") as server:
        assert (await server.request("GET", "/chat/7")).status == 500
        assert (await server.request("GET", "/plain")).status == 200
        assert await server.wait_event(HandlerCrashed)


async def test_a_factory_may_refuse() -> None:
    def refuse(request: TransportRequest) -> None:
        raise HandshakeError(401, "who are you?")

    async with open_app(app_with(refuse)) as server:
        answer = await server.request("GET", "/chat/7")
        assert (answer.status, answer.body) == (401, b"who are you?\n")


@pytest.mark.parametrize(
    ("options", "headers"),
    [({"allowed_hosts": ["elsewhere"]}, {}), ({}, {"Origin": "https://evil.example"})],
    ids=["Host", "Origin"],
)
async def test_pages_from_elsewhere_get_403(options: Any, headers: Any) -> None:
    async with serving(app_with(lines, **options)) as server, opened(server.port) as (stream, _):
        await stream.send_all(head(**headers))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 403 ")
        assert not server.all(ActorEnded) and server.all(HandshakeRefused)[0].status == 403


async def test_a_stream_that_was_not_taken_over_is_dead() -> None:
    streams: list[Any] = []

    async with open_app(app_with(lambda request: streams.append(request.take_over()))) as server:
        await server.request("GET", "/chat/7")
        with pytest.raises(trio.ClosedResourceError):
            await streams[0].receive_some()


async def test_a_transport_has_to_take_the_connection_over() -> None:
    def elsewhere(request: TransportRequest) -> Transport:
        return memory_transport()[0]

    async with open_app(app_with(elsewhere), crashes="ignore") as server:
        assert (await server.request("GET", "/chat/7")).status == 500
        assert "without request.take_over()" in str((await server.wait_event(HandlerCrashed)).exception)


async def test_a_connection_that_its_transport_forgets_is_cut_with_its_actor() -> None:
    class Forgetful(TakenOver):
        def abort(self) -> None:
            pass

    app = app_with(lambda request: Forgetful(request.take_over()))  # type: ignore[arg-type]
    async with serving(app) as server, opened(server.port) as (stream, peer):
        await stream.send_all(head())
        await peer.receive()
        for actor in server.served.runtime.supervisor:
            actor.abort()
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()


async def test_a_shutdown_tells_its_clients_and_waits_for_them() -> None:
    async with serving(app_with(lines)) as server, opened(server.port) as (stream, peer):
        await stream.send_all(head())
        await peer.receive()
        server.served.shut_down(1012)
        assert json.loads(await stream.receive_some()) == {"close": 1012, "reason": ""}
        assert await stream.receive_some() == b""
        [ended] = await server.seen(ActorEnded)
        assert ended.reason == Shutdown()


async def test_vanished_clients_and_aborting_actors_end_both_sides() -> None:
    async with serving(app_with(lines)) as server:
        async with opened(server.port) as (stream, peer):
            await stream.send_all(head())
            await peer.receive()
        [gone] = await server.seen(ActorEnded)
        assert gone.reason == Remote(1006)
        async with opened(server.port) as (stream, peer):
            await stream.send_all(head())
            await peer.receive()
            for actor in server.served.runtime.supervisor:
                actor.abort()
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()
        assert (await server.seen(ActorEnded, 2))[1].reason == Stop()
        await server.no_wires()


def test_a_factory_has_to_be_callable_and_is_returned_as_it_is() -> None:
    app = App()
    assert app.register_transport(lines) is lines
    with pytest.raises(TypeError, match="factory must be a function of a request, not 12"):
        app.register_transport(12)  # type: ignore[type-var]
