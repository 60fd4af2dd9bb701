"""A client under TLS that came to the wrong server is relayed to the right one, for as long as both are there."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from actorws import App, events
from actorws.events import HandoverFailed
from actorws.server import handover, handover_relay
from actorws.server.handover_relay import Relay
from tests.support.handover import WhichNode, app, to_node
from tests.support.serving import Server, descriptors, serving
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


@pytest.fixture
def relays(monkeypatch: pytest.MonkeyPatch) -> list[Relay]:
    """All that there have been."""
    found: list[Relay] = []

    class Noted(Relay):
        def __init__(self, *args: Any, on_end: Callable[[Relay], None], **options: Any) -> None:
            self.has_ended = False

            def end(relay: Relay) -> None:
                assert not self.has_ended
                self.has_ended = True
                on_end(relay)

            super().__init__(*args, on_end=end, **options)
            found.append(self)

    monkeypatch.setattr(handover, "Relay", Noted)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@asynccontextmanager
async def servers(folder: Path, tls: ssl.SSLContext | None, served: Any = app) -> AsyncIterator[tuple[Server, Server]]:
    """Two servers with TLS that find each other; nothing of a connection may be left at the end."""
    async with serving(served, siblings=folder, tls=tls) as one, serving(served, siblings=folder, tls=tls) as other:
        before = descriptors()
        yield one, other
        await one.no_wires()
        await other.no_wires()
        with trio.fail_after(SECONDS):
            while descriptors() != before:  # the task of a stream closes its socket a turn after the wire is gone
                await trio.lowlevel.checkpoint()
        assert not one.all(HandoverFailed) and not other.all(HandoverFailed)


@asynccontextmanager
async def secure(server: Server, tls: ssl.SSLContext, receive_buffer: int | None = None) -> AsyncIterator[Client]:
    """A connection on which ``close_notify`` is missed if it doesn't come."""
    async with connect(server.port, receive_buffer=receive_buffer) as below:
        stream = trio.SSLStream(below.stream, tls, server_hostname="127.0.0.1")
        await stream.do_handshake()
        yield Client(stream)


def node_of(server: Server) -> str:
    return server.served.runtime.id


async def relayed(client: Client, server: Server) -> None:
    """Open a WebSocket that ``server`` serves."""
    await client.upgrade(to_node(node_of(server)))
    assert (await client.message()).startswith(node_of(server))


def address_of(client: Client) -> str:
    host, port = client.stream.transport_stream.socket.getsockname()  # type: ignore[attr-defined]
    return f"{host}:{port}"


async def test_a_client_reaches_the_node_that_it_names_whichever_server_accepts(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with servers(folder, server_tls) as found, AsyncExitStack() as stack:
        for count in range(20):
            accepting, wanted = found[count % 2], found[count // 2 % 2]
            client = await stack.enter_async_context(secure(accepting, client_tls))
            await client.upgrade(to_node(node_of(wanted)))
            assert await client.message() == f"{node_of(wanted)} {address_of(client)}"
            await client.echo("hello")
        # Each has ten clients of its own, five of them through the other, and carries five of the other's.
        assert [server.served.runtime.wires for server in found] == [20, 20]
        await stack.aclose()


async def test_traffic_goes_both_ways_and_a_close_is_seen(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, relays: list[Relay]
) -> None:
    async with servers(folder, server_tls) as (one, other):
        async with secure(one, client_tls) as client:
            await relayed(client, other)
            for size in (1, 1000, 100_000, 1_000_000):
                await client.echo("x" * size)
            await client.text("push")
            for _ in range(100):
                assert len((await client.frame())[1]) == 80_000
            await client.close()
        [ended] = await other.seen(events.ActorEnded)
        assert str(ended.reason) == "Remote(code=1000, reason='')"
        await one.no_wires()
        assert [relay.has_ended for relay in relays] == [True]  # type: ignore[attr-defined]


async def test_a_connection_that_was_kept_is_relayed_behind_its_answers(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with servers(folder, server_tls) as (one, other), secure(one, client_tls, receive_buffer=4096) as client:
        plain = b"GET /node HTTP/1.1\r\nhost: a\r\n\r\nGET /big HTTP/1.1\r\nhost: a\r\n\r\n"
        await client.send(plain + handshake(to_node(node_of(other))) + frame(TEXT, b"early"))
        assert (await client.response()).body.decode() == node_of(one)
        assert len((await client.response()).body) == 8_000_000
        assert (await client.head()).status == 101
        assert (await client.message()).startswith(node_of(other))
        assert await client.message() == "early"
        await client.close()


async def test_what_a_client_does_not_take_waits_with_the_sibling_and_not_here(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, relays: list[Relay]
) -> None:
    async with servers(folder, server_tls) as (one, other), secure(one, client_tls, receive_buffer=4096) as client:
        await relayed(client, other)
        await client.text("push")
        await other.seen(events.ReadingPaused)
        [relay] = relays
        assert relay.client.wire is not None and relay.client.wire.buffered < 1_000_000
        for _ in range(100):
            assert len((await client.frame())[1]) == 80_000
        await client.echo("still there")
        await client.close()


async def test_what_the_sibling_does_not_take_waits_with_the_client(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, relays: list[Relay]
) -> None:
    """Its actor handles one message of 64 KiB at a time, and each waits until it is told to go on."""
    go_on = trio.Event()

    class Slow(WhichNode):
        async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            await go_on.wait()
            return state, [str(len(frame))]

    slow = App()
    slow.websocket("/", Slow, mailbox_messages=4, callback_timeout=SECONDS)
    async with servers(folder, server_tls, slow) as (one, other):
        async with secure(one, client_tls) as client, trio.open_nursery() as nursery:
            await relayed(client, other)

            async def send() -> None:
                for _ in range(200):
                    await client.text("x" * 65536)

            nursery.start_soon(send)
            await other.seen(events.ReadingPaused)
            [relay] = relays
            while relay.client.wire is not None and not relay.client.wire.paused:
                await trio.lowlevel.checkpoint()
            assert relay.sibling.wire is not None and relay.sibling.wire.buffered < 1_000_000
            go_on.set()
            for _ in range(200):
                assert await client.message() == "65536"
        async with secure(one, client_tls) as client:
            await relayed(client, other)


async def test_a_client_that_vanishes_is_missed_by_who_has_it(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with servers(folder, server_tls) as (one, other):
        async with connect(one.port) as below:
            stream = trio.SSLStream(below.stream, client_tls, server_hostname="127.0.0.1")
            await relayed(Client(stream), other)
            below.reset()
        await other.seen(events.ActorEnded)


async def test_a_sibling_that_cuts_cuts_the_client(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    class Crashing(WhichNode):
        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            conn.abort()
            return state, []

    crashing = App()
    crashing.websocket("/", Crashing)
    async with servers(folder, server_tls, crashing) as (one, other), secure(one, client_tls) as client:
        await relayed(client, other)
        await client.text("now")
        assert await client.rest() == b""


async def test_a_sibling_that_is_lost_loses_the_client(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, relays: list[Relay]
) -> None:
    """What it said last may be cut short, and then the client must not take it for the end."""
    async with servers(folder, server_tls) as (one, other), secure(one, client_tls) as client:
        await relayed(client, other)
        relays[0].sibling.ended(ConnectionResetError())
        with pytest.raises(trio.BrokenResourceError):
            await client.stream.receive_some()


async def test_a_client_that_does_not_end_its_side_is_cut_in_the_end(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover_relay, "LINGER", 0.1)
    async with servers(folder, server_tls) as (one, other), secure(one, client_tls) as client:
        await client.send(handshake(to_node(node_of(other)), sec_websocket_version="12"))
        assert (await client.response()).status == 426
        await one.no_wires()
        await other.seen(events.HandshakeRefused)


async def test_a_half_close_is_passed_on_and_the_last_answer_comes_back(folder: Path, relays: list[Relay]) -> None:
    """By a stream that can be ended on one side: a socket, relayed for once as one under TLS would be."""
    async with servers(folder, None) as (one, other):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(handover, "give", lambda *args: False)
            async with connect(one.port) as client:
                assert isinstance(client.stream, trio.SocketStream)
                await client.send(handshake(to_node(node_of(other))) + frame(TEXT, b"last words"))
                await client.stream.send_eof()
                assert (await client.head()).status == 101
                assert (await client.message()).startswith(node_of(other))
                assert await client.message() == "last words"
                assert await client.rest() == b""
        assert len(relays) == 1


async def test_a_shutdown_ends_what_is_only_carried(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with (
        serving(app, siblings=folder, tls=server_tls) as other,
        serving(app, siblings=folder, tls=server_tls, drain_timeout=2 * SECONDS) as one,
        secure(one, client_tls) as client,
    ):
        await relayed(client, other)
        one.served.shut_down()
        assert await client.rest() == b""  # in good order, without a Close: that would end a session
        await other.seen(events.ActorEnded)
        await client.stream.aclose()
    assert not one.all(events.DrainTimedOut)


async def test_a_node_that_is_not_here_costs_nothing(
    folder: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, relays: list[Relay]
) -> None:
    async with servers(folder, server_tls) as (one, _other), secure(one, client_tls) as client:
        await client.upgrade(to_node("0123456789abcdef"))
        assert (await client.message()).startswith(node_of(one))
        await client.close()
    assert not relays
