"""What is lost is told as a gap, and whoever waits is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws.cluster.engine import Place
from actorws.cluster.redis import RedisEngine
from actorws.exceptions import EngineUnavailable
from tests.support.nodes import QUICK, Recorder, running, until
from tests.support.proxy import open_proxy
from tests.support.redis import RedisServer
from tests.support.wire import SECONDS

START = Callable[..., RedisServer]
PREFIX = "aw:{actorws}:"


@pytest.mark.parametrize("subscribed", [True, False])
async def test_after_a_loss_of_either_connection_a_gap_is_told_before_anything_else(server, subscribed):
    async with running(server.url) as (a, _), running(server.url) as (b, node):
        await b.join("g")
        for number in range(3):
            await a.publish("g", "message", b"%d" % number)
        assert server.kill_clients(node=b.node_id, subscribed=subscribed) == 1
        number = 3
        while len(node.all("gap")) < 1 or b"after" not in node.payloads():
            if node.all("gap"):
                await a.publish("g", "message", b"after")
            else:
                await a.publish("g", "message", b"%d" % number)
                number += 1
            await trio.sleep(0.001)
        calls = [what for what in node.told if what[0] in ("gap", "deliver_group")]
        at = [what[0] for what in calls].index("gap")
        gap = calls[at][1]
        assert 0 < gap.seconds < SECONDS
        assert gap.reason == "the connection to the engine broke: the server has closed it"
        before = [int(what[3]) for what in calls[:at]]
        after = [int(what[3]) for what in calls[at + 1 :] if what[3] != b"after"]
        assert before == list(range(len(before)))
        assert after == sorted(set(after) - set(before)), "nothing twice, nothing out of order"


async def test_what_was_published_before_a_loss_does_not_come_after_what_was_published_later(server):
    """It was on its way when the link was lost; the next session sees to it that it never arrives."""
    async with open_proxy(server.path) as proxy, running(proxy.url) as (a, at_a), running(server.url) as (b, node):
        await b.join("g")
        await a.publish("g", "message", b"1")
        proxy.up.strand()
        a.publish_nowait("g", "message", b"2")
        await wait_all_tasks_blocked(0.02)
        server.kill_clients(node=a.node_id, subscribed=True)
        await at_a.seen("gap")
        await a.publish("g", "message", b"3")
        proxy.up.land()
        await wait_all_tasks_blocked()
        server.catch_up()
        await a.publish("g", "message", b"4")
        await until(lambda: b"4" in node.payloads())
        assert node.payloads() == [b"1", b"3", b"4"]


async def test_no_gap_is_told_at_the_first_connect(server):
    engine, node = RedisEngine(server.url), Recorder()
    engine.join_nowait("g")
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run, node)
        async with running(server.url) as (a, _):
            assert await a.publish("g", "message", b"hello") == 1
            await node.seen("deliver_group")
        assert node.all("gap") == []
        nursery.cancel_scope.cancel()


async def test_memberships_come_back_with_the_link(start: START, kind: str):
    server = start(kind)
    async with running(server.url, timings=QUICK) as (a, at_a), running(server.url, timings=QUICK) as (b, at_b):
        for number in range(2500):
            b.join_nowait(f"g{number}")
        await b.join("last")
        b.leave("g7")
        server.stop()
        await until(lambda: a.trouble and b.trouble)
        b.leave("g8")
        b.join_nowait("joined meanwhile")
        await b.join("joined meanwhile")
        server.start()
        await at_a.seen("gap")
        await at_b.seen("gap")
        for group, count in (("g0", 1), ("g2499", 1), ("joined meanwhile", 1), ("g7", 0), ("g8", 0), ("other", 0)):
            assert await a.publish(group, "message", b"") == count, group


async def test_without_a_link_calls_say_so_at_once(start: START):
    server = start("redis")
    server.settle()
    async with running(server.url) as (a, _):
        server.stop()
        await until(lambda: a.trouble)
        began = trio.current_time()
        for call in (
            partial(a.register, "x", 1),
            partial(a.send, "x", b""),
            partial(a.locate, "x"),
            partial(a.send_to, Place("x", 1), b""),
            partial(a.publish, "g", "message", b""),
            partial(a.ask, "g", b"", 5),
        ):
            with pytest.raises(EngineUnavailable, match="the cluster's engine can't be reached: "):
                await call()
        for call in (
            partial(a.send_nowait, "x", b""),
            partial(a.send_to_nowait, Place("x", 1), b""),
            partial(a.publish_nowait, "g", "message", b""),
        ):
            with pytest.raises(EngineUnavailable, match="the cluster's engine can't be reached: "):
                call()
        await a.join("g")
        a.join_nowait("g")
        a.leave("g")
        a.release("x", 1)
        assert trio.current_time() - began < 5, "each would have 2 s for an answer"


async def test_who_waits_when_the_link_is_lost_is_told(start: START):
    server = start("redis")
    server.settle()
    async with running(server.url) as (a, _), trio.open_nursery() as nursery:
        server.freeze()
        told: list[Any] = []

        async def tell(call: Any) -> None:
            with pytest.raises(EngineUnavailable) as caught:
                await call()
            told.append(caught.value)

        calls = [
            partial(a.register, "x", 1),
            partial(a.send, "x", b""),
            partial(a.publish, "g", "message", b""),
            partial(a.publish, "g", "message", b""),
            partial(a.ask, "g", b"", 5),
        ]
        for call in calls:
            nursery.start_soon(tell, call)
        joined = trio.Event()

        async def join() -> None:
            await a.join("g")
            joined.set()

        nursery.start_soon(join)
        await wait_all_tasks_blocked()
        assert not joined.is_set()
        server.stop()
        with trio.fail_after(SECONDS):
            await joined.wait()
            while len(told) < len(calls):
                await trio.sleep(0.01)
