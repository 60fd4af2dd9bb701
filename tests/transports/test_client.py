"""The client's side of a WebSocket, bytes in, bytes out: what is sent is masked, each frame with a key of its own."""

from __future__ import annotations

import zlib

import pytest
import trio

from actorws import Close, Ping, Pong, Remote, Websocket
from actorws.actor.actor import Actor
from actorws.actor.kind import Kind
from actorws.actor.runqueue import Shared
from actorws.client.attempt import conn_of
from actorws.client.opening import Opened
from actorws.config import Compression
from actorws.events import ActorEnded
from actorws.protocol import deflate_offer
from actorws.protocol.encoder import encode
from actorws.protocol.url import parse_url
from actorws.transports.client import client_transport
from tests.support.client_frames import BINARY, CLOSE, PING, PONG, TEXT, server_frame, unmasked
from tests.support.fake_wire import FakeWire
from tests.support.serving import Echo


class Recipient(Actor):
    """An actor, as any."""


def open_client(runtime, behaviour: type[Websocket] = Echo, *, deflate: bool = False, takes: int = 1 << 30, **options):
    """A connection to a server whose 101 has come."""
    kind = Kind(behaviour, is_client=True, compression=deflate, **options)
    extensions = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    agreed = deflate_offer.agree(extensions, Compression(compression=True)) if deflate else None
    opened = Opened(None, None, parse_url("ws://test/"), "", {}, None, agreed, b"")  # type: ignore[arg-type]
    conn = conn_of(opened, runtime)
    wire = FakeWire(runtime, kind.config.backpressure, takes, trio.current_time())
    actor = Recipient(kind, conn, None)  # type: ignore[arg-type]
    wire.receiver = transport = client_transport(wire, kind, conn, agreed, actor)
    runtime.supervisor.add(actor, conn)
    actor.start()
    return transport


def frames_of(data: bytes, keys: list[bytes]) -> list[tuple[int, bytes]]:
    """What a server makes of it: opcodes and payloads, inflated; each must be masked."""
    frames = []
    while data:
        first, second = data[:2]
        assert first & 0x80 and second & 0x80
        size, start = second & 0x7F, 2
        if size > 125:
            start = {126: 4, 127: 10}[size]
            size = int.from_bytes(data[2:start], "big")
        keys.append(data[start : start + 4])
        payload = unmasked(data[start + 4 : start + 4 + size], keys[-1])
        assert len(payload) == size
        if first & 0x40:
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        frames.append((first & 0x0F, payload))
        data = data[start + 4 + size :]
    return frames


@pytest.fixture(params=[False, True], ids=["plain", "deflated"])
def transport(request, runtime):
    return open_client(runtime, deflate=request.param)


SIZES = [0, 1, 125, 126, 300, 16 * 1024 - 1, 16 * 1024, 65535, 65536, 300_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", ["send", "send_frames", "put", "send_shared", "send_encoded", "callback"])
async def test_a_message_of_any_size_is_masked_by_whichever_way_it_goes(transport, way, size):
    keys: list[bytes] = []
    for message in (bytes(size), "x" * size):
        if way == "send_frames":
            transport.send_frames([message])
        elif way == "send_shared":
            transport.send_shared([message], Shared())
        elif way == "send_encoded":
            chunk = encode(message)
            transport.send_encoded([message], [chunk], chunk, {})
        elif way == "callback":
            data = server_frame(
                TEXT if type(message) is str else BINARY, message.encode() if type(message) is str else message
            )
            while transport.receive(data):
                data = b""
        else:
            getattr(transport, way)(message)
    assert frames_of(transport.wire.tick(), keys) == [(BINARY, bytes(size)), (TEXT, b"x" * size)]
    assert len(set(keys)) == 2


async def test_each_of_many_frames_has_a_key_of_its_own(transport):
    keys: list[bytes] = []
    transport.send_frames(["a", b"b" * 1000, Ping(b"c"), Pong(b"d"), bytearray(b"e"), Close(4000, "f")])
    assert frames_of(transport.wire.tick(), keys) == [
        (TEXT, b"a"),
        (BINARY, b"b" * 1000),
        (PING, b"c"),
        (PONG, b"d"),
        (BINARY, b"e"),
        (CLOSE, b"\x0f\xa0f"),
    ]
    assert len(set(keys)) == 6


async def test_what_many_get_is_masked_for_each_with_another_key(runtime):
    """Where servers send the same bytes to all."""
    keys: list[bytes] = []
    transports = [open_client(runtime) for _ in range(10)]
    shared, chunk = Shared(), encode("news")
    for transport in transports:
        transport.send_shared(["news"], shared)
        transport.send_encoded(["news"], [chunk], chunk, {})
        assert frames_of(transport.wire.tick(), keys) == [(TEXT, b"news")] * 2
    assert len(set(keys)) == 20


async def test_keys_are_not_to_be_guessed(runtime, monkeypatch):
    """They come from the system, four bytes for each frame (RFC 6455 section 5.3)."""
    asked = []
    monkeypatch.setattr("actorws.transports.client.urandom", lambda size: asked.append(size) or b"key!")
    transport = open_client(runtime)
    transport.send_frames(["a", "b"])
    assert transport.wire.tick() == b"".join(b"\x81\x81key!" + unmasked(letter, b"key!") for letter in (b"a", b"b"))
    assert asked == [4, 4]


async def test_pongs_and_the_answer_to_close_are_masked(transport):
    keys: list[bytes] = []
    transport.receive(server_frame(PING, b"1") + server_frame(PING, b"2") + server_frame(CLOSE, b"\x0f\xa0bye"))
    assert frames_of(transport.wire.tick(), keys) == [(PONG, b"1"), (PONG, b"2"), (CLOSE, b"\x0f\xa0")]
    assert len(set(keys)) == 3


async def test_the_answer_to_a_violation_is_masked(transport):
    transport.receive(server_frame(3))
    [(opcode, payload)] = frames_of(transport.wire.tick(), [])
    assert (opcode, payload[:2]) == (CLOSE, b"\x03\xea")


async def test_pings_and_goodbye_of_the_keepalive_are_masked(autojump_clock, runtime):
    transport = open_client(runtime, idle_timeout=10, ping_margin=2)
    wire = transport.wire
    await trio.sleep(9)
    assert frames_of(wire.tick(), []) == [(PING, b"")]
    await trio.sleep(2)
    assert frames_of(wire.tick(), []) == [(CLOSE, b"\x03\xe9idle for too long")]


async def test_what_had_to_wait_is_masked_too(runtime):
    keys: list[bytes] = []
    transport = open_client(runtime, takes=10)
    for number in range(100):
        transport.send(b"%d" % number * 1000)
        transport.wire.tick()
    transport.wire.take_everything()
    assert frames_of(transport.wire.taken, keys) == [(BINARY, b"%d" % number * 1000) for number in range(100)]
    assert len(set(keys)) == 100


async def test_after_close_it_is_for_the_server_to_end_tcp(autojump_clock, runtime, seen):
    """RFC 6455 section 7.1.1; it has close_timeout for that, and what else it says is nothing."""
    wires = []
    for _ in range(2):
        transport = open_client(runtime, close_timeout=5)
        wires.append(transport.wire)
        transport.receive(server_frame(CLOSE, b"\x03\xe8"))
        transport.receive(server_frame(TEXT, b"late"))
        assert frames_of(transport.wire.tick(), []) == [(CLOSE, b"\x03\xe8")]
    assert [event.reason for event in seen if isinstance(event, ActorEnded)] == [Remote(1000)] * 2
    await trio.sleep(4)
    assert wires[0].ended == wires[1].ended == ""
    wires[0].receiver.ended(None)
    assert wires[0].ended == "closed"
    await trio.sleep(2)
    assert wires[1].ended == "aborted"


async def test_a_masked_frame_is_refused(runtime):
    """RFC 6455 section 5.1."""
    transport = open_client(runtime)
    transport.receive(b"\x81\x81key!\x00")
    [(_, payload)] = frames_of(transport.wire.tick(), [])
    assert payload[:2] == b"\x03\xea" and b"mask" in payload
