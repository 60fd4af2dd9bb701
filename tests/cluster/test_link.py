"""The link: what can't be reached is tried again until it works, each step in time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from attrs import evolve

from actorws.cluster.address import parse_address
from actorws.cluster.link import Link, Session
from actorws.cluster.redis import RedisEngine
from actorws.cluster.timings import Timings
from actorws.exceptions import EngineUnavailable
from tests.support.nodes import IMPATIENT, QUICK, running, trying, until
from tests.support.proxy import open_proxy
from tests.support.redis import RedisServer
from tests.support.wire import SECONDS

START = Callable[..., RedisServer]


async def test_a_server_that_is_not_there_yet_is_waited_for(start: START):
    """On a port and on a Unix socket."""
    server = start("redis", tcp=True)
    server.stop()
    for url in (server.tcp, server.url):
        async with trying(url) as (engine, started):
            assert str(engine.trouble).startswith(f"{url} can't be reached: [Errno 111] ")
            with pytest.raises(EngineUnavailable, match=r"the cluster's engine can't be reached: .* refused"):
                await engine.send("x", b"")
            server.start()
            with trio.fail_after(SECONDS):
                await started.wait()
            assert engine.trouble is None
            assert await engine.send("x", b"") is False
            server.stop()


async def test_a_socket_that_is_nowhere_and_a_host_that_nobody_knows_are_tried_again(tmp_path: Path):
    for url in (f"unix://{tmp_path}/nothing.sock", "redis://nowhere.invalid"):
        async with trying(url) as (engine, _):
            assert str(engine.trouble).startswith(f"{engine.address} can't be reached: [Errno")


async def test_a_server_that_says_nothing_is_given_up_in_time():
    """At every step: it doesn't accept, doesn't answer, or only accepts TCP where TLS is wanted."""
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    port = listener.getsockname()[1]
    for scheme in ("redis", "rediss"):
        async with trying(f"{scheme}://127.0.0.1:{port}", IMPATIENT) as (engine, _):
            assert engine.trouble in (
                f"rediss://127.0.0.1:{port} did not answer in time; does it speak TLS?",
                "the engine did not answer within 0.4 s",
            )
    listener.close()


async def test_a_server_that_falls_silent_while_a_session_begins_is_given_up(start: START):
    """After any part of what it has to say until then; when it speaks again, all is well."""
    server = start("redis")
    server.settle()
    async with open_proxy(server.path) as proxy:
        async with running(proxy.url):
            whole = proxy.down.passed
        for percent in (1, 50, 90):
            proxy.down.hold_after(whole * percent // 100)
            async with trying(proxy.url, IMPATIENT) as (engine, started):
                assert not started.is_set()
                assert "did not" in str(engine.trouble)
                proxy.flow()
                with trio.fail_after(SECONDS):
                    await started.wait()


async def test_waits_between_tries_grow_and_a_session_that_held_begins_anew(start: START, monkeypatch):
    server = start("redis")
    server.settle()
    waits: list[float] = []
    async with running(server.url, timings=QUICK) as (engine, node):
        backoff = engine._sessions._link._backoff
        backoff._chance = lambda: 0.0
        failed = backoff.failed
        monkeypatch.setattr(backoff, "failed", lambda held: (waits.append(failed(held)), waits[-1])[1])
        for kills in range(1, 4):
            server.kill_clients()
            await node.seen("gap", kills)
            await until(lambda: engine.trouble is None)
        assert waits == [0.05, 0.1, 0.2]
        backoff._backoff = evolve(backoff._backoff, health_time=0.01)
        await trio.sleep(0.02)
        server.kill_clients()
        await node.seen("gap", 4)
        assert waits[3:] == [0.05]


async def test_a_name_for_the_operator_is_on_each_connection(server: RedisServer):
    async with running(server.url) as (engine, _):
        assert [client["name"] for client in server.clients()] == [f"actorws-{engine.node_id}"] * 2
    await until(lambda: not server.clients())


def test_the_timings_of_a_cluster_may_be_set():
    assert RedisEngine("redis://host", timings=Timings(lease=20)).timings.lease == 20


async def test_a_session_that_nobody_serves_any_more_is_over_and_the_next_one_begins(server: RedisServer):
    sessions: list[Session] = []

    async def serve(session: Session) -> None:
        sessions.append(session)

    link = Link(parse_address(server.url), QUICK, "actorws-me", lambda push: None, serve)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.run)
        await until(lambda: len(sessions) == 3)
        nursery.cancel_scope.cancel()
    assert link.trouble == "the session has ended"
    assert len({session.id for session in sessions}) == 3
