"""Names and sessions: what the node and the engine remember is put together again."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws.cluster import names as names_module
from actorws.cluster import scripts
from actorws.cluster.names import Held, Names
from actorws.exceptions import EngineUnavailable
from tests.support.nodes import QUICK, running, until
from tests.support.proxy import open_proxy


@pytest.mark.parametrize("may_kill", [True, False], ids=["killed", "refused"])
async def test_what_an_earlier_session_has_sent_does_nothing_when_it_arrives_late(server, may_kill):
    """It was on its way when the link was lost, and comes after everything was put right in the next session."""
    server.call("ACL", "SETUSER", "me", "on", ">pw", "~*", "&*", "+@all", "+@all" if may_kill else "-client|kill")
    async with (
        open_proxy(server.path) as proxy,
        running(f"{proxy.url}?user=me&password=pw") as (a, node),
        running(server.url) as (b, _),
    ):
        await a.register("kept", 1)
        await a.register("again", 2)
        proxy.up.strand()
        async with trio.open_nursery() as nursery:

            async def register(name: str, actor: int, **options: Any) -> None:
                with pytest.raises(EngineUnavailable):
                    await a.register(name, actor, **options)

            nursery.start_soon(register, "new", 3)
            nursery.start_soon(partial(register, "kept", 4, takeover=True))
            a.release("again", 2)
            await wait_all_tasks_blocked(0.02)
            server.kill_clients(node=a.node_id, subscribed=True)
        await node.seen("gap")
        fence = await a.register("again", 2)
        before = server.names()
        assert len(server.clients()) == (4 if may_kill else 5), "the connection of the earlier session is still there"
        proxy.up.land()
        await wait_all_tasks_blocked()
        server.catch_up()
        assert server.names() == before
        assert (a.fence("again"), a.fence("new")) == (fence, None)
        assert await b.register("new", 1)


async def test_many_names_are_asserted_again_in_batches(start, kind, monkeypatch):
    monkeypatch.setattr(names_module, "BATCH", 50)
    server = start(kind)
    server.settle()
    async with running(server.url, timings=QUICK) as (a, node):

        async def register(first: int) -> None:
            for number in range(first, first + 41):
                await a.register(f"n{number}", number)

        async with trio.open_nursery() as nursery:
            for first in range(0, 410, 41):
                nursery.start_soon(register, first)
        before = server.names()
        assert len(before) == 410
        server.stop()
        server.start()
        await node.seen("gap")
        assert server.names() == before
        assert (
            int(server.call("INFO", "commandstats").decode().partition("cmdstat_evalsha:calls=")[2].split(",")[0]) < 30
        )
        assert not node.all("name_lost")


async def test_who_took_over_while_a_node_was_away_keeps_the_name_when_it_comes_back(server):
    """Also when it has gone since, in order: the fence of who comes back is the lower one."""
    async with open_proxy(server.path) as proxy, running(proxy.url) as (a, node):
        await a.register("x", 1)
        await a.register("mine", 1)
        proxy.refuse()
        proxy.cut()
        async with running(server.url) as (b, _):
            assert await b.register("x", 2, takeover=True)
        proxy.accept()
        await node.seen("gap")
        assert node.all("name_lost") == [("x", 1, "taken")]
        assert (a.fence("x"), a.fence("mine") is not None) == (None, True)


async def test_asserted_again_a_lower_fence_loses_and_a_higher_one_wins(server):
    """What the engine remembers may be older than what a node has, and newer."""
    prefix = "aw:{actorws}:"
    async with running(server.url) as (a, node), running(server.url) as (b, other):
        old, new = await a.register("old", 1), await a.register("new", 2)
        mine = await b.register("theirs", 3)
        server.call("SET", f"{prefix}L:third", 1)
        server.call("HSET", f"{prefix}N", "old", f"third|7|{old + 1}", "new", f"{b.node_id}|3|{new - 1}")
        server.call("HSET", f"{prefix}N", "theirs", f"{a.node_id}|9|{mine - 1}")
        b._names._held["new"] = names_module.Held(3, new - 1)
        server.let_wait(3_600_000)  # As after what has made it older: then nobody loses what it doesn't know.
        server.kill_clients(node=a.node_id, subscribed=True)
        await node.seen("gap")
        assert node.all("name_lost") == [("old", 1, "taken")]
        assert server.owner("new") == (a.node_id, 2, new)
        assert await other.seen("name_lost") == [("new", 3, "taken")], "who was never told is told now"
        server.kill_clients(node=b.node_id, subscribed=True)
        await other.seen("gap")
        assert server.owner("theirs") == (b.node_id, 3, mine)


async def test_what_an_older_memory_of_the_server_says_of_this_node_is_put_right(server):
    """As after a restart from a snapshot: names of actors that are gone, some of which others want."""
    async with running(server.url, timings=QUICK) as (a, _):
        await a.register("mine", 1)
        for number, name in enumerate(("left over", "wanted"), 100):
            server.call("HSET", "aw:{actorws}:N", name, f"{a.node_id}|{number}|5")
        assert await a.register("wanted", 2) > 5, "this node knows that nobody has it"
        await until(lambda: sorted(server.names()) == ["mine", "wanted"])
        assert server.owner("wanted") == (a.node_id, 2, a.fence("wanted"))


async def test_names_of_nodes_that_are_gone_are_forgotten_in_time(server):
    server.call("HSET", "aw:{actorws}:N", "dead", "gone|1|5", "garbage", "garbage", "odd", b"\xff|1|2")
    async with running(server.url, timings=QUICK) as (a, _):
        assert await a.locate("dead") is await a.locate("garbage") is None
        assert await a.send("garbage", b"") is False
        await a.register("x", 1)
        await until(lambda: list(server.names()) == ["x"])


async def test_a_name_that_was_given_back_while_it_was_asserted_is_not_lost():
    """The engine says that another one has it; here it is nobody's any more."""
    names = Names("p:", "me", lambda: True)
    names._held.update(x=Held(1, 5), y=Held(2, 6))

    class Engine:
        session = 1

        async def call(self, *command: Any) -> list[bytes]:
            names.release("x", 1, None)
            return [b"x", b"y"]

    assert await names.assert_again(Engine()) == [("y", 2)]  # type: ignore[arg-type]


async def test_what_has_been_given_back_meanwhile_is_not_given_back_again():
    """While we waited for room."""
    names = Names("p:", "me", lambda: True)
    names.release("x", 1, None)

    class Engine:
        session = 1

        async def wait_for_room(self) -> None:
            names._is_wanted("x", 1)

        def send(self, *command: Any) -> None:
            raise AssertionError("there is nothing to send")

    await names.give_back_all(Engine())  # type: ignore[arg-type]
    assert names._unwanted == {}


async def test_what_an_earlier_session_asserts_and_arrives_late_is_not_believed(server):
    async with running(server.url) as (a, node):
        fence = await a.register("x", 1)
        earlier = a._up().session
        server.kill_clients(node=a.node_id, subscribed=True)
        await node.seen("gap")
        a.release("x", 1)
        await until(lambda: not server.names())
        server.call("HSET", "aw:{actorws}:N", "x", "gone|5|1")
        for session, owner in ((earlier, ("gone", 5, 1)), (a._up().session, (a.node_id, 1, fence))):
            server.call("EVALSHA", scripts.REASSERT.sha, 0, a._prefix, a.node_id, session, "x", 1, fence)
            assert server.owner("x") == owner


async def test_what_another_one_has_had_while_a_node_was_away_is_lost(server):
    """Taken over, and given back: its fence was the higher one, and nobody has the name now."""
    async with (
        open_proxy(server.path) as proxy,
        running(proxy.url) as (a, node),
        running(server.url) as (b, _),
    ):
        fence = await a.register("x", 1)
        await a.register("y", 2)
        proxy.refuse()
        proxy.cut()
        assert await b.register("x", 3, takeover=True) > fence
        b.release("x", 3)
        await until(lambda: "x" not in server.names())
        proxy.accept()
        await node.seen("gap")
        assert node.all("name_lost") == [("x", 1, "taken")]
        assert list(server.names()) == ["y"]
