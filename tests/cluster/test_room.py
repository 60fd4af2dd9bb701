"""When too much waits to be sent or answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws.cluster.engine import Place
from tests.support.nodes import IMPATIENT, running, until
from tests.support.redis import RedisServer

START = Callable[..., RedisServer]
PREFIX = "aw:{actorws}:"


async def test_when_too_much_waits_nowait_raises_and_the_others_wait(start: START):
    server = start("redis")
    server.settle()
    async with running(server.url) as (a, _), running(server.url) as (b, node), trio.open_nursery() as nursery:
        await b.join("g")
        server.freeze()
        payload = bytes(10_000)
        accepted = 0
        with pytest.raises(trio.WouldBlock):
            for _ in range(10_000):
                a.publish_nowait("g", "message", payload)
                accepted += 1
                await trio.lowlevel.checkpoint()
        assert 1024 * 1024 <= accepted * len(payload) < 3 * 1024 * 1024, "1 MiB, and what the kernel has taken"
        for call in (partial(a.send_nowait, "x", b""), partial(a.send_to_nowait, Place("x", 1), b"")):
            with pytest.raises(trio.WouldBlock):
                call()
        assert a.trouble is None
        done = []

        async def publish() -> None:
            done.append(await a.publish("g", "message", b"at last"))

        nursery.start_soon(publish)
        await wait_all_tasks_blocked()
        assert not done
        server.thaw()
        await until(lambda: done)
        await node.seen("deliver_group", accepted + 1)
        assert node.payloads()[-1] == b"at last"
        a.publish_nowait("g", "message", b"room again")


async def test_a_probe_needs_no_room(start: START):
    """Full of requests that are not answered yet, the engine is still looked after."""
    server = start("redis")
    async with running(server.url, timings=IMPATIENT) as (a, node):
        server.freeze()
        with pytest.raises(trio.WouldBlock):
            while True:
                a.send_nowait("x", b"")
        await until(lambda: a.trouble)
        server.thaw()
        await node.seen("gap")
        assert await a.send("x", b"") is False
