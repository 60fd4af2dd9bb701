"""Names that could not be given back at once are given back all the same."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actorws.cluster import names as names_module
from tests.support.nodes import running, until
from tests.support.proxy import open_proxy


async def test_what_is_given_back_without_a_link_is_given_back_with_the_next(start, kind):
    server = start(kind)
    server.settle()
    async with open_proxy(server.path) as proxy, running(proxy.url) as (a, node):
        await a.register("x", 1)
        proxy.refuse()
        proxy.cut()
        await until(lambda: a.trouble)
        a.release("x", 1)
        assert "x" in server.names()
        proxy.accept()
        await node.seen("gap")
        await until(lambda: not server.names())
        assert a.fence("x") is None


async def test_given_back_twice_the_first_reply_does_not_settle_the_second(server):
    """Given back, wanted again, cancelled: for what there is no room then, the next turn has to see to."""
    async with running(server.url) as (a, _):
        await a.register("x", 1)
        connection = a._up()._connection
        server.freeze()
        a.release("x", 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.register, "x", 1)
            await wait_all_tasks_blocked()
            connection._max_in_flight = 0
            nursery.cancel_scope.cancel()
        server.thaw()
        connection._max_in_flight = 10_000
        await until(lambda: not a._names._unwanted)
        assert server.names() == {}


async def test_a_name_that_could_not_be_given_back_stands_in_nobody_s_way(server):
    """Such as when too much waited to be sent."""
    async with running(server.url) as (a, _):
        await a.register("x", 1)
        connection = a._up()._connection
        connection._max_in_flight = 0
        a.release("x", 1)
        connection._max_in_flight = 10_000
        assert server.owner("x") is not None
        await a.register("x", 2)
        assert server.owner("x") == (a.node_id, 2, a.fence("x"))
        await a.register("y", 1)
        connection._max_in_flight = 0
        a.release("y", 1)
        connection._max_in_flight = 10_000
        await until(lambda: "y" not in server.names())


async def test_many_names_that_could_not_be_given_back_are_given_back_in_batches(server, monkeypatch):
    """While some of them are given back, and others wanted again."""
    monkeypatch.setattr(names_module, "BATCH", 20)
    async with running(server.url) as (a, _):
        for number in range(300):
            await a.register(f"n{number}", number)
        connection = a._up()._connection
        connection._max_in_flight = 10
        server.freeze()
        for number in range(300):
            a.release(f"n{number}", number)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.register, "n299", 299)
            nursery.start_soon(a._names.give_back_all, a._up())
            await wait_all_tasks_blocked()
            server.thaw()
        await until(lambda: not a._names._unwanted)
        assert list(server.names()) == ["n299"]
