"""Nodes know each other, and who has come or gone."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
import trio
from attrs import evolve

from actorws.cluster.engine import NodeInfo
from actorws.cluster.redis import RedisEngine
from actorws.exceptions import ConfigError
from tests.support.nodes import QUICK, running
from tests.support.proxy import open_proxy
from tests.support.redis import RedisServer

START = Callable[..., RedisServer]
PREFIX = "aw:{actorws}:"


async def test_nodes_know_each_other(server):
    async with running(server.url, name="one", meta={"zone": 1}) as (a, at_a):
        assert a.nodes() == (NodeInfo(a.node_id, "one", {"zone": 1}),)
        async with running(server.url) as (b, at_b):
            assert [info.id for info in b.nodes()] == [b.node_id, a.node_id]
            assert at_b.all("node_joined") == [(NodeInfo(a.node_id, "one", {"zone": 1}),)]
            ((joined,),) = await at_a.seen("node_joined")
            assert joined == b.nodes()[0]
            assert a.nodes() == (*b.nodes()[1:], joined)
            assert ":" in joined.name, "the host's name and the process's id, unless it has another"
        assert await at_a.seen("node_left") == [(joined,)]
        assert len(a.nodes()) == 1


async def test_a_node_that_dies_is_noticed_within_the_lease(start: START):
    server, quick = start("redis"), evolve(QUICK, lease=1.5)
    async with (
        running(server.url, timings=quick) as (a, node),
        open_proxy(server.path) as proxy,
        running(proxy.url, timings=quick) as (b, _),
    ):
        await node.seen("node_joined")
        proxy.hold()
        began = trio.current_time()
        await node.seen("node_left")
        assert trio.current_time() - began < 2 * QUICK.lease + 5
        assert server.call("HLEN", f"{PREFIX}nodes") == 1
        proxy.flow()
        await node.seen("node_joined", 2)
        assert [info.id for info in a.nodes()] == [a.node_id, b.node_id]


async def test_who_has_not_come_back_yet_has_not_gone(start: START, kind: str):
    """The server has forgotten everybody; a grace later who is still missing has gone."""
    server = start(kind)
    async with (
        running(server.url) as (a, node),
        open_proxy(server.path) as proxy,
        running(proxy.url) as (_, other),
    ):
        await node.seen("node_joined")
        for restarts, comes_back in ((1, True), (2, False)):
            proxy.refuse()
            proxy.cut()
            server.stop()
            server.start()
            await node.seen("gap", restarts)
            await a._sessions._look_around(a._up())
            assert node.all("node_left") == []
            if comes_back:
                proxy.accept()
                await other.seen("gap")
            server.let_wait(0)
            await a._sessions._look_around(a._up())
            assert len(node.all("node_left")) == (0 if comes_back else 1)
        assert len(node.all("node_joined")) == 1


async def test_what_a_node_says_of_itself_must_be_sendable():
    with pytest.raises(ConfigError, match="the node's meta can't be sent to others"):
        RedisEngine("redis://host", meta={"a": object()})


async def test_garbage_among_the_nodes_is_counted_and_nobody(server):
    for node, info in (("x", b"garbage"), ("y", msgspec.msgpack.encode(["y", "y", {}]))):
        server.call("HSET", f"{PREFIX}nodes", node, info)
        server.call("SET", f"{PREFIX}L:{node}", 1)
    async with running(server.url) as (a, _):
        assert [info.id for info in a.nodes()] == [a.node_id, "y"]
        assert a.malformed == 1
