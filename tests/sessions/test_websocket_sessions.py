"""Sessions over WebSockets, from the first words to the end, in virtual time."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from actorws import (
    App,
    Close,
    Coalesce,
    Error,
    Overflow,
    Remote,
    Replaced,
    SendStatus,
    Shutdown,
    Stop,
    Timeout,
    Websocket,
    testing,
)
from actorws.conn import ReadyState
from actorws.events import (
    ActorEnded,
    ActorStarted,
    HandshakeRefused,
    OutputFull,
    ProtocolViolated,
    ReadingPaused,
    SessionDetached,
    SessionLost,
    SessionResumed,
)
from tests.support.session_client import control
from tests.support.sessions import SessionWire, open_wire, resumed, store_of
from tests.support.wire import TEXT, frame


class Chat(Websocket):
    """Echoes, and does what it is told."""

    resumable = True

    def init(self, conn: Any) -> Any:
        conn.join_nowait("all")
        return 0, ["welcome"]

    def handle_client_message(self, count: Any, conn: Any, frame: Any) -> Any:
        match frame:
            case "bye":
                return count, ["last", Close(4001, "bye")]
            case "crash":
                raise ZeroDivisionError
        return count + 1, [frame]

    def handle_server_message(self, count: Any, conn: Any, message: Any) -> Any:
        match message:
            case "bye":
                return count, ["last", Close(4001, "bye")]
            case "crash":
                raise ZeroDivisionError
            case "close":
                conn.close(4002, "closed")
                return count, None
            case "abort":
                conn.abort()
                return count, None
        return count, [message]


def app_of(behaviour: type[Websocket] = Chat, **options: Any) -> App:
    app = App()
    app.websocket("/", behaviour, **options)
    return app


def conn_of(server: Any) -> Any:
    return [event.conn for event in server.events if isinstance(event, ActorStarted)][-1]


def ends(server: Any) -> list[Any]:
    return [event.reason for event in server.events if isinstance(event, ActorEnded)]


async def welcomed(server: Any, **options: Any) -> SessionWire:
    wire = await open_wire(server, **options)
    assert await wire.receive() == "welcome"
    return wire


async def detached(server: Any, **options: Any) -> SessionWire:
    """A session whose wire is lost."""
    wire = await welcomed(server, **options)
    wire.cut()
    await server.wait_event(SessionDetached)
    return wire


# The first words


async def raw(server: Any, *frames: str | bytes) -> Any:
    websocket = await server.connect("/", subprotocols=["actorws.v1"])
    for said in frames:
        await websocket.send(said)
    return websocket


@pytest.mark.parametrize(
    "frames",
    [
        ["hello"],
        [b"hello"],
        [""],
        ["\0\0hello"],
        ["\0{"],
        ["\0" + " " * 2048 + '{"new":true}'],
        [control(ack=0)],
        [control(ping=1)],
        [control(close={"code": 1000})],
        [control(new=True), control(new=True)],
        [control(new=True), control(resume="x", received=0)],
        [control(new=True), "\0x"],
        [control(new=True), control(ack=3)],
        [control(new=True), control(close={"code": 1000})],
    ],
)
async def test_who_breaks_the_rules_of_control_messages_gets_1002(frames: list[Any], autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        websocket = await raw(server, *frames)
        assert (await websocket.wait_closed()).code == 1002
        violated = await server.wait_event(ProtocolViolated)
        assert violated.message
        assert all(type(end) is Error for end in ends(server))
        await trio.sleep(1)
        assert len(store_of(server)) == len(server.runtime.supervisor) == 0


async def test_a_count_lower_than_one_said_before_is_a_violation(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server)
        await wire.send("a")
        assert await wire.receive() == "a"
        await wire.say(control(ack=2), control(ack=2), control(ack=1))
        assert (await wire.end() or Close()).code == 1002


@pytest.mark.parametrize("received", [0, 7])
async def test_a_resume_with_a_count_that_cannot_be_ends_its_wire_and_not_the_session(
    received: int, autojump_clock: Any
) -> None:
    """It may be what the client said long ago, on a wire that it has left since."""
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server)
        await wire.ack()
        wire.cut()
        wire = await resumed(server, wire)
        stray = await raw(server, control(resume=wire.client.now.id, received=received))
        assert (await stray.wait_closed()).code == 1002
        await wire.send("still here")
        assert await wire.receive() == "still here"
        assert ends(server) == []


async def test_a_client_that_says_nothing_has_ten_seconds(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        began = trio.current_time()
        websocket = await raw(server)
        assert (await websocket.wait_closed()).code == 1002
        assert 10 <= trio.current_time() - began < 11
        assert ends(server) == []


async def test_the_greeting_comes_first_then_what_init_has_said(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        websocket = await raw(server, control(new=True), "early")
        greeting = await websocket.receive()
        assert json.loads(greeting[1:]).keys() == {"session", "resumed", "received"}
        assert [await websocket.receive() for _ in range(2)] == ["welcome", "early"]


async def test_subprotocols_of_the_application_are_offered_beside_it(autojump_clock: Any) -> None:
    async with testing.open_app(app_of(subprotocols=("chat",))) as server:
        wire = await open_wire(server, subprotocols=["other", "chat"])
        assert wire.client.now.subprotocol == "chat"
        assert conn_of(server).subprotocol == "chat"
        wire = await open_wire(server, subprotocols=["other"])
        assert wire.client.now.subprotocol is None


async def test_a_wire_that_has_not_said_what_it_wants_does_not_hold_up_a_shutdown(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        websocket = await server.connect("/", subprotocols=["actorws.v1"])
        before = trio.current_time()
        await server.shut_down()
        assert trio.current_time() - before < 1
        assert await websocket.wait_closed() == Remote(1001)
        assert ends(server) == []


async def test_what_is_not_resumable_ends_with_its_wire_and_coming_back_is_in_vain(autojump_clock: Any) -> None:
    async with testing.open_app(app_of(resumable=False)) as server:
        websocket = await raw(server, control(new=True))
        session = json.loads((await websocket.receive())[1:])["session"]
        websocket.abort()
        await server.wait_event(ActorEnded)
        assert ends(server) == [Remote(1006)]
        websocket = await raw(server, control(resume=session, received=0))
        greeting = json.loads((await websocket.receive())[1:])
        assert (greeting["resumed"], greeting["lost"]) == (False, "unknown")
        assert await websocket.receive() == "welcome"


@pytest.mark.parametrize("offered", [[], ["other"]])
async def test_a_client_that_does_not_speak_it_has_a_plain_websocket(offered: list[str], autojump_clock: Any) -> None:
    async with testing.open_app(app_of(resumable=True)) as server:
        websocket = await server.connect("/", subprotocols=offered)
        assert websocket.subprotocol is None
        assert await websocket.receive() == "welcome"
        await websocket.send("\0plain")
        assert await websocket.receive() == "\0plain"
        websocket.abort()
        await server.wait_event(ActorEnded)
        assert ends(server) == [Remote(1006)]
        assert len(store_of(server)) == 0


async def test_control_pings_are_answered(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server)
        for value in (None, True, 0, 1.5, "é"):
            await wire.say(control(ping=value))
        await wire.until(lambda: len(wire.client.pongs) == 5)
        assert wire.client.pongs == [None, True, 0, 1.5, "é"]


async def test_messages_before_and_behind_a_control_message_of_the_same_read_are_handled_in_order(
    autojump_clock: Any,
) -> None:
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server)
        said = [*wire.client.send("a"), control(ping=1), *wire.client.send("b"), *wire.client.ack()]
        said += wire.client.send("c")
        await wire.websocket.send_raw(b"".join(frame(TEXT, text.encode()) for text in said if isinstance(text, str)))
        assert await wire.receive_many(3) == ["a", "b", "c"]
        await wire.until(lambda: wire.client.now.acked == 3)
        assert wire.client.pongs == [1]


# Resuming


@pytest.mark.parametrize("how", ["cut", "hang up", 1001, 4000, 4499, 1011])
async def test_a_lost_wire_detaches_and_what_was_missed_is_sent_again(how: Any, autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server)
        await wire.send("a", b"b", "\0c", "")
        assert await wire.receive_many(4) == ["a", b"b", "\0c", ""]
        if how == "cut":
            wire.cut()
        elif how == "hang up":
            await wire.websocket.hang_up()
        else:
            await wire.websocket.close(how)
        wire.client.lose()
        lost = await server.wait_event(SessionDetached)
        assert lost.reason == Remote(how if isinstance(how, int) else 1006)
        await wire.send("while away")
        server.runtime.group.publish_nowait("all", "news")
        server.runtime.group.broadcast_nowait("all", b"more")
        await trio.sleep(20)
        wire = await resumed(server, wire)
        assert sorted(map(str, await wire.receive_many(3))) == ["b'more'", "news", "while away"]
        assert (await server.wait_event(SessionResumed)).transport == "websocket"
        assert (ends(server), wire.client.past) == ([], [])


@pytest.mark.parametrize("code", [1000, None, 4500, 4999])
async def test_other_codes_end_the_session(code: int | None, autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server)
        await wire.websocket.close(code)
        assert ends(server) == [Remote(1005 if code is None else code)]
        wire = await resumed(server, wire)
        assert wire.client.past[0].lost == "unknown"


async def test_the_newest_wire_wins_and_the_old_one_does_not_matter_any_more(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        old = await welcomed(server, automatic=False)
        await old.say("a")
        old.client.now.sent.append("a")
        assert await old.receive() == "a"
        new = await open_wire(server, old.client)
        closed = await old.websocket.receive()
        assert closed == Close(4509, "another wire has taken this one's place")
        await old.websocket.send("late")
        await new.send("b")
        assert await new.receive() == "b"
        old.websocket.abort()
        await trio.sleep(10)
        await new.send("c")
        assert await new.receive() == "c"
        assert not any(isinstance(event, SessionDetached) for event in server.events)
        assert new.client.now.acked == 2 or new.client.now.acked == 3


async def test_what_the_client_has_sent_is_acknowledged_in_time(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server)
        began = trio.current_time()
        await wire.send("a")
        await wire.until(lambda: wire.client.now.acked == 1)
        assert 0.9 <= trio.current_time() - began <= 1.1
        began = trio.current_time()
        await wire.send(*"x" * 32)
        await wire.until(lambda: wire.client.now.acked == 33)
        await wire.send(b"x" * (64 * 1024))
        await wire.until(lambda: wire.client.now.acked == 34)
        assert trio.current_time() - began < 0.5


async def test_what_is_acknowledged_is_not_kept(autojump_clock: Any) -> None:
    async with testing.open_app(app_of(session_buffer_messages=3)) as server:
        wire = await welcomed(server)
        for _ in range(5):
            await wire.send(*"abc")
            assert await wire.receive_many(3) == list("abc")
            await wire.ack()
            await trio.sleep(1)
            assert [session.kept_bytes for session in store_of(server)._by_serial.values()] == [0]
            wire.cut()
            wire = await resumed(server, wire)
        assert wire.client.past == []


async def test_a_client_that_has_missed_more_than_is_kept_is_told_lost_and_init_runs_afresh(
    autojump_clock: Any,
) -> None:
    async with testing.open_app(app_of(session_buffer_messages=3)) as server:
        wire = await welcomed(server, automatic=False)
        client = wire.client
        for number in range(5):
            await wire.say(str(number))
        await trio.sleep(0.5)
        wire.cut()
        await trio.sleep(0.5)
        wire = await resumed(server, wire)
        assert client.past[0].lost == "overflow"
        assert await wire.receive() == "welcome"
        assert ends(server) == [Overflow("session")]
        assert (await server.wait_event(SessionLost)).reason == "overflow"


@pytest.mark.parametrize(
    ("limit", "most"),
    [("session_buffer_messages", 3), ("session_buffer_bytes", 30)],
)
@pytest.mark.parametrize("policy", ["drop_new", "close", "close_on_backpressure_limit"])
async def test_a_session_that_has_more_to_keep_than_it_may_ends(
    limit: str, most: int, policy: str, autojump_clock: Any
) -> None:
    more: dict[str, Any] = {policy: True} if policy.startswith("close_on") else {"output_policy": policy}
    async with testing.open_app(app_of(**{limit: most}, **more)) as server:
        wire = await detached(server)
        conn = conn_of(server)
        statuses = [conn.send("0123456789") for _ in range(5)]
        assert statuses == [SendStatus.BACKPRESSURED] * 3 + [SendStatus.CLOSED] * 2
        full = await server.wait_event(OutputFull)
        assert (full.policy, full.limit) == ("close", limit)
        assert ends(server) == [Overflow("session")]
        wire = await resumed(server, wire)
        assert wire.client.past[0].lost == "overflow"


async def test_drop_old_keeps_the_newest_for_a_client_that_is_away(autojump_clock: Any) -> None:
    async with testing.open_app(app_of(session_buffer_messages=3, output_policy="drop_old")) as server:
        wire = await detached(server)
        for number in range(10):
            conn_of(server).send(str(number))
        full = await server.wait_event(OutputFull)
        assert (full.policy, full.limit) == ("drop_old", "session_buffer_messages")
        wire = await resumed(server, wire)
        assert await wire.receive_many(3) == ["7", "8", "9"]
        assert wire.client.past == []


async def test_coalesce_keeps_one_of_each_for_a_client_that_is_away(autojump_clock: Any) -> None:
    policy = Coalesce(lambda frame: frame[0])
    async with testing.open_app(app_of(session_buffer_messages=3, output_policy=policy)) as server:
        wire = await detached(server)
        for number in range(100):
            conn_of(server).send(f"{'abc'[number % 3]}{number}")
        wire = await resumed(server, wire)
        assert await wire.receive_many(3) == ["a99", "b97", "c98"]


async def test_a_policy_whose_key_raises_ends_the_session(autojump_clock: Any) -> None:
    policy = Coalesce(lambda frame: frame.nothing)
    async with testing.open_app(app_of(output_policy=policy), crashes="ignore") as server:
        await detached(server)
        assert conn_of(server).send("a") is SendStatus.CLOSED
        (end,) = ends(server)
        assert isinstance(end.exception, AttributeError)


async def test_what_waits_when_the_wire_is_lost_is_held_to_the_sessions_bounds(autojump_clock: Any) -> None:
    """The bound of a client that is there may be larger."""
    async with testing.open_app(app_of(session_buffer_bytes=100_000), capacity=1000) as server:
        wire = await welcomed(server)
        wire.websocket.pause_reading()
        conn = conn_of(server)
        while conn.send(b"x" * 50_000) is not SendStatus.BACKPRESSURED:
            pass
        for _ in range(4):
            assert conn.send(b"x" * 50_000) is SendStatus.BACKPRESSURED
        assert ends(server) == []
        wire.cut()
        await server.wait_event(ActorEnded)
        assert ends(server) == [Overflow("session")]
        assert (await server.wait_event(OutputFull)).limit == "session_buffer_bytes"


async def test_a_message_larger_than_all_that_is_kept_is_sent_once(autojump_clock: Any) -> None:
    async with testing.open_app(app_of(session_buffer_bytes=100)) as server:
        wire = await welcomed(server)
        await wire.send("x" * 101, "after")
        assert await wire.receive_many(2) == ["x" * 101, "after"]
        wire.cut()
        wire = await resumed(server, wire)
        assert wire.client.past == []


# The end


async def test_a_client_that_comes_back_to_an_actor_that_has_ended_gets_the_rest_and_its_close(
    autojump_clock: Any,
) -> None:
    async with testing.open_app(Chat) as server:
        wire = await detached(server)
        server.runtime.group.publish_nowait("all", "news")
        server.runtime.group.publish_nowait("all", "bye")
        await server.wait_event(ActorEnded)
        assert ends(server) == [Stop()]
        await trio.sleep(20)
        wire = await resumed(server, wire)
        assert await wire.receive_many(2) == ["news", "last"]
        assert await wire.end() == Close(4001, "bye")
        await trio.sleep(0.1)
        assert len(store_of(server)) == 0


async def test_what_an_actor_has_left_is_kept_for_so_long(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        wire = await detached(server)
        server.runtime.group.publish_nowait("all", "bye")
        await trio.sleep(35)
        assert len(store_of(server)) == 0
        wire = await resumed(server, wire)
        assert wire.client.past[0].lost == "unknown"


@pytest.mark.parametrize("wire_is_there", [True, False])
@pytest.mark.parametrize(("how", "code"), [("bye", 4001), ("close", 4002), ("crash", 1011), ("abort", None)])
async def test_an_actor_ends_with_and_without_a_wire(
    how: str, code: int | None, wire_is_there: bool, autojump_clock: Any
) -> None:
    async with testing.open_app(Chat, crashes="ignore") as server:
        wire = await (welcomed if wire_is_there else detached)(server)
        conn = conn_of(server)
        server.runtime.group.publish_nowait("all", how)
        await server.wait_event(ActorEnded) if not wire_is_there else None
        if not wire_is_there:
            wire = await resumed(server, wire)
        if code is None and not wire_is_there:
            assert wire.client.past[0].lost == "unknown"
        else:
            assert getattr(await wire.end(), "code", None) == code
        assert [type(end) for end in ends(server)] == [Error if how == "crash" else Stop]
        assert conn.ready_state is ReadyState.CLOSED
        assert (conn.buffered, conn.transport, conn.send("x")) == (0, "websocket", SendStatus.CLOSED)


async def test_a_close_that_the_client_may_not_have_heard_is_said_again(autojump_clock: Any) -> None:
    """The wire is cut while the server waits for the answer."""
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server, automatic=False)
        wire.websocket.pause_reading()
        await wire.send("bye")
        await trio.sleep(1)
        assert conn_of(server).ready_state is ReadyState.CLOSING
        wire.cut()
        await server.wait_event(ActorEnded)
        wire = await resumed(server, wire)
        assert await wire.receive() == "last"
        assert await wire.end() == Close(4001, "bye")


async def test_a_close_goes_on_over_a_new_wire(autojump_clock: Any) -> None:
    """The client comes back while the server waits for the answer of the old wire."""
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server, automatic=False)
        wire.websocket.pause_reading()
        await wire.send("bye")
        await trio.sleep(1)
        wire.client.lose()
        new = await resumed(server, wire)
        assert await new.receive() == "last"
        assert await new.end() == Close(4001, "bye")
        assert ends(server) == [Stop()]
        await trio.sleep(1)
        assert len(store_of(server)) == 0


async def test_a_client_that_does_not_answer_our_close_is_not_waited_for(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        wire = await welcomed(server, automatic=False)
        await wire.send("bye")
        await trio.sleep(6)
        assert ends(server) == [Timeout("close")]


async def test_a_session_without_a_wire_looks_open_from_inside(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        wire = await detached(server)
        conn = conn_of(server)
        assert (conn.ready_state, conn.transport, conn.buffered) == (ReadyState.OPEN, "websocket", 0)
        assert conn.send("12345") is SendStatus.BACKPRESSURED
        assert conn.buffered == 5
        wire = await resumed(server, wire)
        assert (await wire.receive(), conn.buffered) == ("12345", 0)


async def test_a_silent_wire_is_left_and_the_session_stays(autojump_clock: Any) -> None:
    async with testing.open_app(app_of(idle_timeout=60.0)) as server:
        wire = await welcomed(server, automatic=False)
        detach = await server.wait_event(SessionDetached)
        assert detach.reason == Timeout("ping")
        wire = await resumed(server, wire)
        await wire.send("a")
        assert await wire.receive() == "a"
        assert ends(server) == []


async def test_a_client_that_is_too_fast_ends_its_session(autojump_clock: Any) -> None:
    async with testing.open_app(app_of(max_frames_per_second=5.0, rate_policy="close")) as server:
        wire = await welcomed(server)
        await wire.websocket.send_raw(b"".join(frame(TEXT, b"x") for _ in range(20)))
        assert (await wire.end() or Close()).code == 1008
        assert ends(server) == [Overflow("rate")]


# What the actor has


class Busy(Chat):
    """Handles a message in a second."""

    async def handle_client_message(self, count: Any, conn: Any, frame: Any) -> Any:
        await trio.sleep(1)
        return count, [f"done {frame}"]


async def test_a_callback_that_runs_does_not_notice_a_new_wire(autojump_clock: Any) -> None:
    async with testing.open_app(Busy) as server:
        wire = await welcomed(server)
        await wire.send("a", "b")
        await trio.sleep(0.5)
        wire.cut()
        await trio.sleep(0.7)
        wire = await resumed(server, wire)
        await wire.send("c")
        assert await wire.receive_many(3) == ["done a", "done b", "done c"]
        assert wire.client.now.acked >= 2


async def test_a_full_mailbox_pauses_the_new_wire_as_well(autojump_clock: Any) -> None:
    async with testing.open_app(app_of(Busy, mailbox_messages=3)) as server:
        wire = await welcomed(server)
        await wire.send(*"abcdefgh")
        await server.wait_event(ReadingPaused)
        wire.cut()
        wire = await resumed(server, wire)
        await wire.send("i")
        assert await wire.receive_many(9) == [f"done {letter}" for letter in "abcdefghi"]
        assert wire.client.past == []


class Named(Chat):
    """Has a name, a group and a timer."""

    def init(self, conn: Any) -> Any:
        conn.register_nowait("me", "takeover")
        conn.join_nowait("all")
        conn.send_after(20, "tick")
        return 0, ["welcome"]


async def test_names_groups_and_timers_do_not_notice_a_lost_wire(autojump_clock: Any) -> None:
    async with testing.open_app(Named) as server:
        wire = await detached(server)
        conn = conn_of(server)
        assert (conn.names, conn.groups) == ({"me"}, {"all"})
        assert await server.runtime.unique.send_message("me", "by name")
        await trio.sleep(25)
        wire = await resumed(server, wire)
        assert await wire.receive_many(2) == ["by name", "tick"]
        assert (conn.names, conn.groups) == ({"me"}, {"all"})


async def test_the_name_of_a_session_without_a_wire_can_be_taken_over(autojump_clock: Any) -> None:
    async with testing.open_app(Named) as server:
        old = await detached(server)
        new = await welcomed(server)
        assert ends(server) == [Replaced("me")]
        old = await resumed(server, old)
        assert (await old.end() or Close()).code == 4500
        await new.send("a")
        assert await new.receive() == "a"


async def test_broadcasts_and_publishes_reach_who_is_there_and_who_is_not(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        wires = [await welcomed(server) for _ in range(3)]
        wires[1].cut()
        await server.wait_event(SessionDetached)
        server.runtime.group.publish_nowait("all", "\0published")
        await trio.sleep(0.1)
        for frame in ("\0broadcast", b"x" * 40_000, "end"):
            server.runtime.group.broadcast_nowait("all", frame)
        wires[1] = await resumed(server, wires[1])
        for wire in wires:
            assert await wire.receive_many(4) == ["\0published", "\0broadcast", b"x" * 40_000, "end"]


async def test_a_broadcast_is_not_dropped_behind_the_sessions_back(autojump_clock: Any) -> None:
    """What the wire's bound would drop has a number already: the client would never know."""
    async with testing.open_app(app_of(backpressure_limit=110_000), capacity=1000) as server:
        wire = await welcomed(server)
        # All in one tick: the first fills the wire, so that it has no room for the last.
        conn_of(server).send(b"first" * 12_000)
        for letter in (b"2", b"3"):
            server.runtime.group.broadcast_nowait("all", letter * 50_000)
        assert [len(message) for message in await wire.receive_many(3)] == [60_000, 50_000, 50_000]
        assert not any(isinstance(event, OutputFull) for event in server.events)


async def test_handle_drain_comes_when_a_client_that_was_away_has_everything(autojump_clock: Any) -> None:
    drained: list[float] = []

    class Drained(Chat):
        def handle_drain(self, count: Any, conn: Any) -> Any:
            drained.append(trio.current_time())
            return count, None

    async with testing.open_app(Drained) as server:
        wire = await detached(server)
        conn_of(server).send("a")
        await trio.sleep(5)
        assert drained == []
        wire = await resumed(server, wire)
        assert await wire.receive() == "a"
        assert len(drained) == 1


async def test_a_message_that_could_never_fit_owes_no_drain(autojump_clock: Any) -> None:
    drained: list[float] = []

    class Drained(Chat):
        def handle_drain(self, count: Any, conn: Any) -> Any:
            drained.append(trio.current_time())
            return count, None

    async with testing.open_app(app_of(Drained, backpressure_limit=1000)) as server:
        wire = await welcomed(server)
        assert conn_of(server).send("x" * 1001) is SendStatus.DROPPED
        wire.cut()
        wire = await resumed(server, wire)
        await wire.send("a")
        assert await wire.receive() == "a"
        assert drained == []


# Room


async def test_a_resume_needs_no_new_slot_and_a_new_session_over_the_cap_gets_1013(autojump_clock: Any) -> None:
    async with testing.open_app(app_of(max_connections=2)) as server:
        first, _ = await detached(server), await welcomed(server)
        third = await open_wire(server, greeted=False)
        assert (await third.end() or Close()).code == 1013
        refused = await server.wait_event(HandshakeRefused)
        assert refused.limit == "max_connections"
        first = await resumed(server, first)
        await first.send("a")
        assert await first.receive() == "a"
        await first.websocket.close()
        assert (await welcomed(server)).client.greeted


async def test_a_drain_ends_sessions_with_and_without_a_wire(autojump_clock: Any) -> None:
    async with testing.open_app(Chat) as server:
        away, here = await detached(server), await welcomed(server)
        silent = await raw(server)
        began = trio.current_time()
        await server.shut_down()
        assert trio.current_time() - began < 15
        assert ends(server) == [Shutdown(), Shutdown()]
        assert (await here.end() or Close()).code == 1001
        assert (await silent.wait_closed()).code in (1001, 1002, 1006)
        assert away.client.now.ended is False
