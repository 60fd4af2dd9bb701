"""Compressed connections, served: what goes over the wire, what is shared, and what a policy may drop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.uri import parse_uri

from actorws import App, Coalesce, SendStatus, Websocket
from actorws.events import ActorCrashed
from actorws.exceptions import ConfigError
from actorws.protocol.deflate import Deflater
from tests.support.deflate import Peer, deflated, inflated
from tests.support.serving import Server, serving
from tests.support.wire import BINARY, SECONDS, TEXT, Client, connect, frame, open_client

LONG = "a message that is long enough to be compressed " * 20
OFFER = "permessage-deflate; client_max_window_bits"


class Echo(Websocket):
    """Echoes; joins a group; sends what it gets from others."""

    async def init(self, conn: Any) -> Any:
        await conn.join("all")
        return None, []

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame]

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, [message]


def app(behaviour: type[Websocket] = Echo, **options: Any) -> App:
    served = App()
    served.websocket("/", behaviour, **{"compression": True, **options})
    return served


@asynccontextmanager
async def compressed(server: Server, offer: str = OFFER) -> AsyncIterator[Client]:
    async with connect(server.port) as client:
        response = await client.upgrade(sec_websocket_extensions=offer)
        assert response.headers["sec-websocket-extensions"].startswith("permessage-deflate")
        yield client


async def any_frame(client: Client) -> tuple[int, bytes]:
    """The next frame's first byte and payload, compressed or not."""
    first, size = await client.read(2)
    if size == 126:
        size = int.from_bytes(await client.read(2), "big")
    elif size == 127:
        size = int.from_bytes(await client.read(8), "big")
    return first, await client.read(size)


def packed(opcode: int, payload: bytes) -> bytes:
    """A client's compressed frame."""
    whole = frame(opcode, payload)
    return bytes((whole[0] | 0x40,)) + whole[1:]


@pytest.fixture
def count_encodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of what was compressed."""
    sizes: list[int] = []
    encode = Deflater.encode

    def counting(self: Deflater, opcode: int, payload: bytes) -> bytes:
        sizes.append(len(payload))
        return encode(self, opcode, payload)

    monkeypatch.setattr(Deflater, "encode", counting)
    yield sizes


async def test_both_directions_are_compressed_where_that_pays() -> None:
    async with serving(app()) as server, compressed(server) as client:
        await client.send(packed(TEXT, deflated(LONG.encode())))
        first, payload = await any_frame(client)
        assert first == 0xC1 and len(payload) < 100
        assert inflated(payload).decode() == LONG
        await client.send(packed(TEXT, deflated(b"short")))
        assert await any_frame(client) == (0x81, b"short")
        await client.close()


async def test_what_is_too_small_or_too_large_is_sent_as_it_is() -> None:
    async with serving(app(compression_threshold=10, compression_max_size=20)) as server, compressed(server) as client:
        for size, first in ((9, 0x81), (10, 0xC1), (20, 0xC1), (21, 0x81)):
            await client.text("a" * size)
            assert (await any_frame(client))[0] == first
        await client.close()


async def test_a_client_that_does_not_offer_it_has_everything_plain() -> None:
    async with serving(app()) as server, open_client(server.port) as client:
        await client.echo(LONG)
        await client.close()


async def test_a_route_without_it_agrees_to_nothing() -> None:
    async with serving(app(compression=False)) as server, connect(server.port) as client:
        response = await client.upgrade(sec_websocket_extensions=OFFER)
        assert "sec-websocket-extensions" not in response.headers
        await client.send(packed(TEXT, deflated(b"all the same")))
        assert (await client.closed())[0] == 1002


async def test_every_form_of_returned_frames_is_compressed() -> None:
    class Many(Echo):
        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            return state, {"one": LONG, "tuple": (LONG,), "two": [LONG, LONG.encode()], "bytes": bytearray(999)}[frame]

    async with serving(app(Many)) as server, compressed(server) as client:
        for word, firsts in {"one": [0xC1], "tuple": [0xC1], "two": [0xC1, 0xC2], "bytes": [0xC2]}.items():
            await client.send(frame(TEXT, word.encode()))
            assert [(await any_frame(client))[0] for _ in firsts] == firsts
        await client.close()


async def test_a_bad_frame_crashes_its_actor_as_anywhere() -> None:
    class Wrong(Echo):
        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            return state, [LONG, 17]

    async with serving(app(Wrong)) as server, compressed(server) as client:
        await client.send(frame(TEXT, b"x"))
        assert (await client.closed())[0] == 1011
        assert "17" in str((await server.seen(ActorCrashed))[0].exception)


@pytest.mark.parametrize("how", ["publish", "broadcast"])
async def test_what_goes_to_many_is_compressed_once_per_recipe(
    how: str, count_encodes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # In one go, however slow the machine is: what is left for another tick is compressed again there.
    monkeypatch.setattr("actorws.actor.scheduler.BUDGET", 60.0)
    async with serving(app()) as server, trio.open_nursery() as nursery:
        clients: list[Client] = []

        async def hold(offer: str | None, *, task_status: Any) -> None:
            async with connect(server.port) as client:
                await client.upgrade(sec_websocket_extensions=offer)
                task_status.started(client)
                await trio.sleep_forever()

        for offer in [OFFER] * 5 + ["permessage-deflate; server_max_window_bits=10"] * 2 + [None]:
            clients.append(await nursery.start(hold, offer))
        for client in clients:  # all have joined
            await client.echo("hi")
        group = server.served.runtime.group
        messages = [LONG, LONG[1:], "short", LONG]
        for message in messages:
            await getattr(group, how)("all", message)
        for client in clients[:-1]:
            got = [await any_frame(client) for _ in messages]
            assert [first for first, _ in got] == [0xC1, 0xC1, 0x81, 0xC1]
            assert [inflated(p).decode() if first & 0x40 else p.decode() for first, p in got] == messages
        assert [(await any_frame(clients[-1]))[1].decode() for _ in messages] == messages
        assert len(count_encodes) == 2 * 3, "once for each of three messages and two recipes"
        nursery.cancel_scope.cancel()


async def test_a_member_that_leaves_in_between_changes_nothing_for_the_others(count_encodes: list[int]) -> None:
    async with serving(app()) as server, compressed(server) as one, compressed(server) as other:
        await one.echo("hi")
        await other.echo("hi")
        group = server.served.runtime.group
        group.broadcast_nowait("all", LONG)
        group.broadcast_nowait("all", LONG[1:])
        actors = [member.ref._actor for member in group.members_nowait("all")]
        group.leave_nowait("all", actors[1])
        for expected in (LONG, LONG[1:]):
            assert inflated((await any_frame(one))[1]).decode() == expected
        await other.echo("nothing came before this")


async def test_with_takeover_both_sides_remember_what_was_said() -> None:
    options = {"server_context_takeover": True, "client_context_takeover": True}
    async with serving(app(**options)) as server, compressed(server, "permessage-deflate") as client:
        peer, sizes = Peer(), []
        message = bytes(range(256)) * 4
        for _ in range(3):
            await client.send(packed(BINARY, peer.deflate(message)))
            first, payload = await any_frame(client)
            assert first == 0xC2 and peer.inflate(payload) == message
            sizes.append(len(payload))
        assert sizes[1] < sizes[0] / 4
        await server.served.runtime.group.broadcast("all", message)
        assert peer.inflate((await any_frame(client))[1]) == message
        await client.close()


async def test_a_dropped_message_is_not_referred_to_by_the_next() -> None:
    """With takeover the client's window must hold what our compressor thinks it holds."""
    statuses: list[SendStatus] = []

    class Flood(Echo):
        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            number = 0
            while SendStatus.DROPPED not in statuses:
                statuses.append(conn.send(f"{number} " + "".join(map(str, range(number, number + 9000)))))
                number += 1
            return number - 1, []

        def handle_drain(self, dropped: int, conn: Any) -> Any:
            return dropped, [f"{dropped} was dropped, " + "".join(map(str, range(dropped, dropped + 9000)))]

    options = {"server_context_takeover": True, "backpressure_limit": 40_000}
    async with serving(app(Flood, **options)) as server, connect(server.port, receive_buffer=4096) as client:
        await client.upgrade(sec_websocket_extensions="permessage-deflate")
        await client.send(frame(TEXT, b"go"))
        peer, got = Peer(), []
        while not got or "was dropped" not in got[-1]:
            with trio.fail_after(SECONDS):
                first, payload = await any_frame(client)
            got.append((peer.inflate(payload) if first & 0x40 else payload).decode())
        assert SendStatus.BACKPRESSURED in statuses and statuses[-1] is SendStatus.DROPPED
        numbers = [int(message.partition(" ")[0]) for message in got]
        assert numbers == list(range(len(statuses)))


@pytest.mark.parametrize("policy", ["drop_old", Coalesce(lambda frame: 1)])
def test_takeover_and_policies_that_drop_what_waits_exclude_each_other(policy: Any) -> None:
    with pytest.raises(ConfigError, match="server_context_takeover"):
        app(server_context_takeover=True, output_policy=policy)


async def test_compressed_bombs_end_their_connection_alone() -> None:
    async with serving(app(max_message_size=100_000)) as server, open_client(server.port) as other:
        async with compressed(server) as client:
            await client.send(packed(BINARY, deflated(bytes(10_000_000))))
            assert (await client.closed())[0] == 1009
        async with compressed(server) as client:
            await client.send(packed(BINARY, b"\xff\xff\xff"))
            assert (await client.closed())[0] == 1007
        await other.echo("unharmed")


async def test_a_broken_offer_costs_400_and_a_strange_one_nothing() -> None:
    async with serving(app()) as server:
        async with connect(server.port) as client:
            await client.upgrade(sec_websocket_extensions="permessage-deflate; no_such_parameter")
            await client.echo(LONG)
        async with connect(server.port) as client:
            await client.send(
                b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Extensions: ;;;\r\n\r\n"
            )
            assert (await client.response()).status == 400


@given(
    st.lists(st.one_of(st.text(max_size=600), st.binary(max_size=600)), min_size=1, max_size=8),
    st.fixed_dictionaries(
        {
            "server_context_takeover": st.booleans(),
            "client_context_takeover": st.booleans(),
            "server_max_window_bits": st.integers(9, 15),
            "client_max_window_bits": st.integers(9, 15),
            "compression_threshold": st.sampled_from([0, 100]),
        }
    ),
)
@settings(max_examples=25)
def test_an_independent_client_understands_every_setting(messages: list[str | bytes], options: dict[str, Any]) -> None:
    async def exchange() -> None:
        async with serving(app(**options)) as server, connect(server.port) as client:
            peer = ClientProtocol(
                parse_uri(f"ws://127.0.0.1:{server.port}/"), extensions=[ClientPerMessageDeflateFactory()]
            )
            peer.send_request(peer.connect())
            for message in messages:
                await client.send(b"".join(peer.data_to_send()))
                if peer.state.name == "CONNECTING":
                    peer.receive_data(await client.until(b"\r\n\r\n"))
                    assert peer.extensions and peer.handshake_exc is None
                    peer.events_received()
                if isinstance(message, str):
                    peer.send_text(message.encode())
                else:
                    peer.send_binary(message)
                await client.send(b"".join(peer.data_to_send()))
                echo: list[Any] = []
                while not echo:
                    with trio.fail_after(SECONDS):
                        peer.receive_data(bytes(await client.stream.receive_some(65536)))
                    assert peer.parser_exc is None
                    echo = [event for event in peer.events_received() if isinstance(event, Frame)]
                data = bytes(echo[0].data)
                assert (data.decode() if isinstance(message, str) else data) == message

    trio.run(exchange)
