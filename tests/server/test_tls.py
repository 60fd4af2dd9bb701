"""TLS: the same server behind a handshake that may stall, fail, or be cut at any point."""

from __future__ import annotations

import http.client
import ssl
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from actorws import App, Shutdown, events, open_runtime, serve
from actorws.config import ServerConfig
from actorws.server import reception
from actorws.server.http import Response
from actorws.server.site import Site
from actorws.server.stream_listener import serve_stream
from tests.support.serving import Echo, Server, descriptors, serving
from tests.support.wire import SECONDS, TEXT, Client, connect, frame, handshake


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@asynccontextmanager
async def secure(server: Server, tls: ssl.SSLContext) -> AsyncIterator[Client]:
    """A connection with TLS on which ``close_notify`` is missed if it doesn't come."""
    tcp = await trio.open_tcp_stream("127.0.0.1", server.port)
    stream = trio.SSLStream(tcp, tls, server_hostname="127.0.0.1")
    try:
        await stream.do_handshake()
        yield Client(stream)
    finally:
        tcp.socket.close()


async def test_websockets_and_plain_requests_are_served(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    app = App()
    app.websocket("/ws", Echo)
    app.http("/hello", lambda request: "hello")

    def fetch() -> None:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=client_tls, timeout=SECONDS)
        for _ in range(2):
            connection.request("GET", "/hello")
            assert connection.getresponse().read() == b"hello"
        connection.close()
        with urllib.request.urlopen(f"https://127.0.0.1:{server.port}/hello", context=client_tls) as page:
            assert page.read() == b"hello"

    async with serving(app, tls=server_tls) as server, secure(server, client_tls) as client:
        assert server.served.addresses == (f"https://127.0.0.1:{server.port}",)
        await client.upgrade("/ws")
        await client.echo("hello")
        await trio.to_thread.run_sync(fetch)
        await client.echo("still here")


async def test_a_close_is_answered_and_followed_by_close_notify(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with serving(Echo, tls=server_tls) as server, secure(server, client_tls) as client:
        await client.upgrade()
        await client.send(frame(0x8, b"\x03\xe8"))
        assert await client.frame() == (0x8, b"\x03\xe8")
        with trio.fail_after(SECONDS):
            assert await client.stream.receive_some(1) == b"", "an end without close_notify would raise"
        await client.stream.aclose()
        await server.no_wires()


async def test_a_body_that_ends_with_the_connection_ends_with_close_notify(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """Without it a client can't tell the end from somebody who cuts the wire."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"

    app = App()
    app.http("/", lambda request: Response(pieces()))
    async with serving(app, tls=server_tls) as server, secure(server, client_tls) as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await client.head()).status == 200
        assert await client.read(3) == b"abc"
        with trio.fail_after(SECONDS):
            assert await client.stream.receive_some(1) == b""


async def test_our_close_arrives_although_the_client_is_still_sending(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """Closing TCP with unread input would reset it and take the Close frame with it."""

    class Closing(Echo):
        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            conn.abort() if frame == "abort" else conn.close(4001, "enough")
            return state, []

    async with serving(Closing, tls=server_tls, drain_timeout=1) as server, secure(server, client_tls) as client:
        await client.upgrade()
        await client.text("close")
        await client.send(frame(TEXT, b"x" * 300_000) + frame(0x8, b"\x0f\xa1"))
        assert await client.frame() == (0x8, b"\x0f\xa1enough")


async def test_a_handshake_that_stalls_is_cut(server_tls: ssl.SSLContext) -> None:
    async with serving(Echo, tls=server_tls, handshake_timeout=0.05) as server:
        before = descriptors()
        for part in (b"", b"\x16\x03\x01"):
            async with connect(server.port) as client:
                await client.send(part)
                assert await client.rest() == b""
        assert len(await server.seen(events.HandshakeTimedOut, 2)) == 2
        assert descriptors() == before


async def test_the_head_has_the_time_that_tls_has_left(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        site = Site(runtime, App.of(Echo).router, ServerConfig(handshake_timeout=10))
        nursery.start_soon(serve_stream, theirs, site, "", 3.0)
        assert await ours.receive_some(1) == b""
        assert trio.current_time() == pytest.approx(3.0, abs=0.1)


async def test_plain_http_on_the_tls_port_costs_its_connection_only(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with serving(Echo, tls=server_tls) as server, secure(server, client_tls) as bystander:
        await bystander.upgrade()
        for request in (
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            handshake(),
            b"\x00" * 1000,
            b"\x16\x03\x01\xff\xff" + b"x" * 99,
        ):
            async with connect(server.port) as client:
                await client.send(request)
                await client.rest()
        async with connect(server.port) as client:
            client.reset()
        await bystander.echo("still here")


async def test_a_client_that_does_not_trust_us_costs_its_connection_only(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with serving(Echo, tls=server_tls) as server:
        tcp = await trio.open_tcp_stream("127.0.0.1", server.port)
        with pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(tcp, ssl.create_default_context(), server_hostname="127.0.0.1").do_handshake()
        await trio.aclose_forcefully(tcp)
        async with secure(server, client_tls) as client:
            await client.upgrade()
            await client.echo("hello")


async def test_a_context_that_can_not_serve_costs_each_connection_and_not_the_server() -> None:
    async with serving(Echo, tls=ssl.create_default_context()) as server:
        for _ in range(2):
            async with connect(server.port) as client:
                await client.send(b"\x16\x03\x01")
                assert await client.rest() == b""
        assert len(server.all(events.BackgroundCrashed)) == 2
        server.events.clear()


@pytest.mark.parametrize("how", ["reset", "fin", "garbage"])
async def test_an_end_in_the_middle_is_an_end(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, how: str) -> None:
    async with serving(Echo, tls=server_tls) as server:
        async with secure(server, client_tls) as client:
            await client.upgrade()
            await client.send(frame(TEXT, b"half a frame")[:-3])
            assert isinstance(client.stream, trio.SSLStream)
            tcp = client.stream.transport_stream
            if how == "reset":
                Client(tcp).reset()
            elif how == "fin":
                await tcp.send_eof()
            else:
                await tcp.send_all(b"garbage" * 10)
            (ended,) = await server.seen(events.ActorEnded)
            assert ended.reason.code == 1006  # type: ignore[union-attr]
        await server.no_wires()


@pytest.mark.parametrize("count", [300, 2000])
async def test_frames_in_the_segment_of_the_request_are_answered(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, count: int
) -> None:
    class Slow(Echo):
        async def connect(self, conn: Any) -> None:
            await trio.lowlevel.checkpoint()

    for behaviour in (Echo, Slow):
        async with serving(behaviour, tls=server_tls) as server, secure(server, client_tls) as client:
            await client.send(handshake() + b"".join(frame(TEXT, b"%d" % n) for n in range(count)))
            assert (await client.head()).status == 101
            assert [await client.message() for _ in range(count)] == [str(n) for n in range(count)]


async def test_100_connections_leave_no_descriptor(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with serving(Echo, tls=server_tls) as server:
        before = descriptors()
        for number in range(100):
            async with secure(server, client_tls) as client:
                if number % 2:
                    await client.upgrade()
                    await client.send(frame(0x8))
                    assert await client.frame() == (0x8, b"")
        await server.no_wires()
        await trio.testing.wait_all_tasks_blocked()
        assert descriptors() == before


async def test_a_client_that_reads_slowly_is_bounded(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    class Pushing(Echo):
        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            status = [conn.send(bytes(50_000)) for _ in range(400)]
            return status, []

    app = App()
    app.websocket("/", Pushing, backpressure_limit=1_000_000)
    async with serving(app, tls=server_tls) as server, secure(server, client_tls) as client:
        await client.upgrade("/")
        await client.text("push")
        await server.seen(events.OutputFull)
        (started,) = server.all(events.ActorStarted)
        assert 900_000 < started.conn.buffered <= 1_000_000


async def test_a_client_that_was_told_to_leave_can_not_stay_by_what_it_sends(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes nothing of a long answer, and the deadline is not for what it says."""
    monkeypatch.setattr(reception, "LINGER", 0.1)
    app = App()
    app.http("/", lambda request: bytes(15_000_000))
    async with serving(app, tls=server_tls, keep_alive_timeout=0.5) as server, secure(server, client_tls) as client:
        await client.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        with trio.fail_after(SECONDS), pytest.raises(trio.BrokenResourceError):
            while True:
                await client.send(b"x")
                await trio.sleep(0.05)
        await server.no_wires()


async def test_who_is_connected_when_the_server_is_cancelled_is_told(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    """The actor ends because of the shutdown, and its client hears of it, although nobody waits for that."""
    server = Server()
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def run(task_status: trio.TaskStatus[Any]) -> None:
            with scope:
                await serve(Echo, port=0, tls=server_tls, on_event=server, task_status=task_status)

        server.served = await nursery.start(run)
        async with secure(server, client_tls) as client:
            await client.upgrade()
            await client.echo("hello")
            scope.cancel()
            with trio.fail_after(SECONDS):
                assert (await client.closed())[0] == 1001
    assert [event.reason for event in server.all(events.ActorEnded)] == [Shutdown()]
