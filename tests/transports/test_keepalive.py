"""Signs of life, on a wire that says when there was one."""

from __future__ import annotations

import pytest
import trio

from actorws import Close, Ping, Timeout
from actorws.events import ActorEnded
from actorws.protocol.encoder import encode
from tests.support.fake_wire import open_websocket
from tests.support.serving import Echo

PINGED, LEFT = encode(Ping()), encode(Close(1001, "idle for too long"))


def reason(seen):
    return next((event.reason for event in seen if isinstance(event, ActorEnded)), None)


@pytest.fixture
def websocket(runtime):
    """Opens one that is pinged after 8 s of silence, and ended after 10."""

    def open(**options):
        return open_websocket(runtime, Echo, **{"idle_timeout": 10, "ping_margin": 2, **options})

    return open


async def test_silence_is_answered_with_a_ping_and_then_with_the_end(autojump_clock, websocket, seen):
    wire = websocket().wire
    await trio.sleep(7.9)
    assert wire.tick() == b""
    await trio.sleep(1)
    assert wire.tick() == PINGED
    await trio.sleep(2)
    assert (wire.tick(), wire.ended, reason(seen)) == (LEFT, "closed", Timeout("ping"))


async def test_any_byte_is_a_sign_of_life(autojump_clock, websocket, seen):
    """Before the ping and after it; the wire says when the last one came."""
    wire = websocket().wire
    for _ in range(20):
        await trio.sleep(3)
        wire.last_seen = trio.current_time()
    assert wire.tick() == b""
    for _ in range(5):
        await trio.sleep(9)
        assert wire.tick() == PINGED
        wire.last_seen = trio.current_time()
    assert reason(seen) is None


async def test_without_pings_silence_is_the_end(autojump_clock, websocket, seen):
    wire = websocket(send_pings=False).wire
    await trio.sleep(9.9)
    assert wire.tick() == b""
    await trio.sleep(1)
    assert (wire.tick(), reason(seen)) == (LEFT, Timeout("idle"))


async def test_what_is_still_to_be_read_is_a_sign_of_life(autojump_clock, websocket, seen):
    """It was us who were held up."""
    wire = websocket(send_pings=False).wire
    wire.input = True
    await trio.sleep(15)
    assert reason(seen) is None
    wire.input = False
    await trio.sleep(1)
    assert reason(seen) == Timeout("idle")


@pytest.mark.parametrize("pings, said", [(True, PINGED), (False, b"")])
async def test_who_is_not_read_from_is_never_timed_out_but_pinged(autojump_clock, websocket, seen, pings, said):
    """The write of a ping fails if the client has gone."""
    transport = websocket(send_pings=pings)
    transport.pause()
    for _ in range(5):
        await trio.sleep(11)
        assert transport.wire.tick().removeprefix(said) in (b"", said)
    assert reason(seen) is None
    transport.resume()
    await trio.sleep(25)
    assert reason(seen) is not None


async def test_no_pings_pile_up_behind_output_that_waits(autojump_clock, websocket):
    transport = websocket(takes=0)
    transport.pause()
    transport.send("waits")
    transport.wire.tick()
    await trio.sleep(100)
    assert transport.buffered == len(encode("waits"))


async def test_where_no_silence_is_too_long_nothing_is_waited_for(autojump_clock, websocket, runtime):
    websocket(idle_timeout=None)
    assert len(runtime.wheel) == 0
