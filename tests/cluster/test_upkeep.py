"""A server that is silent, frozen, or deaf on one side is noticed in time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from actorws.cluster.envelope import Probe, unpack
from actorws.cluster.link import Session
from actorws.cluster.publisher import Publisher
from actorws.cluster.redis import RedisEngine
from actorws.cluster.timings import Timings
from actorws.cluster.upkeep import Upkeep
from actorws.exceptions import EngineUnavailable
from tests.support.nodes import IMPATIENT, running, until
from tests.support.proxy import open_proxy
from tests.support.redis import RedisServer
from tests.support.resp import connected, push

START = Callable[..., RedisServer]
#: What these timings say, and seconds for a busy machine.
IN_TIME = 2 * IMPATIENT.probe + IMPATIENT.heartbeat + 5


async def silent_for(engine: RedisEngine) -> float:
    began = trio.current_time()
    await until(lambda: engine.trouble)
    return trio.current_time() - began


async def test_a_frozen_server_is_noticed_in_time_and_forgiven(start: START):
    """Nobody asks it for anything: 2 x probe, as it is 4 s with the defaults."""
    server = start("redis")
    server.settle()
    async with running(server.url, timings=IMPATIENT) as (a, node):
        server.freeze()
        assert await silent_for(a) < IN_TIME
        server.thaw()
        ((gap,),) = await node.seen("gap")
        assert gap.seconds >= IMPATIENT.request
        assert "did not" in gap.reason


@pytest.mark.parametrize("way", ["up", "down"])
async def test_loss_in_one_direction_is_noticed(start: START, way: str):
    async with open_proxy(start("redis").path) as proxy, running(proxy.url, timings=IMPATIENT) as (a, node):
        getattr(proxy, way).hold()
        assert await silent_for(a) < IN_TIME
        proxy.flow()
        await node.seen("gap")
        assert a.trouble is None


async def test_a_connection_that_is_deaf_is_noticed_although_the_other_works(start: START):
    """The subscription alone hears nothing, while commands are answered: as after some failovers."""
    async with running(start("redis").url, timings=IMPATIENT) as (a, node):
        connection = a._groups._connection
        assert connection is not None
        connection.subscribe("UNSUBSCRIBE")
        assert await silent_for(a) < IN_TIME
        ((gap,),) = await node.seen("gap")
        assert gap.reason == "what was published did not come back within 0.4 s"


async def test_silence_is_no_fault_as_long_as_probes_come_back(autojump_clock):
    """For minutes; the test publishes as a server does."""
    async with connected() as (commands, server), connected() as (pushes, subscribed):
        publisher = Publisher(commands, "p:", "me")
        upkeep = Upkeep(Session(commands, pushes, "", "", "", 1), publisher, "p:", "me", Timings())
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(upkeep.probe)
                for _ in range(100):
                    publish, inbox, probe = await server.command()
                    assert (publish, inbox, unpack(probe)) == (b"PUBLISH", b"p:in:me", ("me", Probe()))
                    await server.say(b":1\r\n")
                    await subscribed.say(push(b"message", inbox, probe))
                assert trio.current_time() >= 200
                scope.cancel()


async def test_a_request_that_is_not_answered_in_time_raises(start: START):
    server = start("redis")
    async with running(server.url, timings=IMPATIENT) as (a, _):
        server.freeze()
        began = trio.current_time()
        with pytest.raises(EngineUnavailable, match=r"the engine did not answer within 0.4 s|did not come back"):
            await a.send("x", b"")
        assert trio.current_time() - began < IMPATIENT.request + 5


async def test_the_table_is_swept_bit_by_bit_and_then_there_is_a_pause(autojump_clock):
    """Quickly at first: what the engine remembers may be old."""
    swept: list[tuple[bytes, float]] = []
    began = trio.current_time()

    class Table:
        async def sweep(self, publisher: Publisher, cursor: bytes) -> bytes:
            swept.append((cursor, trio.current_time() - began))
            return {b"0": b"5", b"5": b"9", b"9": b"0"}[cursor]

    async with connected() as (connection, _), trio.open_nursery() as nursery:
        session = Session(connection, connection, "", "", "", 1)
        upkeep = Upkeep(session, Publisher(connection, "p:", "me"), "p:", "me", Timings(lease=10))
        nursery.start_soon(upkeep.sweep, Table())
        await trio.sleep(8)
        nursery.cancel_scope.cancel()
    assert [cursor for cursor, _ in swept] == [b"0", b"5", b"9", b"0"]
    assert [at for _, at in swept] == pytest.approx([0.05, 0.1, 0.15, 5.15])
