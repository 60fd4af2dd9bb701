"""A node acts for its names only while its lease lasts."""

from __future__ import annotations

from math import inf

import pytest
import trio
from attrs import evolve

from actorws.cluster import names as names_module
from actorws.cluster.engine import Place
from actorws.cluster.redis import RedisEngine
from actorws.exceptions import EngineUnavailable
from tests.support.nodes import IMPATIENT, QUICK, Recorder, running, until


async def test_when_the_lease_runs_out_every_name_is_lost_and_none_comes_back(start):
    """The server was away for longer than the lease; its memory, which it kept, still says who had them."""
    server = start("redis")
    server.settle()
    async with running(server.url, timings=evolve(IMPATIENT, lease=1.5)) as (a, node):
        await a.register("x", 1)
        await a.register("y", 2)
        server.freeze()
        ends = a.lease_ends
        assert sorted(await node.seen("name_lost", 2)) == [("x", 1, "lease"), ("y", 2, "lease")]
        assert ends <= trio.current_time() < ends + 5
        assert (a.fence("x"), a.fence("y")) == (None, None)
        await until(lambda: a.trouble)
        server.thaw()
        await node.seen("gap")
        assert server.names() == {}, "given back before the lease began anew"
        assert await a.locate("x") is None
        assert await a.register("x", 3)


async def test_who_stood_still_for_longer_than_the_lease_gives_up_first_of_all(mock_clock):
    """The heartbeat's reply and the end of the lease are seen in the same turn, in any order."""
    engine, node = RedisEngine("redis://host", timings=QUICK), Recorder()
    engine._inbound.node = node
    engine._renewed(trio.current_time())
    engine._names._held["x"] = names_module.Held(1, 5)
    asked_at = trio.current_time()
    mock_clock.jump(QUICK.lease)
    engine._renewed(asked_at)
    assert node.told == [("name_lost", "x", 1, "lease")]
    assert engine.lease_ends < trio.current_time(), "it was asked for too long ago to count from now"


async def test_who_looks_is_told_of_a_lease_that_is_over_before_any_task_of_the_engine_has_run(mock_clock):
    """As the scheduler does: what is delivered in this tick must not be acted on under a name that is another's."""
    engine, node = RedisEngine("redis://host", timings=QUICK), Recorder()
    engine._inbound.node = node
    engine._renewed(trio.current_time())
    engine._names._held["x"] = names_module.Held(1, 5)
    mock_clock.jump(QUICK.lease - QUICK.margin - 0.001)
    engine.check_lease()
    assert (node.told, engine.fence("x")) == ([], 5)
    mock_clock.jump(0.001)
    assert engine.fence("x") is None
    engine.check_lease()
    engine.check_lease()
    assert node.told == [("name_lost", "x", 1, "lease")]
    assert engine.lease_ends == -inf


async def test_cut_off_from_its_lease_a_reply_gives_no_name(server):
    """The engine gave it, but this process stood still until it was over."""
    async with running(server.url) as (a, _):
        a.lease_ends = trio.current_time()
        with pytest.raises(EngineUnavailable, match="this node's lease has run out"):
            await a.register("x", 1)
        assert a.fence("x") is None
        await until(lambda: "x" not in server.names())


async def test_what_a_node_had_counts_for_nothing_when_its_lease_is_over(server):
    """Before anybody has noticed that it is."""
    async with running(server.url) as (a, _):
        await a.register("x", 1)
        a.lease_ends = trio.current_time()
        assert a.fence("x") is None
        with pytest.raises(EngineUnavailable, match="this node's lease has run out"):
            await a.register("x", 1)


async def test_names_are_given_back_before_a_heartbeat_can_bring_them_back_to_life(server):
    """The lease is over by our clock, and the link is there: this process stood still."""
    async with running(server.url) as (a, node):
        await a.register("x", 1)
        a.lease_ends = trio.current_time()
        a.check_lease()
        await a._up().call("PING")
        assert server.names() == {}
        assert node.all("name_lost") == [("x", 1, "lease")]


async def test_fences_rise_with_the_clock_and_whatever_the_clock_does(server):
    async with running(server.url) as (a, _):
        seconds, micros = server.call("TIME")
        fence = await a.register("x", 1)
        assert 0 <= fence - (int(seconds) * 1_000_000 + int(micros)) < 60_000_000
        server.call("SET", "aw:{actorws}:F", fence + 10**12)
        assert await a.register("y", 1) == fence + 10**12 + 1


async def test_a_node_without_lease_gets_no_name(server):
    async with running(server.url) as (a, _):
        server.call("DEL", f"aw:{{actorws}}:L:{a.node_id}")
        with pytest.raises(EngineUnavailable, match="this node's lease has run out"):
            await a.register("x", 1)


async def test_whose_lease_the_engine_has_lost_comes_back_as_if_after_a_restart(server):
    async with running(server.url, timings=IMPATIENT) as (a, node):
        fence = await a.register("x", 1)
        server.call("FLUSHALL")
        (gap,) = (await node.seen("gap"))[0]
        assert "the engine has forgotten this node" in gap.reason
        assert server.owner("x") == (a.node_id, 1, fence)


async def test_a_message_by_name_is_not_delivered_when_the_lease_is_over(server):
    async with running(server.url) as (a, node), running(server.url) as (b, _):
        await a.register("x", 1)
        a.lease_ends = trio.current_time()
        assert await b.send("x", b"too late") is True
        assert await b.send_to(Place(a.node_id, 1), b"still there") is True
        assert await node.seen("deliver_to") == [(1, b"still there")]
        assert node.all("deliver") == []
