"""Connecting: a server that can't serve as engine is refused at once and in a sentence, or waited for until it can."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from actorws.cluster.connect import run_id
from actorws.exceptions import ConfigError
from tests.support.nodes import IMPATIENT, refusal, running, trying, until
from tests.support.proxy import open_proxy
from tests.support.redis import RedisServer, free_port
from tests.support.resp import connected, greeting
from tests.support.wire import SECONDS

START = Callable[..., RedisServer]


async def test_what_is_no_redis_is_refused():
    async with greeting(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        said = await refusal(f"redis://127.0.0.1:{port}")
        assert said.startswith(f"redis://127.0.0.1:{port} is no Redis or Valkey server, or wants TLS (rediss://): ")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n", "Redis 6.2 or Valkey is needed"),
        (b"-NOPROTO unsupported protocol version\r\n", "Redis 6.2 or Valkey is needed"),
        (b"%2\r\n+mode\r\n+cluster\r\n+role\r\n+master\r\n", "the server runs in Redis Cluster mode"),
        (b"%2\r\n+mode\r\n+sentinel\r\n+role\r\n+master\r\n", "the server is a Sentinel: write redis+sentinel://"),
    ],
)
async def test_a_server_that_can_not_serve_is_refused(reply: bytes, why: str):
    async with greeting(reply) as port:
        assert why in await refusal(f"redis://127.0.0.1:{port}")


async def test_cluster_mode_is_refused(start: START, kind: str):
    server = start(kind, "--cluster-enabled", "yes", "--cluster-port", free_port(), tcp=True)
    assert "Redis Cluster mode, which is not supported: it sends every message to every node" in await refusal(
        server.url
    )


async def test_a_replica_is_not_used_until_it_is_the_primary(start: START, kind: str):
    server = start(kind, "--replicaof", "127.0.0.1", free_port(), tcp=True)
    async with trying(server.url) as (engine, started):
        assert engine.trouble == "the server is a replica, not the primary"
        server.call("REPLICAOF", "NO", "ONE")
        with trio.fail_after(SECONDS):
            await started.wait()


async def test_a_primary_that_becomes_a_replica_is_left(start: START, kind: str):
    """It answers still, and delivers what is published on it."""
    server = start(kind, tcp=True)
    async with running(server.url, timings=IMPATIENT) as (engine, node):
        server.call("REPLICAOF", "127.0.0.1", free_port())
        await until(lambda: engine.trouble == "the server is a replica, not the primary")
        server.call("REPLICAOF", "NO", "ONE")
        await node.seen("gap")


async def test_two_connections_to_two_servers_are_no_session(start: START):
    """Such as through a balancer, or while a name changes its address."""
    servers = [start("redis") for _ in range(2)]
    async with open_proxy(servers[0].path) as proxy:
        connect = proxy._connect
        turns = iter(range(1000))

        async def alternate() -> trio.SocketStream:
            proxy.target = servers[next(turns) % 2].path
            return await connect()

        proxy._connect = alternate  # type: ignore[method-assign]
        async with trying(proxy.url) as (engine, _):
            assert engine.trouble == f"two connections to {proxy.url} have led to two servers"


async def test_a_database_that_there_is_not_is_refused(start: START, kind: str):
    server = start(kind, "--databases", 2)
    said = await refusal(f"{server.url}?database=2")
    assert said == f"{server.url} has no database 2: ERR DB index is out of range"


async def test_two_databases_of_one_server_know_nothing_of_each_other(server: RedisServer):
    """Although channels are the same in all of them."""
    async with running(f"{server.url}?database=1") as (a, node), running(f"{server.url}?database=2") as (b, other):
        await b.join("g")
        assert await a.publish("g", "message", b"") == 0
        assert await a.locate("x") is None
        assert node.told == other.told == []
        assert len(a.nodes()) == len(b.nodes()) == 1


async def test_two_apps_on_one_server_know_nothing_of_each_other(server: RedisServer):
    for app in ("one", "two"):
        server.settle(app)
    async with running(f"{server.url}?app=one") as (a, node), running(f"{server.url}?app=two") as (b, other):
        await b.join("g")
        assert await a.publish("g", "message", b"") == 0
        assert await a.register("x", 1) and await b.register("x", 1)
        assert node.told == other.told == []


async def test_a_server_that_hides_its_run_id_is_refused():
    async with connected() as (connection, peer), trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ConfigError, match="does not tell its run id"):
                await run_id(connection)

        nursery.start_soon(ask)
        assert await peer.command() == [b"INFO", b"server"]
        await peer.say(b"$24\r\n# Server\r\nredis_version:7\r\n")
