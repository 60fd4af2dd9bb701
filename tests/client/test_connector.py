"""Connector: what its users see, in every state: connecting, connected, waiting for the next try, over."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actorws import events
from actorws.exceptions import ConnectError, NotWebsocket, Rejected, Unreachable, UsageError
from actorws.reasons import Error, Remote, Stop, Timeout
from tests.support.outbound import AT_ONCE, Quiet, open_world

blocked = trio.testing.wait_all_tasks_blocked


# The first connection


async def test_connect_returns_when_there_is_a_connection_whose_init_was_called(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        assert connector.conn is world.ours and world.behaviour.inits == 1
        assert (connector.connections, connector.reason, connector.error, connector.is_over) == (1, None, None, False)
        assert await connector.wait_connected() is connector.conn
        assert connector.url == "ws://host/"


async def test_what_may_pass_is_waited_for_before_the_first_connection_too(autojump_clock):
    async with open_world() as world, trio.open_nursery() as nursery:
        world.is_up = "down"
        nursery.start_soon(world.connect)
        await trio.sleep(2.5)
        assert world.behaviour.inits == 0 and world.tries == [0, 1]
        world.is_up = "up"
        await trio.sleep(1)
        assert world.behaviour.inits == 1 and world.tries == [0, 1, 3]
    assert [event.failures for event in world.told(events.Connected)] == [2]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_final_error_of_a_first_try_is_raised(restart, status, autojump_clock):
    async with open_world() as world:
        world.refuse(status)
        with pytest.raises(Rejected, match="as asked for") as caught:
            await world.connect(restart=restart)
        assert caught.value.status == status
        await blocked()
        world.assert_nothing_is_left()
    assert [(event.error, event.retry_in) for event in world.failed] == [(caught.value, None)]


async def test_a_final_error_of_a_later_try_is_raised_if_there_was_no_connection_yet(autojump_clock):
    async with open_world() as world, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def connect():
            with pytest.raises(Rejected, match="404"):
                await world.connect()

        world.is_up = "down"
        await trio.sleep(0.5)
        world.is_up = "up"
        world.refuse(404)
    assert world.tries == [0, 1]


async def test_a_temporary_one_tries_once(autojump_clock):
    async with open_world() as world:
        world.is_up = "down"
        with pytest.raises(Unreachable, match="nobody listens there"):
            await world.connect(restart="temporary")
    assert world.tries == [0]


@pytest.mark.parametrize("state", ["down", "silent", "up"])
async def test_a_connect_that_is_cancelled_leaves_nothing(state, autojump_clock):
    async with open_world() as world:
        world.is_up = state
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(world.connect)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        if state == "up":
            await blocked()
            assert world.behaviour.inits == 1, "it had returned"
            next(iter(world.runtime.connectors)).close()
        await blocked()
        await trio.sleep(30)
        for stream in world.streams[1::2] if state == "silent" else ():
            await stream.aclose()
        world.assert_nothing_is_left()


@pytest.mark.parametrize("turns", range(40))
async def test_a_connect_that_is_cancelled_at_any_point_leaves_no_actor_that_nobody_knows(turns, autojump_clock):
    async with open_world() as world:
        connector = None
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                @nursery.start_soon
                async def cancel():
                    for _ in range(turns):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                connector = await world.connect()
        if connector is not None:
            connector.close()
        await trio.sleep(5)
        world.assert_nothing_is_left()
        assert world.behaviour.inits == len(world.behaviour.reasons)


# Its end


ENDS = [
    (1000, Remote(1000, "bye"), [True, False, False]),
    (1001, Remote(1001, "bye"), [True, True, False]),
    (4000, Remote(4000, "bye"), [True, True, False]),
    (4500, Remote(4500, "bye"), [True, False, False]),
]


@pytest.mark.parametrize(("code", "reason", "come_back"), ENDS, ids=[str(code) for code, _, _ in ENDS])
async def test_what_the_server_says_decides_by_the_type_who_comes_back(code, reason, come_back, autojump_clock):
    async with open_world() as world:
        connectors = [await world.connect(Quiet(), restart=kind) for kind in ("permanent", "transient", "temporary")]
        for conn in tuple(world.host.conns):
            conn.close(code, "bye")
        await trio.sleep(5)
        assert [connector.connections == 2 for connector in connectors] == come_back
        assert [not connector.is_over for connector in connectors] == come_back
        assert [connector.reason for connector in connectors] == [reason] * 3
        for connector, comes_back in zip(connectors, come_back, strict=True):
            if not comes_back:
                assert await connector.wait_ended() == reason
                with pytest.raises(trio.ClosedResourceError, match=r"ws://host/ has ended for good: Remote\(code="):
                    await connector.wait_connected()


@pytest.mark.parametrize(
    ("restart", "comes_back"), [("permanent", True), ("transient", True), ("temporary", False)], ids=str
)
async def test_a_wire_that_is_cut_comes_back(restart, comes_back, autojump_clock):
    async with open_world() as world:
        connector = await world.connect(restart=restart)
        world.theirs.abort()
        await trio.sleep(5)
        assert (connector.connections, connector.is_over) == ((2, False) if comes_back else (1, True))
        assert world.behaviour.reasons == [Remote(1006)]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_an_actor_that_crashes_comes_back_by_its_type(restart, autojump_clock):
    async with open_world() as world:
        connector = await world.connect(restart=restart)
        world.theirs.send("crash")
        await trio.sleep(5)
        assert connector.connections == (1 if restart == "temporary" else 2)
        [reason] = world.behaviour.reasons
        assert isinstance(reason, Error) and isinstance(reason.exception, ValueError)


@pytest.mark.parametrize(("restart", "connections"), [("permanent", 2), ("transient", 1), ("temporary", 1)])
@pytest.mark.parametrize("how", ["close", "abort"])
async def test_its_own_close_is_an_end_for_good_unless_it_is_permanent(restart, connections, how, autojump_clock):
    async with open_world() as world:
        connector = await world.connect(restart=restart)
        getattr(world.ours, how)()
        await trio.sleep(5)
        assert (connector.connections, world.behaviour.reasons) == (connections, [Stop()])


async def test_its_own_close_is_one_if_the_server_never_answers_it_too(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        world.theirs._actor.transport.wire.pause(1 << 6)  # It reads no more.
        world.ours.close()
        assert await connector.wait_ended() == Timeout("close")
        assert world.tries == [0]


async def test_who_was_connected_is_told_that_it_is_not_let_in_any_more(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        world.refuse(401)
        world.theirs.abort()
        with pytest.raises(Rejected, match="401"):
            await connector.wait_ended()
        with pytest.raises(Rejected, match="401"):
            await connector.wait_connected()
        assert isinstance(connector.error, Rejected)
        assert (connector.reason, connector.is_over) == (Remote(1006), True)
        assert world.tries == [0, 1]


async def test_an_outage_that_looks_like_a_mistake_is_waited_for_by_who_was_connected(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        world.refuse(404)
        world.theirs.abort()
        await trio.sleep(5)
        assert isinstance(connector.error, Rejected) and not connector.is_over
        world.refuse(None)
        await connector.wait_connected()
        assert (connector.error, connector.connections) == (None, 2)


# Who waits


async def test_all_who_wait_for_a_connection_get_it(autojump_clock):
    got = []
    async with open_world() as world:
        connector = await world.connect()
        world.theirs.abort()
        await blocked()
        assert connector.conn is None

        async def wait():
            got.append(await connector.wait_connected())

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(wait)
        assert got == [connector.conn] * 5 and len(world.behaviour.conns) == 2


async def test_all_who_wait_for_the_end_get_the_error_by_which_it_was_given_up(autojump_clock):
    raised = []
    async with open_world() as world:
        connector = await world.connect()
        world.refuse(403)
        world.theirs.abort()

        async def wait(method):
            with pytest.raises(Rejected) as caught:
                await method()
            raised.append(caught.value)

        await blocked()
        async with trio.open_nursery() as nursery:
            for method in (connector.wait_connected, connector.wait_ended) * 2:
                nursery.start_soon(wait, method)
    assert raised == [connector.error] * 4


async def test_to_wait_and_give_up_waiting_changes_nothing(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        with trio.move_on_after(1):
            await connector.wait_ended()
        assert connector.conn is not None
        assert await connector.wait_connected() is connector.conn


# close()


async def test_close_says_so_to_the_server_and_is_the_end(autojump_clock):
    async with open_world() as world:
        connector = await world.connect(restart="permanent")
        connector.close(4123, "enough")
        assert not connector.is_over
        assert await connector.wait_ended() == Stop()
        assert (connector.is_over, connector.conn, connector.reason) == (True, None, Stop())
        assert [event.reason for event in world.server.events if isinstance(event, events.ActorEnded)] == [
            Remote(4123, "enough")
        ]
        await trio.sleep(60)
        world.assert_nothing_is_left()
    assert [event.retry_in for event in world.lost] == [None]


async def test_close_again_changes_nothing(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        connector.close(4000)
        connector.close(4001)
        await connector.wait_ended()
        connector.close(4002)
        with pytest.raises(ValueError, match="1006"):
            connector.close(1006)
        assert [event.reason.code for event in world.server.events if isinstance(event, events.ActorEnded)] == [4000]


async def test_close_with_a_bad_code_ends_nothing(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        with pytest.raises(ValueError, match="999"):
            connector.close(999)
        await trio.sleep(5)
        assert connector.conn is not None


async def test_close_between_two_connections_ends_the_waiting_at_once(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        world.is_up = "down"
        world.theirs.abort()
        await trio.sleep(1.5)
        assert isinstance(connector.error, Unreachable)
        connector.close()
        assert await connector.wait_ended() == Remote(1006)
        assert trio.current_time() == 1.5
        with pytest.raises(trio.ClosedResourceError, match="for good"):
            await connector.wait_connected()
        await trio.sleep(60)
        assert world.tries == [0, 1]
        world.assert_nothing_is_left()


async def test_close_in_the_middle_of_a_handshake_leaves_nothing(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        world.is_up = "silent"
        world.theirs.abort()
        await trio.sleep(1.5)
        assert world.tries == [0, 1]
        connector.close()
        assert await connector.wait_ended() == Remote(1006)
        await world.streams.pop().aclose()
        world.assert_nothing_is_left()
    assert world.failed == []


@pytest.mark.parametrize("turns", range(40))
async def test_close_at_any_point_of_a_handshake_leaves_nothing(turns, autojump_clock):
    async with open_world() as world:
        connector = await world.connect(backoff=AT_ONCE)
        world.theirs.abort()
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        connector.close()
        assert await connector.wait_ended() in (Remote(1006), Stop())
        await trio.sleep(5)
        world.assert_nothing_is_left()
        assert world.behaviour.inits == len(world.behaviour.reasons)


async def test_close_while_a_try_fails_is_the_end_that_was_asked_for(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()

        class Refusal(ConnectionRefusedError):
            def __init__(self):
                super().__init__()
                connector.close()

        world.is_up = Refusal
        world.theirs.abort()
        assert await connector.wait_ended() == Remote(1006)
        assert [(type(event.error), event.retry_in) for event in world.failed] == [(Unreachable, None)]


class Closing(Quiet):
    """Ends its connector from within a callback."""

    def __init__(self, callback):
        super().__init__()
        self.callback = callback
        self.connectors = []

    def close_in(self, callback):
        if callback == self.callback:
            for connector in self.connectors:
                connector.close(4001, "from within")

    def init(self, conn):
        state, frames = super().init(conn)
        self.close_in("init")
        return state, frames

    def handle_client_message(self, state, conn, frame):
        self.close_in("message")
        return state, ["not sent"]

    def terminate(self, state, conn, reason):
        super().terminate(state, conn, reason)
        self.close_in("terminate")


class ClosingAsync(Closing):
    async def init(self, conn):
        await trio.sleep(0.5)
        return super().init(conn)

    async def handle_client_message(self, state, conn, frame):
        await trio.sleep(0.5)
        return super().handle_client_message(state, conn, frame)

    async def terminate(self, state, conn, reason):
        await trio.sleep(0.5)
        super().terminate(state, conn, reason)


@pytest.mark.parametrize(
    ("kind", "callback", "connections"),
    [
        (Closing, "init", 2),
        (Closing, "message", 1),
        (Closing, "terminate", 1),
        (ClosingAsync, "init", 1),
        (ClosingAsync, "message", 1),
        (ClosingAsync, "terminate", 1),
    ],
)
async def test_an_actor_can_close_its_connector(kind, callback, connections, autojump_clock):
    async with open_world() as world:
        world.behaviour = kind(callback)
        connector = await world.connect(restart="permanent")
        world.behaviour.connectors.append(connector)
        await trio.sleep(1)
        if callback == "init" and connections == 2:
            world.theirs.abort()
        elif callback != "init":
            world.theirs.send("now")
            if callback == "terminate":
                world.theirs.close(1001)
        await connector.wait_ended()
        await trio.sleep(60)
        assert connector.connections == world.behaviour.inits == len(world.behaviour.reasons) == connections
        assert world.host.said == []
        assert len(world.tries) == connections
        world.assert_nothing_is_left()


# What goes wrong


async def test_what_open_stream_should_not_have_raised_ends_this_connector_only(autojump_clock):
    async with open_world() as world:
        other = await world.connect(Quiet())
        world.is_up = LookupError("a fault")
        with pytest.raises((LookupError, ConnectError)):
            await world.connect(restart="temporary")
        await blocked()
        assert world.runtime.connectors == {other} and not other.is_over


async def test_who_does_not_speak_websocket_is_told_of_as_what_it_is(autojump_clock):
    async with open_world() as world:
        ours, theirs = trio.testing.memory_stream_pair()

        async def open_stream(host, port):
            return ours

        await theirs.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        with pytest.raises(NotWebsocket):
            await world.connect(open_stream=open_stream)


async def test_a_connect_during_which_the_runtime_goes_away_says_so(autojump_clock):
    async with open_world() as world, trio.open_nursery() as nursery:
        world.is_up = "down"

        @nursery.start_soon
        async def connect():
            with pytest.raises(UsageError, match="ws://host/: the runtime is going away"):
                await world.connect()

        await trio.sleep(0.5)
        await world.runtime.supervisor.drain(1)
