"""How a node stops, and what ends a session."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
import trio

from actorws.backoff import Backoff, Waits
from actorws.cluster import sessions
from actorws.cluster.engine import Place
from actorws.cluster.redis import RedisEngine
from actorws.cluster.timings import Timings
from tests.support.nodes import Recorder, running, until
from tests.support.redis import RedisServer
from tests.support.wire import SECONDS

START = Callable[..., RedisServer]
PREFIX = "aw:{actorws}:"


async def test_a_node_that_stops_is_gone_at_once(server):
    """Its names and memberships are free, and the others know, when ``run`` has returned."""
    slow = Timings(lease=120)
    async with running(server.url, timings=slow) as (b, node):
        async with running(server.url, timings=slow) as (a, _):
            await a.register("x", 1)
            await a.join("g")
            await node.seen("node_joined")
        assert a.trouble is not None
        assert a.lease_ends < trio.current_time()
        assert server.call("EXISTS", f"{PREFIX}L:{a.node_id}") == 0
        assert await b.publish("g", "message", b"") == 0
        assert await b.send("x", b"") is False
        assert await b.register("x", 1)
        await node.seen("node_left")  # It says so: nobody would look before the lease is half over.


async def test_what_was_said_before_the_stop_is_still_sent(server):
    async with running(server.url) as (b, node):
        await b.join("g")
        async with running(server.url) as (a, _):
            await a.register("x", 1)
            for number in range(100):
                a.publish_nowait("g", "message", b"%d" % number)
            a.release("x", 1)
        await node.seen("deliver_group", 100)
        assert server.names() == {}


async def test_stopped_without_a_link_it_does_not_wait(start: START, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sessions, "FAREWELL", 3600.0)
    server = start("redis")
    with trio.fail_after(SECONDS):
        async with running(server.url) as (a, _):
            server.stop()
            await until(lambda: a.trouble)


async def test_stopped_while_the_server_says_nothing_it_waits_for_a_while(
    start: START, monkeypatch: pytest.MonkeyPatch
):
    """Not for an answer, which would be over after 2 s."""
    monkeypatch.setattr(sessions, "FAREWELL", 0.2)
    server = start("redis")
    async with running(server.url, timings=Timings(lease=3600, request=600, probe=600)):
        server.freeze()
        began = trio.current_time()
    assert 0.2 <= trio.current_time() - began < SECONDS


async def test_stopped_at_any_moment_of_the_beginning_nothing_is_left_behind(server):
    """After each number of turns of the scheduler."""
    for turns in [*range(0, 60, 3), *range(60, 400, 20)]:
        engine = RedisEngine(server.url)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine.run, Recorder())
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        await until(lambda: not server.clients())
        assert server.call("KEYS", f"{PREFIX}L:*") == [], f"stopped after {turns} turns"
        assert server.call("HLEN", f"{PREFIX}nodes") == 0


async def test_a_link_that_is_lost_at_any_moment_costs_no_lease(server):
    """Only who stops says goodbye: a session that is lost keeps the names."""
    async with running(server.url) as (a, node):
        fence = await a.register("x", 1)
        a._sessions._link._backoff = Waits(Backoff(initial=0.05, maximum=0.05))
        for kills in range(1, 6):
            server.kill_clients(node=a.node_id, subscribed=bool(kills % 2))
            await until(lambda kills=kills: a.trouble or len(node.all("gap")) == kills)
            assert server.call("EXISTS", f"{PREFIX}L:{a.node_id}") == 1
            await node.seen("gap", kills)
        assert a.fence("x") == fence
        assert node.all("name_lost") == []


async def test_an_error_of_the_node_itself_is_not_swallowed(server):
    """It is a fault of ours, and none of the engine's troubles."""
    node = Recorder()

    def fail(*arguments: Any) -> None:
        raise RuntimeError("our fault")

    node.deliver_to = fail  # type: ignore[method-assign]
    engine, raised = RedisEngine(server.url), False
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run, node)
            await engine.send_to(Place(engine.node_id, 1), b"")
            await trio.sleep(SECONDS)
    except* RuntimeError:
        raised = True
    assert raised


async def test_servers_are_stopped_by_signals_too(start: START, kind: str):
    """SIGTERM: the server closes its connections in order, and the node waits for the next one."""
    server = start(kind)
    server.settle()
    async with running(server.url) as (a, node):
        server.send_signal(signal.SIGTERM)
        await until(lambda: a.trouble)
        server.stop()
        server.start()
        await node.seen("gap")
