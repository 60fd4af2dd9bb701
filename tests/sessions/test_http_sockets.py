"""Sessions over HTTP on real sockets: what only the kernel can show."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from actorws import App, Close, Websocket, events
from actorws.io.socket_wire import SocketWire
from actorws.reasons import Remote
from actorws.sessions.http_carrier import HttpCarrier
from tests.support.http_sessions import _CLIENTS, KINDS, HttpClient, Wire
from tests.support.serving import Server, serving
from tests.support.session_actors import Lasting, Talker
from tests.support.wire import SECONDS

each_kind = pytest.mark.parametrize("kind", KINDS)
each_stream = pytest.mark.parametrize("kind", ["sse", "stream"])


@asynccontextmanager
async def client_of(server: Server, kind: Wire) -> AsyncIterator[HttpClient]:
    async def dial() -> trio.abc.HalfCloseableStream:
        return await trio.open_tcp_stream("127.0.0.1", server.port)

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            client = _CLIENTS[kind](dial, "/", {}, server.served.runtime)
            await client.open(nursery)
            yield client
            await client.aclose()
            nursery.cancel_scope.cancel()


def carrier_of(server: Server) -> HttpCarrier:
    (actor,) = server.served.runtime.supervisor
    carrier: HttpCarrier = actor.transport.carrier  # type: ignore[attr-defined]
    return carrier


@each_kind
async def test_messages_go_both_ways(kind: Wire) -> None:
    async with serving(Talker) as server, client_of(server, kind) as client:
        for message in ("a", b"\x00" * 100_000, ""):
            await client.send(message)
        assert [await client.receive() for _ in range(4)] == ["welcome", "a", b"\x00" * 100_000, ""]


@each_kind
async def test_the_end_comes_whole_and_in_good_order(kind: Wire) -> None:
    async with serving(Talker) as server:
        async with client_of(server, kind) as client:
            await client.send("x" * 300_000, "bye")
            got = [await client.receive() for _ in range(4)]
            assert got == ["welcome", "x" * 300_000, "last words", Close(4001, "bye")]
            assert await client.wait_closed() == Remote(4001, "bye")
        await server.no_wires()


@each_kind
@pytest.mark.parametrize("end", ["hang_up", "abort"])
async def test_a_client_that_goes_is_noticed_at_once(kind: Wire, end: str) -> None:
    async with serving(Lasting, keep_alive_timeout=SECONDS) as server, client_of(server, kind) as client:
        assert await client.receive() == "welcome"
        while kind == "poll" and not isinstance(carrier_of(server), HttpCarrier):
            await trio.lowlevel.checkpoint()  # until the second poll is parked
        if end == "abort":
            client.abort()
        else:
            await client.hang_up()
        (lost,) = await server.seen(events.SessionDetached)
        assert lost.reason == Remote(1006)


@each_stream
async def test_a_client_that_takes_nothing_keeps_nobody_else_waiting(kind: Wire) -> None:
    class Pushing(Websocket):
        options = {"backpressure_limit": 1 << 20, "output_policy": "close", "close_timeout": 1}

        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            return state, [bytes(100_000)] * 200 if frame == "push" else [frame]

    async with (
        serving(Pushing) as server,
        client_of(server, kind) as slow,
        client_of(server, kind) as quick,
    ):
        slow.pause_reading()
        await slow.send("push")
        await quick.send("still served")
        assert await quick.receive() == "still served"
        (full,) = await server.seen(events.OutputFull)
        assert full.policy == "close" and full.buffered < 2 << 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux: TCP_USER_TIMEOUT")
@each_stream
async def test_the_kernel_is_told_when_a_vanished_client_is_to_be_given_up(kind: Wire) -> None:
    class Impatient(Talker):
        options = {"idle_timeout": 7.5}

    async with serving(Impatient) as server, client_of(server, kind):
        wire = carrier_of(server).wire
        assert isinstance(wire, SocketWire)
        assert wire.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7500


async def test_requests_behind_a_poll_are_answered_behind_it() -> None:
    app = App()
    app.websocket("/", Talker)
    app.http("/hello", lambda request: "hello")
    async with serving(app) as server:
        with trio.fail_after(SECONDS):
            stream = await trio.open_tcp_stream("127.0.0.1", server.port)
            first, hello = b"GET /?transport=poll HTTP/1.1\r\nHost: a\r\n", b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
            await stream.send_all(first + b"\r\n")
            data = b""
            while b"welcome" not in data:
                data += await stream.receive_some()
            session = json.loads(data[data.index(b"{") :].split(b"\n")[0])["session"]
            fields = f"Actorws-Session: {session}\r\nActorws-Received: 1\r\n\r\n".encode()
            await stream.send_all(first + fields + hello[:20])
            while server.served.runtime.wires != 1 or carrier_of(server) is None:
                await trio.lowlevel.checkpoint()
            await stream.send_all(hello[20:] + hello)
            assert await server.served.runtime.unique.send_message("talker", "first")
            data = b""
            while data.count(b"hello") < 2:
                data += await stream.receive_some()
            assert data.index(b'"first"') < data.index(b"hello")
            await stream.aclose()
