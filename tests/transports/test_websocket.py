"""The WebSocket transport: bytes in, bytes out, with nothing between but an actor."""

from __future__ import annotations

import pytest
import trio

from actorws import (
    Close,
    Coalesce,
    Error,
    InvalidReturn,
    Overflow,
    Ping,
    Pong,
    ReadyState,
    Remote,
    SendStatus,
    Stop,
    Timeout,
)
from actorws.events import ActorCrashed, ActorEnded, OutputFull, ReadingPaused
from actorws.protocol.encoder import encode
from actorws.transports.websocket_output import LARGE
from actorws.transports.wire import CORK
from tests.support.fake_wire import FakeWire, open_websocket
from tests.support.serving import Echo
from tests.support.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

GOING = frame(CLOSE, b"\x03\xe9")


class Chatty(Echo):
    """Does what the client says."""

    def handle_client_message(self, state, conn, message):
        answers = {
            "two closes": ["last", Close(4000), Close(4001), "never"],
            "a bad frame": ["first", 3],
            "one bad frame": [3],
            "empty": "",
            "nothing": None,
            "none of many": [],
        }
        return state, answers.get(message, [message])

    def handle_server_message(self, state, conn, message):
        return state, [message]


def output(transport):
    """What leaves at the end of a tick."""
    return transport.wire.tick()


def end(seen):
    """The reason that the actor ended for, which is told once."""
    (ended,) = [event for event in seen if isinstance(event, ActorEnded)]
    return ended.reason


@pytest.mark.parametrize(
    "sent, answer",
    [
        (frame(TEXT, b"hello"), b"\x81\x05hello"),
        (frame(BINARY, b"\x00\xff"), b"\x82\x02\x00\xff"),
        (frame(TEXT, "höre".encode()), b"\x81\x05" + "höre".encode()),
        (frame(BINARY, bytes(126)), b"\x82\x7e\x00\x7e" + bytes(126)),
        (frame(BINARY, bytes(65536)), b"\x82\x7f\0\0\0\0\0\x01\0\0" + bytes(65536)),
        (frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b"), b"\x81\x02ab"),
        (frame(TEXT, b"empty"), b"\x81\x00"),
        (frame(TEXT, b"nothing"), b""),
        (frame(TEXT, b"none of many"), b""),
    ],
)
async def test_a_message_is_answered_in_one_unmasked_frame(runtime, sent, answer):
    transport = open_websocket(runtime, Chatty)
    while transport.receive(sent):
        sent = b""
    assert output(transport) == answer


async def test_a_message_may_come_byte_by_byte(runtime):
    transport = open_websocket(runtime, Chatty)
    for byte in frame(TEXT, b"hello"):
        assert output(transport) == b""
        assert not transport.receive(bytes([byte]))
    assert output(transport) == b"\x81\x05hello"


async def test_a_large_payload_is_read_where_it_is_gathered(runtime):
    transport = open_websocket(runtime, Chatty)
    data = frame(BINARY, bytes(200_000))
    transport.receive(data[:20_000])
    assert transport.gathering
    rest = data[20_000:]
    while rest:
        room = transport.room()
        size = min(len(room), len(rest))
        room[:size] = rest[:size]
        room.release()
        assert not transport.filled(size)
        rest = rest[size:]
    assert not transport.gathering
    assert output(transport) == b"\x82\x7f" + (200_000).to_bytes(8, "big") + bytes(200_000)


async def test_all_answers_leave_in_one_write_and_pongs_wait_for_no_callback(runtime):
    transport = open_websocket(runtime, Chatty)
    transport.receive(frame(TEXT, b"1") + frame(PING, b"?") + frame(TEXT, b"2"))
    assert output(transport) == b"\x8a\x01?" + b"\x81\x011" + b"\x81\x012"
    assert len(transport.wire.writes) == 1


async def test_a_pong_of_the_client_is_of_no_interest(runtime, seen):
    transport = open_websocket(runtime, Chatty)
    transport.receive(frame(PONG, b"!"))
    assert output(transport) == b""


async def test_control_frames_are_shown_to_who_asks_for_them(runtime):
    class Control(Echo):
        receive_control = True

        def handle_client_message(self, state, conn, message):
            return state, [repr(message)]

    transport = open_websocket(runtime, Control)
    transport.receive(frame(PING, b"1") + frame(PONG, b"2"))
    shown = [repr(Ping(b"1")), repr(Pong(b"2"))]
    assert output(transport) == encode(Pong(b"1")) + b"".join(map(encode, shown))


# Close


async def test_the_clients_close_is_echoed_and_nothing_comes_behind(runtime, seen):
    transport = open_websocket(runtime, Chatty)
    assert not transport.receive(frame(TEXT, b"1") + GOING + frame(TEXT, b"2") + frame(PING, b"?"))
    assert not transport.receive(frame(TEXT, b"3"))
    assert output(transport) == b"\x81\x011" + b"\x88\x02\x03\xe9"
    assert (transport.wire.ended, end(seen)) == ("closed", Remote(1001))


async def test_our_close_is_the_last_frame_and_its_answer_ends_the_wire(runtime, seen):
    transport = open_websocket(runtime, Chatty)
    transport.receive(frame(TEXT, b"two closes"))
    assert output(transport) == encode("last") + encode(Close(4000))
    assert transport.ready_state is ReadyState.CLOSING
    transport.receive(frame(TEXT, b"late") + frame(PING, b"late"))
    assert (output(transport), transport.wire.ended) == (b"", "")
    transport.receive(frame(CLOSE, b"\x0f\xa0"))
    assert (output(transport), transport.wire.ended, end(seen)) == (b"", "closed", Stop())


async def test_nothing_is_sent_after_our_close_whoever_sends(runtime):
    transport = open_websocket(runtime, Chatty)
    transport.actor.conn.close()
    assert output(transport) == encode(Close())
    assert transport.send("late") is SendStatus.CLOSED
    chunk = encode("late")
    transport.send_encoded(["late"], [chunk], chunk, {})
    assert output(transport) == b""


async def test_a_client_that_does_not_answer_our_close_is_cut_in_time(autojump_clock, runtime, seen):
    transport = open_websocket(runtime, Chatty, close_timeout=3)
    wire = transport.wire
    transport.actor.conn.close()
    await trio.sleep(2.9)
    assert wire.ended == ""
    await trio.sleep(1)
    assert (wire.ended, end(seen)) == ("aborted", Timeout("close"))


async def test_a_client_that_does_not_end_tcp_is_cut_in_time(autojump_clock, runtime, seen):
    transport = open_websocket(runtime, Chatty, close_timeout=3)
    wire = transport.wire
    transport.receive(GOING)
    await trio.sleep(2.9)
    assert wire.ended == "closed"
    await trio.sleep(1)
    assert (wire.ended, end(seen)) == ("aborted", Remote(1001))


@pytest.mark.parametrize("error", [None, ConnectionResetError("gone")])
async def test_the_end_of_tcp_without_a_close_is_1006_and_told_once(runtime, seen, error):
    transport = open_websocket(runtime, Chatty)
    transport.ended(error)
    transport.ended(error)
    assert (output(transport), transport.wire.ended, end(seen)) == (b"", "closed", Remote(1006))


async def test_the_end_of_tcp_after_our_close_is_as_good_as_its_answer(runtime, seen):
    transport = open_websocket(runtime, Chatty)
    transport.actor.conn.close()
    transport.ended(None)
    assert end(seen) == Stop()


@pytest.mark.parametrize("sent, code", [(b"\x81\x01x", 1002), (frame(TEXT, b"\xff"), 1007)])
async def test_a_client_that_breaks_the_protocol_is_told_why(runtime, seen, sent, code):
    transport = open_websocket(runtime, Chatty)
    transport.receive(frame(TEXT, b"before") + sent + frame(TEXT, b"behind"))
    said = output(transport)
    assert said.startswith(encode("before") + b"\x88")
    assert said[len(encode("before")) + 2 :][:2] == code.to_bytes(2, "big")
    reason = end(seen)
    assert isinstance(reason, Error) and reason.exception.code == code


async def test_a_client_that_breaks_the_protocol_after_our_close_is_not_told(runtime, seen):
    transport = open_websocket(runtime, Chatty)
    transport.actor.conn.close()
    output(transport)
    transport.receive(b"\x81\x01x")
    assert (output(transport), transport.wire.ended, end(seen)) == (b"", "closed", Stop())


async def test_when_the_wire_is_gone_everything_can_still_be_asked(runtime, seen):
    transport = open_websocket(runtime, Chatty)
    wire, conn = transport.wire, transport.actor.conn
    conn.abort()
    assert (wire.ended, transport.ready_state, transport.buffered) == ("aborted", ReadyState.CLOSED, 0)
    transport.abort()
    transport.resume()
    transport.pause()
    transport.finish(Close())
    assert end(seen) == Stop()
    assert len(runtime.wheel) == 0


async def test_who_aborts_says_nothing_more_whatever_it_returns(runtime, seen):
    class Aborting(Echo):
        def handle_client_message(self, state, conn, message):
            conn.abort()
            return state, {"close": [Close()], "many": ["x", Close()], "text": ["x"]}[message]

    for message in (b"close", b"many", b"text"):
        transport = open_websocket(runtime, Aborting)
        wire = transport.wire
        transport.receive(frame(TEXT, message))
        assert (wire.tick(), wire.ended) == (b"", "aborted")
    assert [type(event) for event in seen] == [ActorEnded] * 3


# What is no frame


@pytest.mark.parametrize("asked", ["a bad frame", "one bad frame"])
async def test_what_is_no_frame_is_a_crash_and_nothing_of_that_answer_is_sent(runtime, seen, asked):
    transport = open_websocket(runtime, Chatty)
    transport.receive(frame(TEXT, asked.encode()))
    assert output(transport) == encode(Close(1011))
    (crash,) = [event for event in seen if isinstance(event, ActorCrashed)]
    assert isinstance(crash.exception, InvalidReturn) and "no frame" in str(crash.exception)


# Output that waits


async def test_output_that_waits_is_counted_and_relief_is_told_once(runtime):
    drains = []

    class Draining(Chatty):
        def handle_drain(self, state, conn):
            drains.append(conn.buffered)
            return state, []

    transport = open_websocket(runtime, Draining, takes=0)
    assert transport.send("one") is SendStatus.SENT
    output(transport)
    assert transport.send("two") is SendStatus.BACKPRESSURED
    assert transport.buffered == len(encode("one") + encode("two"))
    transport.wire.take_everything()
    assert (transport.wire.taken, drains) == (encode("one") + encode("two"), [0])


async def test_output_that_only_waited_for_the_kernel_is_no_relief_to_tell_of(runtime):
    """Nobody was told that anything waits."""

    class Draining(Chatty):
        def handle_drain(self, state, conn):
            raise AssertionError("told")

    transport = open_websocket(runtime, Draining, takes=0)
    transport.send("one")
    output(transport)
    transport.wire.take_everything()
    assert transport.send("two") is SendStatus.SENT


async def test_large_frames_of_a_broadcast_are_offered_one_by_one(runtime, seen):
    """Within the bound each of them is judged anew."""
    transport = open_websocket(runtime, Chatty, takes=0, backpressure_limit=2 * LARGE)
    frames = [b"x" * LARGE, b"y" * (2 * LARGE), b"z"]
    chunks = [encode(payload) for payload in frames]
    transport.send_encoded(frames, chunks, b"".join(chunks), {})
    output(transport)
    transport.wire.take_everything()
    assert transport.wire.taken == chunks[0] + chunks[2]
    assert [event.policy for event in seen if isinstance(event, OutputFull)] == ["drop_new"]


async def test_output_beyond_its_bound_can_end_the_connection(runtime, seen):
    transport = open_websocket(runtime, Chatty, takes=0, backpressure_limit=10, close_on_backpressure_limit=True)
    assert transport.send("x" * 20) is SendStatus.DROPPED
    assert output(transport) == b""
    assert end(seen) == Overflow("output")


async def test_a_key_function_that_fails_ends_its_own_connection_and_no_sender(runtime, seen):
    def key(frame):
        raise KeyError("no key")

    transport = open_websocket(runtime, Chatty, takes=0, output_policy=Coalesce(key))
    transport.send("one")
    output(transport)
    assert transport.send("two") is SendStatus.CLOSED
    (crash,) = [event for event in seen if isinstance(event, ActorCrashed)]
    assert (crash.callback, type(crash.exception)) == ("output_policy", KeyError)
    assert end(seen) == Error(crash.exception)
    transport.wire.take_everything()
    assert transport.wire.taken == encode("one") + encode(Close(1011))


# A wire that goes at an odd moment


async def test_a_wire_may_break_in_a_write_in_the_middle_of_a_tick(runtime, seen):
    """Output gathers up to a bound and is written then: inside of the call that sends."""

    class Breaking(FakeWire):
        def flush(self):
            self.abort()

    transport = open_websocket(runtime, Chatty, wire=Breaking)
    wire = transport.wire
    assert transport.send(b"x" * (CORK + 1)) is SendStatus.SENT
    assert (wire.ended, wire.pending, transport.ready_state) == ("aborted", None, ReadyState.CLOSED)
    assert transport.send("late") is SendStatus.CLOSED


async def test_the_relief_of_a_wire_that_is_gone_is_told_to_nobody(runtime):
    class Draining(Chatty):
        def handle_drain(self, state, conn):
            raise AssertionError("told")

    transport = open_websocket(runtime, Draining, takes=0)
    wire = transport.wire
    transport.send("one")
    wire.tick()
    transport.send("two")
    wire.shut()
    wire.take_everything()
    assert wire.taken == encode("one") + encode("two")


@pytest.mark.parametrize("closes, told", [(False, 1), (True, 0)])
async def test_that_a_client_is_not_read_from_is_told_while_it_is_open(runtime, seen, closes, told):
    """Behind our Close there is nothing of it to be read."""
    transport = open_websocket(runtime, Chatty, takes=0, high_water_mark=0)
    if closes:
        transport.actor.conn.close()
    else:
        transport.send("waits")
    transport.wire.tick()
    assert len([event for event in seen if isinstance(event, ReadingPaused)]) == told
