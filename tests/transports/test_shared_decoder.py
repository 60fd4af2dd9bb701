"""The decoder of a kind serves all connections of which nothing is unfinished, and nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actorws import Pong, Runtime
from actorws.events import ProtocolViolated
from actorws.protocol.codec import Decoder, DecoderRules
from actorws.protocol.encoder import encode
from actorws.protocol.shared import SharedDecoder
from actorws.transports.websocket import WebsocketTransport
from tests.support.fake_wire import open_websocket
from tests.support.serving import Echo
from tests.support.wire import BINARY, CONTINUATION, PING, TEXT, frame

UNFINISHED = {
    "the tail of a frame": frame(BINARY, b"hello")[:7],
    "a fragment": frame(TEXT, b"hello", fin=False),
    "a large payload": frame(BINARY, bytes(100_000))[:50_000],
}
each_unfinished = pytest.mark.parametrize("begun", UNFINISHED.values(), ids=UNFINISHED)


@pytest.fixture
async def two(runtime: Runtime) -> list[WebsocketTransport]:
    """Two connections of one kind."""
    first, second = (open_websocket(runtime, Echo, idle_timeout=10, ping_margin=2) for _ in range(2))
    second.actor.kind = first.actor.kind
    second.decoder = first.decoder
    return [first, second]


async def test_whole_messages_need_no_decoder_of_ones_own(two: list[WebsocketTransport]) -> None:
    first, second = two
    for transport in (first, second, first):
        transport.receive(frame(BINARY, b"small") + frame(TEXT, b"a" * 1000))
        assert transport.wire.tick() == encode(b"small") + encode("a" * 1000)
        assert transport.decoder is first.actor.kind.decoder


async def test_a_ping_needs_no_decoder_of_ones_own(two: list[WebsocketTransport]) -> None:
    for transport in two:
        transport.receive(frame(PING, b"1"))
        transport.receive(frame(BINARY, b"small"))
        assert transport.wire.tick() == encode(Pong(b"1")) + encode(b"small")
        assert transport.decoder is transport.actor.kind.decoder


@each_unfinished
async def test_what_is_unfinished_is_the_connections_own(two: list[WebsocketTransport], begun: bytes) -> None:
    first, second = two
    first.receive(begun)
    assert second.decoder is second.actor.kind.decoder is not first.decoder
    second.receive(frame(BINARY, b"whole"))
    assert (first.wire.tick(), second.wire.tick()) == (b"", encode(b"whole"))


async def test_two_that_are_unfinished_are_finished_each_by_itself(two: list[WebsocketTransport]) -> None:
    for transport, payload in zip(two, (b"first ", b"second "), strict=True):
        transport.receive(frame(BINARY, payload, fin=False))
    for transport, whole in zip(two, (b"first end", b"second end"), strict=True):
        transport.receive(frame(CONTINUATION, b"end"))
        assert transport.wire.tick() == encode(whole)


async def test_a_violation_is_of_one_connection(two: list[WebsocketTransport], seen: list[Any]) -> None:
    first, second = two
    conn = first.actor.conn
    first.receive(b"\xff\x80\0\0\0\0")
    second.receive(frame(TEXT, b"fine"))
    assert second.wire.tick() == encode("fine")
    assert [event.conn for event in seen if isinstance(event, ProtocolViolated)] == [conn]


async def test_what_comes_for_a_connection_that_was_cut_bears_on_no_other(two: list[WebsocketTransport]) -> None:
    """As behind a handshake whose ``init`` has cut it."""
    first, second = two
    first.actor.abort()
    first.receive(frame(TEXT, b"hello", fin=False))
    second.receive(frame(TEXT, b"fine"))
    assert second.wire.tick() == encode("fine")


async def test_after_a_while_of_silence_the_decoder_is_given_back(
    autojump_clock: Any, two: list[WebsocketTransport]
) -> None:
    first, _ = two
    data = frame(BINARY, b"hello")
    first.receive(data[:7])
    await trio.sleep(9)
    assert first.decoder is not first.actor.kind.decoder
    first.receive(data[7:])
    first.wire.last_seen = trio.current_time()
    await trio.sleep(9)
    assert first.decoder is first.actor.kind.decoder
    assert encode(b"hello") in first.wire.tick()


@given(st.binary(max_size=300), st.integers(0, 300))
def test_a_decoder_that_was_taken_out_goes_on_as_if_it_had_not_been(payload: bytes, cut: int) -> None:
    data = frame(TEXT, b"begun", fin=False) + frame(BINARY, payload) + frame(CONTINUATION, payload)
    rules = DecoderRules(max_message_size=200, max_fragments=10)
    usual, common = Decoder(rules), SharedDecoder(rules)
    common.receive(data[:cut])
    taken = common.taken_out()
    usual.receive(data[:cut])
    assert taken.receive(data[cut:]) == usual.receive(data[cut:])
    assert str(taken.error) == str(usual.error)
    assert common.receive(frame(TEXT, b"anew")) == ["anew"]


@pytest.mark.parametrize("step", ["payload.Message.add", "shared.Decoder"])
async def test_where_there_is_no_memory_for_one_nothing_of_it_is_left_for_others(
    monkeypatch: pytest.MonkeyPatch, two: list[WebsocketTransport], step: str
) -> None:
    """Neither while it is read, nor while what is unfinished is taken out."""
    first, second = two
    begun, more = frame(TEXT, b"begun", fin=False), frame(TEXT, b"more")

    def no_memory(*_: Any, **__: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched, pytest.raises(MemoryError):
        patched.setattr(f"actorws.protocol.{step}", no_memory)
        first.receive(begun)
    second.receive(more)
    assert second.wire.tick() == encode("more")
