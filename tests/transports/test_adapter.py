"""An actor behind a transport of a user's: bounds, deadlines, faults, and how the transport is called."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws import (
    Close,
    Coalesce,
    Conn,
    Error,
    InvalidReturn,
    Overflow,
    Ping,
    Pong,
    ProtocolError,
    Remote,
    SendStatus,
    Stop,
    Timeout,
    Websocket,
)
from actorws.events import ActorCrashed, BackgroundCrashed, OutputFull, ProtocolViolated, ReadingPaused
from tests.support.scripted import Scripted, running

SENT, BACKPRESSURED, DROPPED, CLOSED = SendStatus


class Subject(Websocket):
    """Answers ``say`` with what its test wants."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.heard: list[Any] = []
        self.drains: list[int] = []
        self.reasons: list[Any] = []
        self.ready_states: list[Any] = []

    def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
        self.heard.append(frame)
        return state, self.answers.get(frame, [])

    def handle_drain(self, state: Any, conn: Conn) -> Any:
        self.drains.append(conn.buffered)
        return state, []

    def terminate(self, state: Any, conn: Conn, reason: Any) -> None:
        self.reasons.append(reason)
        self.ready_states.append(conn.ready_state.name)


# Output


async def test_up_to_the_high_water_mark_frames_are_sent_and_above_it_they_are_under_backpressure() -> None:
    wire = Scripted()
    wire.block()
    async with running(wire, Subject(), high_water_mark=100, backpressure_limit=150) as actor:
        send = actor.conn.send
        assert [send("x" * 48), send("x" * 48), send("x" * 38), send("x" * 38), send("x")] == [
            SENT,
            SENT,
            BACKPRESSURED,
            DROPPED,
            BACKPRESSURED,
        ]
        assert actor.conn.buffered == 50 + 50 + 40 + 3
        wire.unblock()
        await wait_all_tasks_blocked()
        assert [len(frame) for frame in wire.sent] == [48, 48, 38, 1]


async def test_what_is_being_sent_counts_for_the_bound() -> None:
    wire = Scripted()
    wire.block()
    async with running(wire, Subject(), high_water_mark=10, backpressure_limit=100) as actor:
        actor.conn.send("x" * 58)
        await wait_all_tasks_blocked()
        assert [actor.conn.send("x" * 48), actor.conn.send("x" * 38), actor.conn.buffered] == [
            DROPPED,
            BACKPRESSURED,
            100,
        ]


async def test_empty_messages_cost_something_too() -> None:
    wire = Scripted()
    wire.block()
    async with running(wire, Subject(), high_water_mark=10, backpressure_limit=20) as actor:
        assert [actor.conn.send("") for _ in range(12)].count(DROPPED) == 2


async def test_a_message_that_could_never_fit_is_dropped_though_nothing_waits() -> None:
    wire, subject = Scripted(), Subject()
    async with running(wire, subject, high_water_mark=10, backpressure_limit=20) as actor:
        assert actor.conn.send("x" * 30) is DROPPED
        await wait_all_tasks_blocked()
        assert wire.sent == [] and subject.drains == []


async def test_handle_drain_is_called_once_per_relief() -> None:
    wire, subject = Scripted(), Subject()
    async with running(wire, subject, high_water_mark=10) as actor:
        for reliefs in (1, 2):
            wire.block()
            statuses = [actor.conn.send("xxxx") for _ in range(5)]
            assert statuses == [SENT] + [BACKPRESSURED] * 4
            wire.unblock()
            await wait_all_tasks_blocked()
            assert subject.drains == [0] * reliefs
            actor.conn.send("ok")
            await wait_all_tasks_blocked()
            assert subject.drains == [0] * reliefs


async def test_without_backpressure_handle_drain_is_not_called() -> None:
    wire, subject = Scripted(), Subject()
    async with running(wire, subject) as actor:
        assert actor.conn.send("hello") is SENT
        await wait_all_tasks_blocked()
        assert wire.sent == ["hello"] and subject.drains == []


async def test_above_the_mark_the_client_is_not_read_from_until_it_has_taken_everything() -> None:
    wire, subject = Scripted(), Subject()
    wire.block()
    async with running(wire, subject, high_water_mark=10) as actor:
        actor.conn.send("x" * 30)
        wire.hears("one", "two")
        await wait_all_tasks_blocked()
        assert subject.heard == [] and actor.all(ReadingPaused)[0].limit == "high_water_mark"
        wire.unblock()
        await wait_all_tasks_blocked()
        assert subject.heard == ["one", "two"]


async def test_drop_old_lets_the_newest_in() -> None:
    wire = Scripted()
    wire.block()
    options = {"high_water_mark": 0, "backpressure_limit": 16, "output_policy": "drop_old"}
    async with running(wire, Subject(), **options) as actor:
        assert [actor.conn.send(f"no {number}") for number in range(4)][1:] == [BACKPRESSURED] * 3
        assert actor.all(OutputFull)[-1].policy == "drop_old"
        wire.unblock()
        await wait_all_tasks_blocked()
        assert wire.sent == ["no 0", "no 3"]


async def test_coalesce_keeps_the_newest_of_a_key() -> None:
    wire = Scripted()
    wire.block()
    async with running(wire, Subject(), high_water_mark=0, output_policy=Coalesce(lambda frame: frame[0])) as actor:
        for frame in ("x", "a1", "b1", "a2", "a3"):
            actor.conn.send(frame)
        wire.unblock()
        await wait_all_tasks_blocked()
        assert wire.sent == ["x", "a3", "b1"]


async def test_a_key_function_that_fails_ends_its_own_actor() -> None:
    wire, subject = Scripted(), Subject()
    wire.block()
    async with running(wire, subject, high_water_mark=0, output_policy=Coalesce(lambda frame: frame.nonsense)) as actor:
        assert [actor.conn.send("x"), actor.conn.send("y")] == [SENT, CLOSED]
        wire.unblock()
        assert isinstance(await actor.wait_over(), Error)
        assert actor.all(ActorCrashed)[0].callback == "output_policy"


async def test_close_as_policy_closes_with_1013_and_ends_with_overflow() -> None:
    wire, subject = Scripted(), Subject()
    wire.block()
    options = {"high_water_mark": 0, "backpressure_limit": 10, "output_policy": "close"}
    async with running(wire, subject, **options) as actor:
        conn = actor.conn
        assert [conn.send("12345"), conn.send("12345"), conn.send("1")] == [SENT, DROPPED, CLOSED]
        wire.unblock()
        assert await actor.wait_over() == Overflow("output")
        assert wire.sent == ["12345"] and [frame.code for frame in wire.closed] == [1013]


async def test_frames_of_all_kinds_reach_the_transport_as_they_are() -> None:
    wire = Scripted()
    frames = ["text", b"bytes", bytearray(b"array"), memoryview(b"view"), Ping(b"1"), Pong(b"2"), "", b""]
    async with running(wire, Subject(go=frames)):
        wire.hears("go")
        await wait_all_tasks_blocked()
        assert wire.sent == ["text", b"bytes", b"array", b"view", Ping(b"1"), Pong(b"2"), "", b""]
        assert {type(frame) for frame in wire.sent} == {str, bytes, Ping, Pong}


async def test_nothing_is_sent_behind_a_close() -> None:
    wire = Scripted()
    async with running(wire, Subject(go=["one", Close(4001, "end"), "two"])) as actor:
        wire.hears("go")
        assert await actor.wait_over() == Stop()
        assert wire.sent == ["one"] and wire.closed == [Close(4001, "end")]


@pytest.mark.parametrize("frames", [["fine", 12], 12, [None]])
async def test_what_is_no_frame_sends_nothing_of_its_return_and_crashes_the_actor(frames: Any) -> None:
    wire = Scripted()
    async with running(wire, Subject(go=frames)) as actor:
        wire.hears("go")
        reason = await actor.wait_over()
        assert isinstance(reason, Error) and isinstance(reason.exception, InvalidReturn)
        assert wire.sent == [] and wire.closed == [Close(1011)]


# Input


async def test_a_full_mailbox_makes_the_transport_wait_and_loses_nothing() -> None:
    wire, gate, heard = Scripted(), trio.Event(), []

    class Slow(Websocket):
        async def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
            await gate.wait()
            heard.append(frame)
            return state, []

    async with running(wire, Slow, mailbox_messages=2) as actor:
        wire.hears(*map(str, range(10)))
        await wait_all_tasks_blocked()
        assert wire.receives < 6 and actor.all(ReadingPaused)[0].limit == "mailbox_messages"
        gate.set()
        await wait_all_tasks_blocked()
        assert heard == list(map(str, range(10)))


async def test_a_message_above_the_limit_is_refused_with_1009() -> None:
    wire, subject = Scripted(), Subject()
    async with running(wire, subject, max_message_size=6) as actor:
        wire.hears("sixsix", "\xfc\xfc\xfc", b"seven77", "more")
        reason = await actor.wait_over()
        assert isinstance(reason, Error) and isinstance(reason.exception, ProtocolError)
        assert subject.heard == ["sixsix", "\xfc\xfc\xfc"] and [frame.code for frame in wire.closed] == [1009]
        assert actor.all(ProtocolViolated)[0].limit == "max_message_size"


async def test_what_a_transport_finds_wrong_with_its_client_is_told_with_its_code() -> None:
    wire = Scripted()
    async with running(wire, Subject()) as actor:
        wire.hears(ProtocolError(1007, "no such thing \xfc" + 200 * "x"))
        assert isinstance(await actor.wait_over(), Error)
        assert wire.closed[0].code == 1007 and wire.closed[0].reason.startswith("no such thing")
        assert not actor.all(ActorCrashed)


async def test_a_text_that_is_none_is_the_clients_fault() -> None:
    wire = Scripted()
    async with running(wire, Subject()) as actor:
        wire.hears("\ud800")
        assert isinstance(await actor.wait_over(), Error)
        assert wire.closed[0].code == 1007 and not actor.all(ActorCrashed)


# The end


@pytest.mark.parametrize("leave", [Close(4000, "bye"), Remote(1005)])
async def test_the_clients_leave_ends_the_actor_behind_what_it_said(leave: Any) -> None:
    wire, subject = Scripted(), Subject()
    async with running(wire, subject) as actor:
        wire.hears("last", leave)
        assert await actor.wait_over() == Remote(leave.code, leave.reason)
        assert subject.heard == ["last"] and wire.closed == [] and wire.aborted == 1


@pytest.mark.parametrize(
    "gone", [trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError, ConnectionError]
)
async def test_a_wire_that_is_gone_is_a_1006(gone: type[Exception]) -> None:
    wire = Scripted()
    async with running(wire, Subject()) as actor:
        wire.hears(gone())
        assert await actor.wait_over() == Remote(1006)
        assert wire.closed == [] and wire.aborted == 1


async def test_a_send_that_fails_is_followed_by_nothing_but_abort() -> None:
    wire = Scripted()
    wire.send_raises = trio.BrokenResourceError()
    async with running(wire, Subject(go=["one", "two", Close()])) as actor:
        wire.hears("go")
        await wait_all_tasks_blocked()
        assert await actor.wait_over() == Stop()
        assert wire.sent == [] and wire.closed == [] and wire.aborted == 1


async def test_an_actor_that_aborts_cuts_a_send_short() -> None:
    wire = Scripted()
    wire.block()
    async with running(wire, Subject()) as actor:
        actor.conn.send("never")
        await wait_all_tasks_blocked()
        actor.conn.abort()
        assert await actor.wait_over() == Stop()
        assert wire.sent == [] and wire.closed == [] and wire.aborted == 1


async def test_a_client_that_doesnt_take_our_leave_is_cut_after_close_timeout(autojump_clock: Any) -> None:
    wire = Scripted()
    wire.close_hangs = True
    async with running(wire, Subject(), close_timeout=3.0) as actor:
        began = trio.current_time()
        assert actor.conn.close(4000)
        assert await actor.wait_over() == Timeout("close")
        assert 3.0 <= trio.current_time() - began < 4.0 and wire.aborted == 1


async def test_a_client_that_takes_nothing_is_cut_after_close_timeout(autojump_clock: Any) -> None:
    wire = Scripted()
    wire.block()
    async with running(wire, Subject(), close_timeout=3.0) as actor:
        actor.conn.send("never taken")
        actor.conn.close()
        assert await actor.wait_over() == Timeout("close")
        assert wire.closed == [] and wire.aborted == 1


async def test_after_our_close_the_client_is_not_heard_any_more_but_its_leave_is() -> None:
    wire, subject = Scripted(), Subject()
    wire.block()
    async with running(wire, subject) as actor:
        actor.conn.send("waits")
        await wait_all_tasks_blocked()
        actor.conn.close()
        wire.hears("too late", Close(1000))
        assert await actor.wait_over() == Stop()
        assert subject.heard == []


async def test_a_leave_that_breaks_is_a_leave_all_the_same() -> None:
    wire = Scripted()
    wire.close_raises = trio.BrokenResourceError()
    async with running(wire, Subject()) as actor:
        actor.conn.close()
        assert await actor.wait_over() == Stop()
        assert not actor.all(ActorCrashed)


# Silence


async def test_a_silent_client_is_ended_with_1001_at_its_time(autojump_clock: Any) -> None:
    wire = Scripted()
    async with running(wire, Subject(), idle_timeout=30.0) as actor:
        began = trio.current_time()
        assert await actor.wait_over() == Timeout("idle")
        assert 30.0 <= trio.current_time() - began < 33.0
        assert wire.closed == [Close(1001, "idle for too long")]


async def test_what_a_client_says_makes_its_time_begin_again(autojump_clock: Any) -> None:
    wire = Scripted()
    async with running(wire, Subject(), idle_timeout=30.0) as actor:
        for _ in range(5):
            await trio.sleep(25)
            wire.hears("still here")
        await trio.sleep(25)
        assert not actor.over.is_set()


async def test_a_client_that_answers_pings_may_be_silent_for_ever(autojump_clock: Any) -> None:
    wire = Scripted()
    wire.ping_answers = True
    async with running(wire, Subject(), idle_timeout=30.0) as actor:
        await trio.sleep(1000)
        assert not actor.over.is_set() and 1000 / 30 <= wire.pings <= 1000 / 20


async def test_a_client_that_doesnt_answer_a_ping_is_ended(autojump_clock: Any) -> None:
    wire = Scripted()
    wire.ping_answers = None
    async with running(wire, Subject(), idle_timeout=30.0) as actor:
        assert await actor.wait_over() == Timeout("ping")
        assert wire.pings == 1


async def test_without_pings_nobody_is_asked(autojump_clock: Any) -> None:
    wire = Scripted()
    wire.ping_answers = True
    async with running(wire, Subject(), idle_timeout=30.0, send_pings=False) as actor:
        assert await actor.wait_over() == Timeout("idle")
        assert wire.pings == 0


async def test_a_ping_that_finds_the_wire_gone_ends_the_actor(autojump_clock: Any) -> None:
    wire = Scripted()
    wire.ping_answers = trio.BrokenResourceError()
    async with running(wire, Subject(), idle_timeout=30.0) as actor:
        assert await actor.wait_over() == Remote(1006)


async def test_who_is_not_read_from_is_not_timed_out(autojump_clock: Any) -> None:
    wire, gate = Scripted(), trio.Event()

    class Slow(Websocket):
        async def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
            await gate.wait()
            return state, []

    async with running(wire, Slow, idle_timeout=30.0, mailbox_messages=1) as actor:
        wire.hears("one", "two", "three")
        await trio.sleep(100)
        assert not actor.over.is_set()
        gate.set()
        assert await actor.wait_over() == Timeout("idle")


async def test_without_idle_timeout_nobody_is_timed_out(autojump_clock: Any) -> None:
    wire = Scripted()
    async with running(wire, Subject(), idle_timeout=None) as actor:
        await trio.sleep(10_000)
        assert not actor.over.is_set()


# Faults of the transport


async def test_a_fault_of_receive_ends_the_actor_with_error_and_the_client_is_told() -> None:
    wire, subject = Scripted(), Subject()
    async with running(wire, subject) as actor:
        fault = ZeroDivisionError()
        wire.hears(fault)
        assert await actor.wait_over() == Error(fault) and subject.reasons[0].exception is fault
        crashed = actor.all(ActorCrashed)[0]
        assert (crashed.callback, crashed.exception) == ("Scripted.receive", fault)
        assert wire.closed == [Close(1011)]


@pytest.mark.parametrize("nonsense", [None, 12, Ping(), ["text"]])
async def test_what_receive_may_not_return_is_a_fault_that_names_it(nonsense: Any) -> None:
    wire = Scripted()
    async with running(wire, Subject()) as actor:
        wire.hears(nonsense)
        reason = await actor.wait_over()
        assert isinstance(reason, Error) and "Scripted.receive must return" in str(reason.exception)


async def test_a_fault_of_send_ends_the_actor_with_error_and_cuts_the_wire() -> None:
    wire = Scripted()
    wire.send_raises = ZeroDivisionError()
    async with running(wire, Subject(go="answer")) as actor:
        wire.hears("go")
        assert isinstance(await actor.wait_over(), Error)
        assert actor.all(ActorCrashed)[0].callback == "Scripted.send" and wire.closed == []


async def test_a_fault_of_close_is_told() -> None:
    wire = Scripted()
    wire.close_raises = ZeroDivisionError()
    async with running(wire, Subject()) as actor:
        actor.conn.close()
        assert isinstance(await actor.wait_over(), Error)
        assert actor.all(ActorCrashed)[0].callback == "Scripted.close"


async def test_a_fault_of_abort_is_told_and_hurts_nobody() -> None:
    class Bad(Scripted):
        def abort(self) -> None:
            super().abort()
            raise ZeroDivisionError

    wire, subject = Bad(), Subject()
    async with running(wire, subject) as actor:
        wire.hears(Close(1000))
        assert await actor.wait_over() == Remote(1000)
        assert actor.all(BackgroundCrashed)[0].name == "Bad.abort"


async def test_a_fault_while_leave_is_taken_is_no_crash_of_the_actor() -> None:
    wire, subject = Scripted(), Subject()
    wire.close_raises = ZeroDivisionError()

    def crash(*_: Any) -> Any:
        raise KeyError

    subject.handle_client_message = crash  # type: ignore[method-assign]
    async with running(wire, subject) as actor:
        wire.hears("crash")
        assert isinstance(await actor.wait_over(), Error)
        assert actor.all(BackgroundCrashed)[0].name == "Scripted.close"
