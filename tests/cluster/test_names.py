"""Unique names on a real server: one owner in the cluster, and who sends by name reaches it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws.cluster.engine import Place
from actorws.cluster.envelope import Taken, pack
from actorws.exceptions import EngineUnavailable, NameTaken
from tests.support.nodes import running, until


async def test_a_name_has_one_owner_in_the_cluster(server):
    async with running(server.url) as (a, _), running(server.url) as (b, _):
        fence = await a.register("x", 1)
        assert await a.register("x", 1) == fence, "again, for the same actor"
        for engine, actor in ((b, 1), (b, 2), (a, 2)):
            with pytest.raises(NameTaken):
                await engine.register("x", actor)
        assert (a.fence("x"), b.fence("x"), a.fence("y")) == (fence, None, None)
        assert await b.locate("x") == await a.locate("x") == Place(a.node_id, 1)
        assert await b.locate("y") is None
        assert server.owner("x") == (a.node_id, 1, fence)


async def test_a_name_that_was_given_back_is_free_for_everybody(server):
    async with running(server.url) as (a, _), running(server.url) as (b, _):
        first = await a.register("x", 1)
        a.release("x", 1)
        assert a.fence("x") is None
        second = await a.register("x", 2)
        a.release("x", 1)  # late: it is another one's now
        a.release("x", 2)
        await until(lambda: not server.names())
        third = await b.register("x", 1)
        assert first < second < third


async def test_a_name_is_taken_over_and_the_loser_is_told(server):
    async with running(server.url) as (a, node), running(server.url) as (b, _):
        first = await a.register("x", 1)
        second = await b.register("x", 7, takeover=True)
        assert await node.seen("name_lost") == [("x", 1, "taken")]
        assert first < second
        assert (a.fence("x"), b.fence("x")) == (None, second)
        assert await a.register("x", 2, takeover=True) > second


async def test_taken_over_on_the_same_node_only_the_caller_knows_the_loser(server):
    async with running(server.url) as (a, node), running(server.url) as (b, _):
        first = await a.register("x", 1)
        second = await a.register("x", 2, takeover=True)
        assert second > first
        a.release("x", 1)
        assert await b.locate("x") == Place(a.node_id, 2)
        assert (a.fence("x"), node.all("name_lost")) == (second, [])


async def test_a_late_notice_does_not_concern_a_later_owner(server):
    """Each of two notices may come after what the node has learned meanwhile by itself."""
    async with running(server.url) as (a, node):
        fence = await a.register("x", 1)
        inbox = f"aw:{{actorws}}:in:{a.node_id}"
        for notice in (Taken("x", fence), Taken("x", fence - 1), Taken("y", fence + 1)):
            server.call("PUBLISH", inbox, pack("other", notice))
        assert await a.send_to(Place(a.node_id, 1), b"end")
        await node.seen("deliver_to")
        assert (a.fence("x"), node.all("name_lost")) == (fence, [])
        server.call("PUBLISH", inbox, pack("other", Taken("x", fence + 1)))
        assert await node.seen("name_lost") == [("x", 1, "taken")]


async def test_taken_over_before_its_reply_has_come_a_name_is_taken(server):
    """The notice comes on another connection than the reply, and may be first."""
    async with running(server.url) as (a, node), trio.open_nursery() as nursery:
        outcome: list[Any] = []

        async def register() -> None:
            try:
                outcome.append(await a.register("x", 1))
            except NameTaken as error:
                outcome.append(error)

        server.freeze()
        nursery.start_soon(register)
        await wait_all_tasks_blocked()
        a._inbound.on_push([b"message", a._inbound._prefix.encode(), pack("other", Taken("x", 2**60))])
        server.thaw()
        await until(lambda: outcome)
        assert isinstance(outcome[0], NameTaken)
        assert a.fence("x") is None
        assert not node.all("name_lost"), "who never had it has not lost it"


async def test_who_sends_by_name_knows_whether_somebody_has_it(server):
    async with running(server.url) as (a, node), running(server.url) as (b, _):
        await a.register("\xe4 name", 1)
        assert await b.send("\xe4 name", b"hello") is True
        assert await a.send("\xe4 name", b"from here") is True
        assert await b.send("nobody", b"hello") is False
        b.send_nowait("\xe4 name", b"and this")
        b.send_nowait("nobody", b"and that")
        assert await node.seen("deliver", 3) == [
            ("\xe4 name", b"hello"),
            ("\xe4 name", b"from here"),
            ("\xe4 name", b"and this"),
        ]
        a.release("\xe4 name", 1)
        await until(lambda: not server.names())
        assert await b.send("\xe4 name", b"too late") is False


async def test_to_a_node_that_has_lost_its_link_nothing_is_sent(server):
    async with running(server.url) as (b, _):
        server.call("SET", "aw:{actorws}:L:silent", "1")
        server.call("HSET", "aw:{actorws}:N", "x", "silent|1|1")
        with pytest.raises(EngineUnavailable, match="the node of 'x' has lost its link to the engine"):
            await b.send("x", b"")
        assert await b.send_to(Place("silent", 1), b"") is False


async def test_what_foreigners_write_into_the_table_is_nobody_s_name(server):
    server.call("HSET", "aw:{actorws}:N", "x", "||", "y", b"\xff\xfe|1|2", "z", "a|b|c")
    async with running(server.url) as (a, _):
        for name in "xyz":
            assert await a.locate(name) is None
            assert await a.register(name, 1)
