"""Connector: the actor behind an outbound connection is as any other."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from actorws import App, events, testing
from actorws.exceptions import Rejected
from actorws.observability.metrics import Metrics
from actorws.reasons import Error, Remote, Replaced, Stop
from tests.support.outbound import STEADY, Host, Quiet, open_world

blocked = trio.testing.wait_all_tasks_blocked


class Named(Quiet):
    """Has a name, and is a member of a group."""

    async def init(self, conn: Any) -> Any:
        super().init(conn)
        await conn.register("bot")
        await conn.join("bots")
        return 0, ["here I am"]

    def handle_server_message(self, heard: Any, conn: Any, message: Any) -> Any:
        return heard + 1, [f"{message} after {heard}"]


async def test_it_has_its_name_while_it_is_connected_and_takes_it_again(autojump_clock):
    async with open_world() as world:
        world.behaviour = Named()
        send, count = world.runtime.unique.send_message, world.runtime.group.count
        connector = await world.connect()
        await blocked()
        assert await send("bot", "one") and await count("bots") == 1
        await blocked()
        world.theirs.abort()
        await blocked()
        assert not await send("bot", "lost") and await count("bots") == 0
        await connector.wait_connected()
        await blocked()
        assert await send("bot", "two") and await count("bots") == 1
        await blocked()
    # The second one knows nothing of what the first one has heard.
    assert world.host.said == ["here I am", "one after 0", "here I am", "two after 0"]


class Member(Quiet):
    def init(self, conn: Any) -> Any:
        super().init(conn)
        conn.join_nowait("bots")
        return None, []

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, [message]


async def test_what_its_group_gets_reaches_its_server_in_order(autojump_clock):
    """A server refuses what isn't masked."""
    async with open_world() as world:
        await world.connect(Member())
        expected = []
        for n in range(5):
            world.runtime.group.broadcast_nowait("bots", f"broadcast {n}")
            world.runtime.group.publish_nowait("bots", f"published {n}")
            expected += [f"broadcast {n}", f"published {n}"]
        await blocked()
        assert world.host.said == expected


async def test_a_group_of_both_ends_has_one_frame_for_all(autojump_clock):
    """Of those who are connected to us, and of those whom we have connected to."""
    app = App()
    app.websocket("/bots", Member)
    async with open_world() as world, testing.open_app(app) as server:
        client = await server.connect("/bots")
        await world.connect(Member(), runtime=server.runtime)
        await server.runtime.group.publish("bots", "to each")
        await server.runtime.group.broadcast("bots", "x" * 70_000)
        assert [await client.receive(), await client.receive()] == ["to each", "x" * 70_000]
        await blocked()
        assert world.host.said == ["to each", "x" * 70_000]


class Ticking(Quiet):
    def init(self, conn: Any) -> Any:
        super().init(conn)
        conn.send_after(1, "tick")
        return None, []

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, [f"{message} of {len(self.conns)}"]


async def test_its_timers_end_with_it(autojump_clock):
    async with open_world() as world:
        world.behaviour = Ticking()
        await world.connect(backoff=STEADY)
        await trio.sleep(0.75)
        world.theirs.abort()  # back at 1.75
        await trio.sleep(5)
        assert world.host.said == ["tick of 2"]
        assert world.behaviour.inits == 2


class Slow(Quiet):
    """Takes its time at both ends, and its asserts see to it that one is over before the next begins."""

    async def init(self, conn: Any) -> Any:
        super().init(conn)
        await trio.sleep(0.1)
        return None, []

    async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        await trio.sleep(1)
        return super().handle_client_message(state, conn, frame)

    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        await trio.sleep(2.5)
        super().terminate(state, conn, reason)


async def test_terminate_has_returned_before_the_next_init(autojump_clock):
    async with open_world() as world:
        world.behaviour = Slow()
        connector = await world.connect()
        for end in ("abort", "close", "crash"):
            world.theirs.send("hello")
            await trio.sleep(0.5)
            if end == "crash":
                world.theirs.send("crash")
            else:
                getattr(world.theirs, end)(*[1001][: end == "close"])
            await trio.sleep(12)
            assert connector.conn is not None
        assert world.behaviour.inits == 4 and world.behaviour.said == ["hello"] * 3 + ["crash"]
        assert [type(reason) for reason in world.behaviour.reasons] == [Remote, Remote, Error]
        # The wait begins when `terminate` has returned: 1 + 0.5 + 2.5 + 1 s after "hello".
        assert world.tries[1] == pytest.approx(1 + 2.5 + 1, abs=0.2)


class Hanging(Quiet):
    async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        await trio.sleep_forever()


async def test_a_callback_that_hangs_keeps_it_no_longer_than_terminate_timeout(autojump_clock):
    async with open_world() as world:
        world.behaviour = Hanging()
        connector = await world.connect()
        world.theirs.send("hello")
        await blocked()
        world.theirs.abort()
        await trio.sleep(5)
        assert connector.connections == 2
        assert world.tries[1] == pytest.approx(3 + 1, abs=0.2)  # terminate_timeout, and the wait
        connector.close()
        await connector.wait_ended()


class Taking(Quiet):
    async def init(self, conn: Any) -> Any:
        await conn.register("the one", on_conflict="takeover")
        return super().init(conn)


async def test_who_is_replaced_does_not_fight_for_the_name(autojump_clock):
    async with open_world() as world:
        first = await world.connect(Taking())
        await blocked()
        second = await world.connect(Taking())
        assert await first.wait_ended() == Replaced("the one")
        await trio.sleep(30)
        assert second.conn is not None and len(world.tries) == 2


# Counted


async def test_limits_of_a_server_are_not_about_those_whom_it_connects_to(autojump_clock):
    app = App()
    app.websocket("/", Host, max_connections=2, max_connections_per_address=2)
    async with open_world() as world, testing.open_app(app) as server:
        for _ in range(3):
            await world.connect(Quiet(), runtime=server.runtime)
        clients = [await server.connect() for _ in range(2)]
        counts = server.runtime.supervisor.statistics()
        assert (counts.running, counts.outbound, counts.started) == (5, 3, 5)
        with pytest.raises(testing.Refused, match="503"):
            await server.connect()
        world.theirs.abort()
        await clients[0].close()
        await blocked()
        counts = server.runtime.supervisor.statistics()
        assert (counts.running, counts.outbound) == (3, 2)
        await server.connect()


async def test_its_own_limit_does_not_refuse_it(autojump_clock):
    """The option is for those who come."""
    async with open_world() as world:
        for _ in range(3):
            await world.connect(Quiet(), max_connections=1, max_connections_per_address=1)
        assert world.runtime.supervisor.statistics().outbound == 3


async def test_metrics_count_what_is_made_lost_and_not_to_be_had(autojump_clock):
    metrics = Metrics()

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"actorws_{name}", labels)

    async with open_world() as world:
        world.tell = metrics
        connectors = [await world.connect(Quiet()) for _ in range(2)]
        assert value("outbound_connections_open") == value("connections_open") == 2
        world.refuse(503)
        world.theirs.abort()
        await trio.sleep(2)
        assert value("outbound_connections_open") == 1
        assert value("outbound_connections_lost_total", reason="remote") == 1
        assert value("connects_failed_total", error="rejected") == 1
        world.refuse(None)
        for connector in connectors:
            await connector.wait_connected()
            connector.close()
            await connector.wait_ended()
    assert value("outbound_connections_made_total") == 3
    assert value("outbound_connections_open") == value("connections_open") == 0
    assert value("outbound_connections_lost_total", reason="stop") == 2


# Callbacks that connect


class Dialing(Quiet):
    """Has a connection of its own for each one that it serves."""

    def __init__(self, connect: Any) -> None:
        super().__init__()
        self.connect_there = connect
        self.connectors: list[Any] = []

    async def init(self, conn: Any) -> Any:
        connector = await self.connect_there(conn.runtime)
        self.connectors.append(connector)
        super().init(conn)
        return connector, []

    def handle_client_message(self, connector: Any, conn: Any, frame: Any) -> Any:
        connector.conn.send(frame)
        return connector, []

    def terminate(self, connector: Any, conn: Any, reason: Any) -> None:
        super().terminate(connector, conn, reason)
        if connector is not None:
            connector.close()


async def test_a_callback_can_connect(autojump_clock):
    async with open_world() as world:
        relay = Dialing(lambda runtime: world.connect(Quiet(), runtime=runtime))
        async with testing.open_app(relay) as server:
            client = await server.connect()
            await client.send("through")
            await blocked()
            assert world.host.said == ["through"]
            await client.close()
            [connector] = relay.connectors
            assert await connector.wait_ended() == Stop()
            assert not server.runtime.connectors


async def test_a_connect_that_fails_in_a_callback_is_that_actors_crash(autojump_clock):
    async with open_world() as world:
        world.refuse(404)
        relay = Dialing(lambda runtime: world.connect(Quiet(), runtime=runtime))
        async with testing.open_app(relay, crashes="ignore") as server:
            await server.connect()
            crash = await server.wait_event(events.ActorCrashed)
            assert isinstance(crash.exception, Rejected) and crash.callback == "init"


async def test_a_background_function_can_connect(autojump_clock):
    app = App()
    async with open_world() as world:

        @app.background
        async def bot(runtime: Any) -> None:
            connector = await world.connect(Member(), runtime=runtime)
            await connector.wait_ended()

        async with testing.open_app(app) as server:
            await server.wait_event(events.Connected)
            await server.runtime.group.publish("bots", "hello")
            await blocked()
            assert world.host.said == ["hello"]


async def test_two_runtimes_know_nothing_of_each_other(autojump_clock):
    async with open_world() as world, open_world() as other:
        await world.connect(Member())
        await other.connect(Member(), open_stream=partial(world.open_stream))
        await other.runtime.group.publish("bots", "from the other")
        await blocked()
        assert world.host.said == ["from the other"]
        await world.runtime.supervisor.drain(1)
        assert len(other.runtime.supervisor) == 1
