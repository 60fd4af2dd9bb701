"""Sessions of outbound connections: the actor outlives its wires, and ends with its session."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actorws import (
    Backoff,
    Close,
    Coalesce,
    Error,
    Expired,
    Overflow,
    Ping,
    Remote,
    Replaced,
    SendStatus,
    Shutdown,
    Stop,
)
from actorws import events as e
from actorws.conn import ReadyState
from actorws.exceptions import NotWebsocket, Unreachable
from tests.support.outbound_sessions import NEVER, Many, Scripted, Side, greeting, open_outbound, scripted, talk

# The same actor over wires that are lost


async def test_the_actor_goes_on_over_the_next_wire_and_misses_nothing(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        connector = await world.connect()
        conn = connector.conn
        await world.lose()
        world.theirs.now.say("while you were away")
        world.ours.now.say("I was away")
        world.is_up = True
        await world.until(lambda: len(world.wires) == 2 and len(world.theirs.now.heard) == 2)
        world.assert_complete()
        assert connector.conn is conn and len(world.ours.lives) == 1 and world.ours.now.reasons == []
        assert [event.conn for event in world.told(e.SessionResumed)] == [conn]
        assert [event.retry_in for event in world.told(e.ConnectionLost)] == [1]


async def test_without_a_wire_the_connection_is_open_and_what_is_sent_waits(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        connector = await world.connect()
        conn = connector.conn
        assert conn is not None and conn.send("a") is SendStatus.SENT
        await world.lose()
        assert connector.conn is conn and conn.ready_state is ReadyState.OPEN
        assert conn.send("b") is SendStatus.BACKPRESSURED
        assert conn.send(Ping()) is SendStatus.DROPPED
        assert conn.buffered == 1
        world.is_up = True
        await world.until(lambda: world.theirs.now.heard == ["hello", "a", "b"])


async def test_names_and_memberships_stay_while_there_is_no_wire(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        connector = await world.connect()
        assert connector.conn is not None
        await connector.conn.register("bot")
        await world.lose()
        assert await world.runtime.unique.send_message("bot", "from elsewhere")
        world.is_up = True
        await world.until(lambda: world.theirs.now.heard == ["hello", "from elsewhere"])


async def test_a_server_is_told_which_of_its_processes_has_the_session(
    autojump_clock: Any,
) -> None:
    class Asked(Many):
        queries: list[Any] = []

        def connect(self, conn: Any) -> None:
            self.queries.append(dict(conn.query))

    theirs = Asked()
    async with open_outbound(theirs=theirs) as world:
        connector = await world.connect()
        world.cut()
        await world.until(lambda: len(theirs.queries) == 2)
        node = world.server.runtime.id
        assert theirs.queries == [{"a": "1"}, {"a": "1", "actorws-node": node}]
        assert connector.conn is not None and connector.conn.query == {"a": "1"}


async def test_the_subprotocol_of_the_application_is_agreed_on_beside_it(autojump_clock: Any) -> None:
    async with open_outbound(subprotocols=["other", "chat"]) as world:
        connector = await world.connect(subprotocols=["chat"])
        assert connector.conn is not None and connector.conn.subprotocol == world.theirs.now.conn.subprotocol == "chat"
        world.cut()
        await world.until(lambda: world.told(e.SessionResumed))
        assert connector.conn.subprotocol == "chat"


async def test_a_subprotocol_that_is_required_and_not_spoken_is_an_error(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        with pytest.raises(NotWebsocket, match="speaks none of the subprotocols chat"):
            await world.connect(subprotocols=["chat"], subprotocol_required=True)
        await world.until(lambda: world.theirs.now.reasons == [Remote(1000)])
        assert world.ours.lives == []


async def test_both_may_have_more_to_say_than_either_takes(autojump_clock: Any) -> None:
    async with open_outbound(session_buffer_bytes=1 << 26) as world:
        await world.connect()
        for life in (world.ours.now, world.theirs.now):
            life.say(*("x" * 20_000 for _ in range(200)))
        await world.until(lambda: len(world.ours.now.heard) == len(world.theirs.now.heard) == 201)
        world.assert_complete()
        assert len(world.wires) == 1


async def test_what_has_come_is_acknowledged_after_32_messages_and_after_a_second(autojump_clock: Any) -> None:
    async def serve(wire: Scripted) -> None:
        assert await talk(wire, greeting(), *map(str, range(32))) == '\0{"new":true}'
        assert await wire.hear() == "hello"
        assert await wire.hear() == '\0{"ack":32}'
        await wire.say("one more")
        began = trio.current_time()
        assert await wire.hear() == '\0{"ack":33}'
        waits.append(trio.current_time() - began)

    waits: list[float] = []
    async with open_outbound() as world, trio.open_nursery() as nursery:
        await world.connect(open_stream=scripted(nursery, serve))
        await world.until(lambda: waits)
    assert waits == [pytest.approx(1, abs=0.1)]


# Bounds


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"session_buffer_messages": 5}, "session_buffer_messages"),
        ({"session_buffer_bytes": 50}, "session_buffer_bytes"),
    ],
)
async def test_more_than_may_wait_ends_the_actor(options: Any, limit: str, autojump_clock: Any) -> None:
    async with open_outbound() as world:
        await world.connect(**options)
        await world.lose()
        first = world.ours.now
        first.say(*["0123456789"] * 6)
        assert first.statuses[-1] == "closed"
        await world.until(lambda: first.reasons)
        assert first.reasons == [Overflow("session")]
        assert [event.limit for event in world.told(e.OutputFull)] == [limit]
        world.is_up = True
        await world.until(lambda: len(world.ours.lives) == 2)


@pytest.mark.parametrize("policy", ["drop_old", Coalesce(lambda message: message[:1])])
async def test_a_policy_that_prefers_the_newest_keeps_the_session(policy: Any, autojump_clock: Any) -> None:
    async with open_outbound() as world:
        await world.connect(session_buffer_messages=1, output_policy=policy)
        await world.lose()
        world.ours.now.conn.send("a1")
        world.ours.now.conn.send("a2")
        world.is_up = True
        await world.until(lambda: world.theirs.now.heard == ["hello", "a2"])
        assert len(world.ours.lives) == 1


async def test_what_the_server_has_missed_and_is_not_kept_any_more_ends_the_actor(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        world.cuts = [(600, NEVER)]
        await world.connect(session_buffer_messages=3)
        first = world.ours.now
        first.say(*map(str, range(200)))
        await world.until(lambda: len(world.ours.lives) == 2)
        assert first.reasons == [Overflow("session")]
        assert [event.reason for event in world.told(e.SessionLost)] == ["overflow"]
        await world.until(lambda: world.theirs.lives[0].reasons == [Remote(1000)])


# The session is gone


async def restarted(world: Any, other: Any) -> None:
    """The server is another process."""
    await world.lose()
    world.server, world.theirs = other.server, other.theirs
    world.is_up = True


async def test_a_server_that_has_lost_the_session_gets_a_new_actor_over_the_same_wire(autojump_clock: Any) -> None:
    async with open_outbound() as other, open_outbound() as world:
        connector = await world.connect()
        first = world.ours.now
        await restarted(world, other)
        first.say("is gone")
        await world.until(lambda: len(world.ours.lives) == 2)
        assert first.reasons == [Expired()] and len(world.wires) == 2
        assert connector.conn is world.ours.now.conn is not first.conn
        assert [(event.address, event.reason) for event in world.told(e.SessionLost)] == [
            ("ws://host/path", "elsewhere")
        ]
        await world.until(lambda: world.theirs.now.heard)
        world.assert_complete()
        world.cut()
        world.theirs.now.say("on the new session")
        await world.until(lambda: world.ours.now.heard[-1] == "on the new session")


async def test_the_new_actor_begins_when_the_last_has_taken_its_time_to_end(autojump_clock: Any) -> None:
    class Slow(Side):
        async def terminate(self, life: Any, conn: Any, reason: Any) -> None:  # type: ignore[override]
            await trio.sleep(2)
            life.reasons.append(reason)

    async with open_outbound() as other, open_outbound(Slow()) as world:
        await world.connect()
        await restarted(world, other)
        began = trio.current_time()
        await world.until(lambda: len(world.ours.lives) == 2)
        assert trio.current_time() - began >= 2
        await world.until(lambda: world.ours.now.heard)
        world.assert_complete()


async def test_a_wire_that_is_lost_while_the_last_actor_ends_is_had_again_by_the_new_one(autojump_clock: Any) -> None:
    class Slow(Side):
        async def terminate(self, life: Any, conn: Any, reason: Any) -> None:  # type: ignore[override]
            await trio.sleep(2)
            life.reasons.append(reason)

    async with open_outbound() as other, open_outbound(Slow()) as world:
        await world.connect()
        await restarted(world, other)
        await world.until(lambda: world.told(e.SessionLost))
        world.cut()
        await world.until(lambda: len(world.wires) == 3 and world.ours.now.heard and world.theirs.now.heard)
        world.assert_complete()
        assert len(world.ours.lives) == 2


async def test_a_temporary_connection_is_over_with_its_session(autojump_clock: Any) -> None:
    async with open_outbound() as other, open_outbound() as world:
        connector = await world.connect(restart="temporary")
        world.cut()
        await world.until(lambda: world.told(e.SessionResumed))
        await restarted(world, other)
        assert await connector.wait_ended() == Expired()
        assert len(world.ours.lives) == 1
        await world.until(lambda: world.theirs.now.reasons == [Remote(1000)])


async def test_a_session_that_has_run_out_on_the_server_is_lost(autojump_clock: Any) -> None:
    async with open_outbound(session_open_timeout=5, session_resume_timeout=5) as world:
        await world.connect()
        first = world.ours.now
        await world.lose()
        await trio.sleep(8)
        world.is_up = True
        await world.until(lambda: len(world.ours.lives) == 2)
        assert first.reasons == [Expired()]
        assert [event.reason for event in world.told(e.SessionLost)] == ["expired"]


# Servers without sessions


async def test_a_server_that_does_not_speak_it_has_a_plain_connection(autojump_clock: Any) -> None:
    async def serve(wire: Scripted) -> None:
        await wire.accept(None)
        assert await wire.hear() == "hello"
        await wire.say("\0this is no control message")
        await wire.say(Close(1001))
        await wire.stream.aclose()

    async with open_outbound() as world, trio.open_nursery() as nursery:
        connector = await world.connect(open_stream=scripted(nursery, serve))
        assert connector.conn is not None and connector.conn.subprotocol is None
        await world.until(lambda: len(world.ours.lives) == 2)
        assert world.ours.lives[0].heard == ["\0this is no control message"]
        assert world.ours.lives[0].reasons == [Remote(1001)]
        assert not world.told(e.SessionDetached)
        nursery.cancel_scope.cancel()


async def test_a_server_that_speaks_it_no_more_has_a_new_actor(autojump_clock: Any) -> None:
    async def sessions(wire: Scripted) -> None:
        await talk(wire, greeting(), Close(1001))

    async def plain(wire: Scripted) -> None:
        await wire.accept("chat")
        assert await wire.hear() == "hello"
        await wire.say("plain")

    async with open_outbound() as world, trio.open_nursery() as nursery:
        connector = await world.connect(open_stream=scripted(nursery, sessions, plain), subprotocols=["chat"])
        await world.until(lambda: world.ours.now.heard == ["plain"])
        assert world.ours.lives[0].reasons == [Expired()]
        assert connector.conn is not None and connector.conn.subprotocol == "chat"


async def test_where_the_servers_behaviour_is_not_resumable_each_wire_has_an_actor(
    autojump_clock: Any,
) -> None:
    class PlainMany(Many):
        resumable = False

    async with open_outbound(theirs=PlainMany()) as world:
        await world.connect()
        world.cut()
        await world.until(lambda: len(world.ours.lives) == 2)
        assert world.ours.lives[0].reasons == [Expired()]


# The ends of PROTOCOL.md


@pytest.mark.parametrize("code", [1001, 1012])
async def test_a_server_that_goes_away_is_come_back_to(code: int, autojump_clock: Any) -> None:
    words: list[str] = []

    async def goes(wire: Scripted) -> None:
        await talk(wire, greeting(), "one", Close(code))

    async def comes(wire: Scripted) -> None:
        words.append(await talk(wire, greeting(resumed=True, received=1), "two"))

    async with open_outbound() as world, trio.open_nursery() as nursery:
        await world.connect(open_stream=scripted(nursery, goes, comes))
        await world.until(lambda: world.ours.now.heard == ["one", "two"])
        assert words == ['\0{"resume":"node.1.secret","received":1}'] and len(world.ours.lives) == 1


@pytest.mark.parametrize("code", [1011, 1013, 3000, 4000, 4499])
async def test_other_codes_end_the_actor_and_a_new_session_begins(code: int, autojump_clock: Any) -> None:
    words: list[str] = []

    async def ends(wire: Scripted) -> None:
        await talk(wire, greeting(), "one", Close(code, "why"))

    async def begins(wire: Scripted) -> None:
        words.append(await talk(wire, greeting("node.2.secret")))

    async with open_outbound() as world, trio.open_nursery() as nursery:
        await world.connect(open_stream=scripted(nursery, ends, begins))
        await world.until(lambda: len(world.ours.lives) == 2)
        assert world.ours.lives[0].reasons == [Remote(code, "why")] and world.ours.lives[0].heard == ["one"]
        assert words == ['\0{"new":true}']


@pytest.mark.parametrize("code", [1000, 4500, 4509, 4999])
async def test_what_asks_to_stay_away_ends_it_for_good(code: int, autojump_clock: Any) -> None:
    async def ends(wire: Scripted) -> None:
        await talk(wire, greeting(), Close(code))

    async with open_outbound() as world, trio.open_nursery() as nursery:
        connector = await world.connect(open_stream=scripted(nursery, ends))
        assert await connector.wait_ended() == Remote(code)
        assert world.ours.now.reasons == [Remote(code)]


async def test_our_close_ends_the_session_on_the_server(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        connector = await world.connect()
        world.ours.now.say("last")
        connector.close(1000, "bye")
        assert await connector.wait_ended() == Stop()
        assert world.theirs.now.heard == ["hello", "last"] and world.theirs.now.reasons == [Remote(1000, "bye")]


async def test_an_actor_that_crashes_ends_the_session_on_the_server_and_a_new_one_begins(autojump_clock: Any) -> None:
    class Crashing(Side):
        def handle_client_message(self, life: Any, conn: Any, frame: Any) -> Any:
            if frame == "crash":
                raise ZeroDivisionError
            return super().handle_client_message(life, conn, frame)

    async with open_outbound(Crashing()) as world:
        await world.connect()
        first = world.ours.now
        world.theirs.now.say("crash")
        await world.until(lambda: len(world.ours.lives) == 2)
        assert [type(reason) for reason in first.reasons] == [Error]
        assert world.theirs.lives[0].reasons == [Remote(1000)]
        world.events[:] = [event for event in world.events if not isinstance(event, e.ActorCrashed)]


# Without a wire


async def test_it_is_closed_while_there_is_no_wire(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        connector = await world.connect()
        await world.lose()
        connector.close()
        assert await connector.wait_ended() == Stop()
        assert world.ours.now.reasons == [Stop()] and connector.conn is None


async def test_an_actor_that_closes_itself_while_there_is_no_wire_is_not_begun_again(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        connector = await world.connect()
        await world.lose()
        world.ours.now.conn.close(1000)
        began = trio.current_time()
        assert await connector.wait_ended() == Stop()
        assert trio.current_time() - began < 0.5
        assert len(world.ours.lives) == len(world.wires) == 1


async def test_an_actor_that_ends_while_the_server_is_asked_leaves_that_wire(autojump_clock: Any) -> None:
    left: list[Any] = []

    async def slow(wire: Scripted) -> None:
        await wire.accept()
        assert (await wire.hear()).startswith('\0{"resume"')
        world.ours.now.conn.close()
        left.append(await wire.closed())

    async def first(wire: Scripted) -> None:
        await talk(wire, greeting(), Close(1001))

    async with open_outbound() as world, trio.open_nursery() as nursery:
        connector = await world.connect(open_stream=scripted(nursery, first, slow))
        assert await connector.wait_ended() == Stop()
        await world.until(lambda: left == [(1000, "")])


async def test_one_that_takes_its_name_while_there_is_no_wire_ends_it(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        connector = await world.connect()
        await world.ours.now.conn.register("bot")
        await world.lose()
        world.is_up = True
        other = await world.runtime.connect("ws://host/other", Side(), open_stream=world.open_stream)
        assert other.conn is not None
        await other.conn.register("bot", on_conflict="takeover")
        assert await connector.wait_ended() == Replaced("bot")
        assert world.ours.now.reasons == [Replaced("bot")]


async def test_a_drain_ends_it_while_there_is_no_wire(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        connector = await world.connect()
        await world.lose()
        await world.runtime.supervisor.drain(5)
        assert await connector.wait_ended() == Shutdown()
        assert world.ours.now.reasons == [Shutdown()]


async def test_an_end_of_the_runtime_ends_it_while_there_is_no_wire(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        await world.connect()
        await world.lose()
    assert len(world.ours.now.reasons) == 1


async def test_when_it_is_given_up_the_actor_ends_as_its_wire_did(autojump_clock: Any) -> None:
    class Slow(Side):
        async def terminate(self, life: Any, conn: Any, reason: Any) -> None:  # type: ignore[override]
            await trio.sleep(1)
            life.reasons.append(reason)

    async with open_outbound(Slow()) as world:
        connector = await world.connect(backoff=Backoff(initial=1, jitter=0, max_attempts=3))
        await world.lose()
        with pytest.raises(Unreachable):
            await connector.wait_ended()
        assert world.ours.now.reasons == [Remote(1006)] == [connector.reason]


async def test_without_resumable_it_is_not_asked_for(autojump_clock: Any) -> None:
    async with open_outbound() as world:
        await world.connect(resumable=False)
        world.cut()
        await world.until(lambda: len(world.ours.lives) == 2)
        assert not world.told(e.SessionDetached) and not world.told(e.SessionLost)
