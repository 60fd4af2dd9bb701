"""Engine check: whether an engine keeps what the contract of ``actorws.cluster.engine`` promises.

Rule owned here: every promise that can be seen from outside is looked at; what needs a certain fault of a certain
engine is for that engine's own tests. Must not know any engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from actorws.cluster.engine import Engine
from actorws.testing import promises
from actorws.testing.recorder import running

__all__ = ["check_engine"]

#: Seconds for all of it: 0.2 s are usual.
PATIENCE = 120.0


async def check_engine(
    make: Callable[[], Engine], *, lose_link: Callable[[Engine], Awaitable[None]] | None = None
) -> None:
    """Raise ``AssertionError`` with the first promise of ``actorws.cluster.engine`` that an engine breaks.

    ``make`` makes an engine that does not run yet, each time another node of one and the same cluster, in which there
    are no others; two are run at most, in this process, which takes less than a second. An engine that is ``alone``
    is one node only.

    ``lose_link`` is given one of them while it runs and has to break its link, in such a way that it comes back by
    itself. Without it nothing is looked at that has to do with losses. Neither are leases that run out, and what a
    process does that was frozen: these are for the engine's own tests. With a test of one's own on pytest-trio::

        from actorws.testing import check_engine

        async def test_my_engine_is_one(server):
            async def lose_link(engine):
                server.close_connections_of(engine.node_id)

            await check_engine(lambda: MyEngine(server.url), lose_link=lose_link)

    What the engine itself raises from ``run`` is raised as it is, in an ``ExceptionGroup``. A call that does not come
    to an end is an ``AssertionError``, too, after two minutes.
    """
    with trio.move_on_after(PATIENCE) as scope:
        await _check(make, lose_link)
    assert not scope.cancelled_caught, f"no call may wait for ever; one was not done after {PATIENCE:g} s"


async def _check(make: Callable[[], Engine], lose_link: Callable[[Engine], Awaitable[None]] | None) -> None:
    async with running(make) as (engine, node):
        await promises.names(engine)
        await promises.alone(engine, node)
        if engine.alone:
            return
        async with running(make) as (other, other_node):
            await promises.names_of_two(engine, node, other, other_node)
            await promises.groups(engine, node, other, other_node)
            await promises.payloads(engine, other, other_node)
            await promises.order(engine, other, other_node)
            await promises.nodes(engine, node, other, other_node)
            if lose_link is not None:
                await promises.link(engine, node, other, lose_link)
            await engine.register("left behind", 1)
            await other.register("goes with it", 2)
            await other.join("left")
        await promises.end_of_another(engine, node, other)
        await promises.own_end(other)
