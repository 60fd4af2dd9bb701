"""Connector: the end of its runtime is its own, in every state, and nothing is left then."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from actorws import App, events, open_runtime, testing
from actorws.exceptions import UsageError
from actorws.reasons import Overflow, Remote, Shutdown, Stop
from actorws.server.serve import serve
from tests.support.outbound import AT_ONCE, Host, Quiet, open_world
from tests.support.serving import Echo, Server, descriptors, serving
from tests.support.wire import SECONDS

blocked = trio.testing.wait_all_tasks_blocked


class Leaving(Quiet):
    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        await trio.sleep(1)
        super().terminate(state, conn, reason)


# In memory


@pytest.mark.parametrize("behaviour", [Quiet, Leaving])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_a_drain_ends_it_with_shutdown_and_nobody_comes_back(behaviour, restart, autojump_clock):
    async with open_world() as world:
        world.behaviour = behaviour()
        connector = await world.connect(restart=restart, backoff=AT_ONCE)
        await world.runtime.supervisor.drain(10)
        assert await connector.wait_ended() == Shutdown()
        await trio.sleep(60)
        assert world.behaviour.reasons == [Shutdown()] and len(world.tries) == 1
        world.assert_nothing_is_left()
    assert [event.retry_in for event in world.lost] == [None]
    assert [event.reason for event in world.server.events if isinstance(event, events.ActorEnded)] == [Remote(1001)]


async def test_nobody_comes_back_while_others_take_their_time_to_end(autojump_clock):
    async with open_world() as world:
        world.behaviour = Leaving()
        slow = await world.connect()
        lost = await world.connect(Quiet(), restart="permanent", backoff=AT_ONCE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.runtime.supervisor.drain, 10)
            await trio.sleep(0.1)
            for conn in world.host.conns:
                conn.abort()
        assert await lost.wait_ended() == await slow.wait_ended() == Shutdown()
        assert len(world.tries) == 2


@pytest.mark.parametrize("state", ["down", "silent"])
@pytest.mark.parametrize("was_connected", [True, False])
async def test_who_is_between_two_connections_when_it_drains_is_over_at_once(state, was_connected, autojump_clock):
    async with open_world() as world, trio.open_nursery() as nursery:
        connected = await world.connect(restart="permanent") if was_connected else None
        world.is_up = state
        if connected is not None:
            world.theirs.abort()
        else:

            @nursery.start_soon
            async def connect():
                with pytest.raises(UsageError, match="can't connect to ws://host/: the runtime is going away"):
                    await world.connect()

        await trio.sleep(1.5)
        await world.runtime.supervisor.drain(10)
        if connected is not None:
            assert await connected.wait_ended() == Remote(1006)
        assert trio.current_time() == pytest.approx(1.5)
        await trio.sleep(60)
        for stream in world.streams:
            await trio.aclose_forcefully(stream)
        world.assert_nothing_is_left()


@pytest.mark.parametrize("turns", range(40))
async def test_a_handshake_that_is_over_while_it_drains_makes_no_actor_that_stays(turns, autojump_clock):
    async with open_world() as world:
        connector = await world.connect(backoff=AT_ONCE, restart="permanent")
        world.theirs.abort()
        await blocked()
        with trio.move_on_after(0.001):
            await trio.sleep_forever()
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        world.runtime.supervisor.refuse_new()
        world.runtime.supervisor.cut_all()
        await connector.wait_ended()
        await trio.sleep(5)
        world.assert_nothing_is_left()
        assert world.behaviour.inits == len(world.behaviour.reasons)


async def test_to_connect_while_the_runtime_is_going_away_is_an_error(autojump_clock):
    async with open_world() as world:
        world.runtime.supervisor.refuse_new()
        with pytest.raises(UsageError, match="can't connect to ws://host/: the runtime is going away"):
            await world.connect()
        assert not world.tries and not world.runtime.connectors


async def test_to_connect_after_its_end_is_one_too(autojump_clock):
    async with open_world() as world:
        pass
    with pytest.raises(UsageError, match="going away"):
        await world.connect()


@pytest.mark.parametrize("state", ["up", "down", "silent"])
@pytest.mark.parametrize("how", ["end", "error", "cancel"])
async def test_the_end_of_the_block_ends_it_in_every_state(state, how, autojump_clock):
    connectors = []
    with trio.CancelScope() as scope:
        try:
            async with open_world() as world:
                world.behaviour = Leaving()
                connectors.append(await world.connect(restart="permanent", backoff=AT_ONCE))
                if state != "up":
                    world.is_up = state
                    world.theirs.abort()
                    await trio.sleep(1.5)
                if how == "error":
                    raise LookupError("the block's own")
                if how == "cancel":
                    scope.cancel()
                    await trio.sleep_forever()
        except* LookupError:
            assert how == "error"
    [connector] = connectors
    assert connector.is_over and connector.conn is None
    assert isinstance(await connector.wait_ended(), Stop | Shutdown | Remote)
    for stream in world.streams:
        await trio.aclose_forcefully(stream)
    world.assert_nothing_is_left()
    assert world.behaviour.inits == len(world.behaviour.reasons) == len(world.told(events.Connected)) == len(world.lost)
    assert world.lost[-1].retry_in is None or state != "up"


async def test_the_end_of_a_served_app_ends_those_whom_it_has_connected_to(autojump_clock):
    app = App()
    async with open_world() as world:
        ended = []

        @app.background
        async def bot(runtime: Any) -> None:
            connector = await world.connect(restart="permanent", runtime=runtime)
            ended.append(await connector.wait_ended())

        async with testing.open_app(app) as server:
            await server.wait_event(events.Connected)
            await server.shut_down()
            assert world.behaviour.reasons == ended == [Shutdown()]
            assert len(world.tries) == 1


# With sockets


async def test_a_server_that_ends_says_goodbye_to_those_whom_it_has_connected_to():
    async with serving(Host()) as there:
        behaviour, connectors = Quiet(), []
        async with serving(Echo) as server:
            for _ in range(3):
                connectors.append(
                    await server.served.runtime.connect(
                        f"ws://127.0.0.1:{there.port}/", behaviour if not connectors else Quiet(), restart="permanent"
                    )
                )
            await there.seen(events.ActorStarted, 3)
        assert behaviour.reasons == [Shutdown()]
        assert all(connector.is_over for connector in connectors)
        ends = await there.seen(events.ActorEnded, 3)
        assert [event.reason for event in ends] == [Remote(1001)] * 3
        assert len(there.all(events.ActorStarted)) == 3
        await there.no_wires()


async def test_a_server_that_is_cancelled_says_goodbye_to_them_too():
    async with serving(Host()) as there:
        behaviour, server = Quiet(), Server()
        async with trio.open_nursery() as nursery:
            served = await nursery.start(partial(serve, Echo, port=0, on_event=server))
            await served.runtime.connect(f"ws://127.0.0.1:{there.port}/", behaviour)
            nursery.cancel_scope.cancel()
        assert behaviour.reasons == [Shutdown()]
        assert [(event.reason, event.retry_in) for event in server.all(events.ConnectionLost)] == [(Shutdown(), None)]
        [end] = await there.seen(events.ActorEnded)
        assert end.reason == Remote(1001)


async def test_it_comes_back_to_a_server_that_was_away():
    """A real one, at the same port."""
    behaviour, seen = Quiet(), Server()
    async with open_runtime(seen) as runtime:
        async with serving(Host()) as there:
            port = there.port
            connector = await runtime.connect(f"ws://127.0.0.1:{port}/", behaviour, backoff=AT_ONCE)
        await seen.seen(events.ConnectFailed, 3)
        assert connector.conn is None
        async with serving(Host(), port=port) as there:
            with trio.fail_after(SECONDS):
                await connector.wait_connected()
            behaviour.conns[-1].send("back")
            await there.seen(events.ActorStarted)
            connector.close()
            with trio.fail_after(SECONDS):
                assert await connector.wait_ended() == Stop()
            await there.no_wires()
    assert behaviour.reasons == [Remote(1001), Stop()]


# Drivers


async def test_a_runtime_without_a_server_has_drivers_when_it_wants_them_first(autojump_clock):
    async with open_runtime(()) as runtime:
        assert runtime._drivers is None
        drivers = runtime.drivers
        assert runtime.drivers is drivers


async def test_a_server_and_those_whom_it_connects_to_share_one_poller():
    async with serving(Echo) as server:
        runtime = server.served.runtime
        drivers = runtime._drivers
        assert drivers is not None
        connector = await runtime.connect(f"ws://127.0.0.1:{server.port}/", Quiet())
        assert runtime.drivers is drivers
        await server.until(lambda: len(server.all(events.ActorStarted)) == 2)
        assert runtime.wires == 2
        connector.close()
        with trio.fail_after(SECONDS):
            await connector.wait_ended()
        await server.no_wires()


async def test_it_comes_back_over_tls_too():
    authority = trustme.CA()
    there_tls, tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(there_tls)
    authority.configure_trust(tls)
    host, behaviour, seen = Host(), Quiet(), Server()
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(serving(host, tls=there_tls))
        runtime = await stack.enter_async_context(open_runtime(seen))
        url = f"wss://localhost:{there.port}/"
        connector = await runtime.connect(url, behaviour, tls=tls, backoff=AT_ONCE)
        await there.seen(events.ActorStarted)
        host.conns[-1].close(1001)
        await seen.seen(events.Connected, 2)
        await there.seen(events.ActorStarted, 2)
        host.conns[-1].send("crash")
        await seen.seen(events.Connected, 3)
        connector.close(4000, "enough")
        with trio.fail_after(SECONDS):
            assert await connector.wait_ended() == Stop()
        await there.seen(events.ActorEnded, 3)
        assert [type(reason).__name__ for reason in behaviour.reasons] == ["Remote", "Error", "Stop"]
        with trio.fail_after(SECONDS):
            await runtime.wait_no_wires()
    assert [event.reason for event in there.all(events.ActorEnded)][1:] == [Remote(1011), Remote(4000, "enough")]


async def test_a_hundred_connections_one_after_the_other_leave_no_descriptor():
    before = descriptors()
    host, behaviour, seen = Host(), Quiet(), Server()
    async with serving(host) as there, open_runtime(seen) as runtime:
        connector = await runtime.connect(f"ws://127.0.0.1:{there.port}/", behaviour, backoff=AT_ONCE)
        for number in range(1, 101):
            await there.seen(events.ActorStarted, number)
            await seen.seen(events.Connected, number)
            conn = (host.conns, behaviour.conns)[number % 2][-1]
            conn._actor.stop(Overflow())
        await seen.seen(events.Connected, 101)
        connector.close()
        with trio.fail_after(SECONDS):
            await connector.wait_ended()
        assert connector.connections == 101
    assert descriptors() == before
