"""After the server has lost its memory, owners keep their names and new ones wait."""

from __future__ import annotations

import time

import pytest
import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from actorws.cluster import connect, link
from actorws.cluster.resp import Connection
from actorws.cluster.timings import Timings
from actorws.exceptions import EngineUnavailable, NameTaken
from tests.support.nodes import QUICK, running
from tests.support.wire import SECONDS

#: In milliseconds; nothing can wait for it.
AN_HOUR = 3_600_000


async def test_on_a_server_that_nobody_knows_new_names_wait(start):
    """Who owned them on it before may come back, if it has just been started."""
    began = time.time() * 1000
    fresh_server, quick = start("redis"), evolve(QUICK, lease=1.5)
    async with running(fresh_server.url, timings=quick) as (a, _):
        ends = fresh_server.grace_ends()
        assert ends >= began + 1000 * quick.lease
        async with running(fresh_server.url, timings=quick) as (b, _), trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(a.register, f"a{number}", number)
                nursery.start_soon(b.register, f"b{number}", number)
        assert fresh_server.milliseconds() >= ends
        assert fresh_server.grace_ends() == ends, "the second node has found it known"


async def test_on_a_server_that_nobody_has_used_they_wait_for_a_lease_from_its_start_on(start, kind, monkeypatch):
    """Nobody can have had them for longer than that."""
    an_hour = Timings(lease=3600.0)
    server = start(kind)

    async def waits(app: str = "actorws") -> float:
        before = server.milliseconds()
        async with running(f"{server.url}?app={app}", timings=an_hour):
            pass
        return (server.grace_ends(app) - before) / 1000

    assert 3600 <= await waits("other") < 3600 + SECONDS, "it has just been started"

    async def uptime(connection: Connection) -> str:
        assert int(await connect.uptime(connection)) >= 0
        return "100"

    monkeypatch.setattr(link, "uptime", uptime)
    assert 3500 <= await waits() < 3501 + SECONDS
    server.call("FLUSHALL")
    assert 3600 <= await waits() < 3600 + SECONDS, "it has been used, and has forgotten by whom"


async def test_after_a_restart_owners_keep_their_names_and_others_wait(start, kind):
    server = start(kind)
    server.settle()
    async with running(server.url, timings=QUICK) as (a, node), running(server.url, timings=QUICK) as (b, other):
        fence = await a.register("x", 1)
        server.stop()
        server.start()
        began = server.milliseconds()
        await node.seen("gap")
        await other.seen("gap")
        assert server.grace_ends() >= began + 1000 * QUICK.lease
        server.let_wait(AN_HOUR)
        with pytest.raises(NameTaken), trio.fail_after(SECONDS):
            await b.register("x", 2)
        assert a.fence("x") == fence
        with trio.fail_after(SECONDS):
            assert await a.register("x", 2, takeover=True) > fence, "on its node no one else can have it"
        assert int(server.call("GET", "aw:{actorws}:F")) >= fence, (
            "fences rise although the server has forgotten the last"
        )
        ends = server.let_wait(100)
        assert await b.register("y", 3) > fence
        assert server.milliseconds() >= ends
        assert not node.all("name_lost")
        assert not node.all("node_left"), "it was only forgotten"


async def test_a_register_that_waits_ends_with_the_session(start, kind):
    server = start(kind)
    async with running(server.url) as (a, _), trio.open_nursery() as nursery:
        server.let_wait(AN_HOUR)

        async def register() -> None:
            with pytest.raises(EngineUnavailable):
                await a.register("x", 1)

        nursery.start_soon(register)
        await wait_all_tasks_blocked(0.05)
        nursery.cancel_scope.deadline = trio.current_time() + SECONDS
        server.stop()
    assert not nursery.cancel_scope.cancelled_caught
    assert a.fence("x") is None


async def test_in_a_grace_what_the_server_says_of_this_node_is_not_believed(start, kind):
    """Its memory may be older than a takeover by another node, which has not come back yet."""
    server = start(kind)
    async with running(server.url) as (a, _):
        ends = server.let_wait(100)
        server.call("HSET", "aw:{actorws}:N", "x", f"{a.node_id}|7|5")
        assert await a.register("x", 7, takeover=True)
        assert server.milliseconds() >= ends
