"""Names whose registering was cancelled, has failed, or ran into another's: one owner, and nothing left behind."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio

from actorws.backoff import Backoff, Waits
from actorws.cluster.engine import Place
from actorws.exceptions import EngineUnavailable, NameTaken
from tests.support.nodes import running, until
from tests.support.proxy import open_proxy


async def test_a_cancelled_register_leaves_no_name_whenever_it_is_cancelled(server):
    """After each number of turns of the scheduler, against the server's own memory."""
    async with running(server.url) as (a, _):
        got = 0
        for turns in range(60):
            name = f"n{turns}"
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(a.register, name, turns))
                for _ in range(turns):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            got += a.fence(name) is not None
        assert 0 < got < 60, "some were cancelled before, some after"
        await until(lambda: len(server.names()) == got)
        assert {name for name in server.names() if a.fence(name) is None} == set()


async def test_cancelled_by_one_a_register_stays_with_another_of_the_same_actor(server):
    async with running(server.url) as (a, _), running(server.url) as (b, _):
        for turns in range(20):
            name = f"n{turns}"
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()

                async def cancelled(scope: trio.CancelScope = scope, name: str = name) -> None:
                    with scope:
                        await a.register(name, 1)

                nursery.start_soon(cancelled)
                nursery.start_soon(partial(a.register, name, 1))
                for _ in range(turns):
                    await trio.lowlevel.checkpoint()
                scope.cancel()
            fence = a.fence(name)
            assert fence is not None
            assert await b.locate(name) == Place(a.node_id, 1)
            assert server.owner(name) == (a.node_id, 1, fence)


@pytest.mark.parametrize("how", ["cancelled", "cut"])
async def test_a_takeover_on_the_same_node_that_fails_leaves_the_name_where_it_was(server, how):
    """Whether the engine has carried it out is unknown: then it is taken back, and nobody else can have it."""
    async with open_proxy(server.path) as proxy, running(proxy.url) as (a, node), running(server.url) as (b, _):
        fence = await a.register("x", 1)
        a._sessions._link._backoff = Waits(Backoff(initial=0.01, maximum=0.02))
        for turn in range(1, 10):
            proxy.down.hold()
            async with trio.open_nursery() as nursery:

                async def take_over(actor: int = turn + 1) -> None:
                    try:
                        await a.register("x", actor, takeover=True)
                    except EngineUnavailable:
                        pass

                nursery.start_soon(take_over)
                if turn % 3:
                    await until(lambda turn=turn: server.owner("x")[1] == turn + 1)  # type: ignore[index]
                if how == "cancelled":
                    nursery.cancel_scope.cancel()
                else:
                    proxy.cut()
            proxy.flow()
            await until(lambda: server.owner("x") == (a.node_id, 1, fence))
            with pytest.raises(NameTaken):
                await b.register("x", 1)
            if how == "cut":
                await node.seen("gap", turn)
        assert (a.fence("x"), node.all("name_lost")) == (fence, [])


async def test_a_takeover_that_nobody_has_heard_of_is_lost_to_another_s(server):
    """The node still says that its first actor has the name; the engine, that the second one has lost it."""
    async with open_proxy(server.path) as proxy, running(proxy.url) as (a, node), running(server.url) as (b, _):
        await a.register("x", 1)
        proxy.down.hold()
        async with trio.open_nursery() as nursery:

            async def take_over() -> None:
                try:
                    await a.register("x", 2, takeover=True)
                except NameTaken:
                    pass  # if it hears of the other one before its own reply

            nursery.start_soon(take_over)
            await until(lambda: server.owner("x")[1] == 2)  # type: ignore[index]
            fence = await b.register("x", 3, takeover=True)
            proxy.flow()
        assert await node.seen("name_lost") in ([("x", 1, "taken")], [("x", 2, "taken")])
        assert (a.fence("x"), server.owner("x")) == (None, (b.node_id, 3, fence))


async def test_two_actors_of_one_node_race_for_a_name(server):
    async with running(server.url) as (a, _):
        for turn in range(20):
            outcomes: list[Any] = []

            async def register(actor: int, name: str = f"n{turn}", outcomes: list[Any] = outcomes) -> None:
                try:
                    outcomes.append((actor, await a.register(name, actor)))
                except NameTaken:
                    pass

            async with trio.open_nursery() as nursery:
                for actor in range(5):
                    nursery.start_soon(register, actor)
            ((winner, fence),) = outcomes
            assert server.owner(f"n{turn}") == (a.node_id, winner, fence)
