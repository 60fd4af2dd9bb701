"""Clients that others wrote, over plain TCP, TLS and a Unix socket."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
import websockets.exceptions
from trio_websocket import ConnectionClosed, ConnectionRejected, open_websocket_url, wrap_client_stream
from websockets.sync.client import connect, unix_connect

from actorws import App, Close, Ping, Reject
from tests.support.serving import Echo, Server, serving
from tests.support.wire import SECONDS

LARGE = "ö" * (1 << 19)


class Pinging(Echo):
    """Echoes, with a ping in front of each answer."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [Ping(b"are you there?"), frame]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["plain", "TLS"])
def start(request: pytest.FixtureRequest, authority: trustme.CA) -> Callable[[], Any]:
    """Starts a server; gives it, its URL and the client's TLS."""

    @asynccontextmanager
    async def started() -> AsyncIterator[tuple[Server, str, ssl.SSLContext | None]]:
        server_tls = client_tls = None
        if request.param == "TLS":
            server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert("127.0.0.1").configure_cert(server_tls)
            client_tls = ssl.create_default_context()
            authority.configure_trust(client_tls)
        async with serving(Pinging, tls=server_tls) as server:
            yield server, f"ws{'s' * bool(client_tls)}://127.0.0.1:{server.port}/", client_tls

    return started


async def test_trio_websocket(start: Callable[[], Any]) -> None:
    async with start() as (_, url, tls), open_websocket_url(url, ssl_context=tls) as client:
        with trio.fail_after(SECONDS):
            for message in ("hello", "", b"", b"\x00\xff", LARGE, LARGE.encode()):
                await client.send_message(message)
                assert await client.get_message() == message
            await client.ping(b"one")
            await client.aclose(4000, "enough")
        assert client.closed.code == 4000
        with pytest.raises(ConnectionClosed):
            await client.send_message("late")


async def test_trio_websocket_sees_how_we_close_choose_and_refuse() -> None:
    class Closing(Echo):
        def connect(self, conn: Any) -> Any:
            return Reject(403, "not today", headers={"X-Why": "mood"}) if "no" in conn.query else None

        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            return state, ["last", Close(4000, "enough")]

    app = App()
    app.websocket("/", Closing, subprotocols=("v1",))
    async with serving(app) as server, trio.open_nursery() as nursery:
        with trio.fail_after(SECONDS):
            # Its own `open_websocket` leaves the socket to the garbage collector where it isn't the client who ends it.
            async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
                client = await wrap_client_stream(nursery, stream, "127.0.0.1", "/", subprotocols=["v2", "v1"])
                assert client.subprotocol == "v1"
                await client.send_message("first")
                assert await client.get_message() == "last"
                with pytest.raises(ConnectionClosed):
                    await client.get_message()
                assert (client.closed.code, client.closed.reason) == (4000, "enough")
            async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
                try:
                    async with trio.open_nursery() as readers:
                        await wrap_client_stream(readers, stream, "127.0.0.1", "/?no=")
                        pytest.fail("connected")
                except* ConnectionRejected as refusals:
                    [answer] = refusals.exceptions
        assert (answer.status_code, (b"x-why", b"mood") in answer.headers, answer.body) == (403, True, b"not today")


@pytest.mark.parametrize("takeover", [False, True])
async def test_websockets_with_compression(takeover: bool) -> None:
    def use(url: str) -> None:
        with connect(url, proxy=None, compression="deflate", open_timeout=SECONDS) as client:
            assert len(client.protocol.extensions) == 1
            for message in ("hello", "", b"\x00\xff", LARGE, LARGE.encode(), "hello" * 100):
                for _ in range(3):
                    client.send(message)
                    assert client.recv(timeout=SECONDS) == message
            client.send(iter(["frag" * 1000, "ment", "ed" * 1000]))
            assert client.recv(timeout=SECONDS) == "frag" * 1000 + "ment" + "ed" * 1000

    app = App()
    options = {"client_context_takeover": takeover, "server_context_takeover": takeover, "compression_threshold": 1}
    app.websocket("/", Echo, compression=True, **options)
    async with serving(app) as server:
        await trio.to_thread.run_sync(use, f"ws://127.0.0.1:{server.port}/")


async def test_websockets(start: Callable[[], Any]) -> None:
    """Fragments, pings between them, and an offer of permessage-deflate, which is declined."""

    def use(url: str, tls: ssl.SSLContext | None) -> None:
        with connect(url, ssl=tls, proxy=None, compression="deflate", open_timeout=SECONDS) as client:
            assert "Sec-WebSocket-Extensions" in client.request.headers
            assert "Sec-WebSocket-Extensions" not in client.response.headers
            assert client.protocol.extensions == []
            for message in ("hello", "", b"", b"\x00\xff", LARGE, LARGE.encode()):
                client.send(message)
                assert client.recv(timeout=SECONDS) == message
            client.send(iter(["frag", "ment", "ed"]))
            assert client.recv(timeout=SECONDS) == "fragmented"

            def interleaved() -> Any:
                for number in range(10):
                    pongs.append(client.ping(f"{number}"))
                    yield b"x" * 1000

            pongs: list[Any] = []
            client.send(interleaved())
            assert client.recv(timeout=SECONDS) == b"x" * 10_000
            assert all(pong.wait(SECONDS) for pong in pongs)
            client.close(4001, "enough")
            assert client.close_code == 4001

    async with start() as (_, url, tls):
        await trio.to_thread.run_sync(partial(use, url, tls))


async def test_a_client_sees_that_the_server_goes_away(start: Callable[[], Any]) -> None:
    def use(url: str, tls: ssl.SSLContext | None, shut_down: Callable[[], None]) -> None:
        with connect(url, ssl=tls, proxy=None) as client:
            client.send("hello")
            assert client.recv(timeout=SECONDS) == "hello"
            trio.from_thread.run_sync(shut_down)
            with pytest.raises(websockets.exceptions.ConnectionClosed):
                client.recv(timeout=SECONDS)
            assert client.close_code == 1001

    async with start() as (server, url, tls):
        await trio.to_thread.run_sync(partial(use, url, tls, server.served.shut_down))


async def test_websockets_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"

    def use() -> None:
        with unix_connect(str(path), "ws://localhost/") as client:
            client.send(LARGE)
            assert client.recv(timeout=SECONDS) == LARGE

    async with serving(Echo, port=None, unix=path):
        await trio.to_thread.run_sync(use)
