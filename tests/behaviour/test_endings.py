"""``terminate`` runs exactly once, whatever ended the actor, and says what it was. (The journal counts.)"""

from __future__ import annotations

import pytest
import trio

from actorws import (
    Close,
    CloseCode,
    Error,
    Overflow,
    Ping,
    Pong,
    ProtocolError,
    ReadyState,
    Remote,
    Replaced,
    Shutdown,
    Stop,
    Timeout,
    Websocket,
)
from actorws.events import ActorCrashed, ActorEnded, ProtocolViolated
from actorws.protocol.encoder import encode, mask


class Chatty(Websocket):
    """Does what the client says; names itself by its path."""

    def init(self, conn):
        conn.register_nowait(conn.path)
        conn.join_nowait("all")
        return "state", "ready"

    def handle_client_message(self, state, conn, frame):
        if frame == "close":
            return state, Close(4001, "bye")
        if frame == "conn.close":
            return state, [str(conn.close(4002, "bye")), str(conn.close())]
        if frame == "abort":
            conn.abort()
        return state, frame

    def handle_server_message(self, state, conn, message):
        return state, str(message)


async def connected(server, path="/chatty", **options):
    client = await server.connect(path, **options)
    assert await client.receive() == "ready"
    return client


async def ended(server, *, by_now=1):
    """The reason of the end that comes next."""
    return (await server.wait_event(ActorEnded, by_now)).reason


async def test_our_close_answered(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        await client.send("close")
        assert await client.receive() == Close(4001, "bye")
        assert await ended(server) == Stop()
        assert await client.wait_closed() == Remote(4001, "bye")


async def test_our_close_never_answered(clock, serve):
    """The wait for the answer is bounded, and what the client still sends is not handled."""
    async with serve(Chatty, close_timeout=serve.soon) as server:
        client = await connected(server, automatic=False)
        await client.send("close")
        assert await client.receive() == Close(4001, "bye")
        before = trio.current_time()
        await client.send("too late")
        await client.send(Ping())
        assert await ended(server) == Timeout("close")
        assert trio.current_time() - before == pytest.approx(serve.soon, rel=0.1, abs=0.5)
        await client.wait_closed()
        assert client.unread == ()


async def test_our_close_and_tcp_gone_before_the_answer(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server, automatic=False)
        await client.send("close")
        await client.receive()
        client.abort()
        assert await ended(server) == Stop()


async def test_close_from_outside_of_a_callback_is_true_once(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        conn = client.conn
        assert conn.ready_state is ReadyState.OPEN
        assert conn.close(4000) is True
        assert conn.close(4000) is False
        assert conn.ready_state is ReadyState.CLOSING
        assert await client.wait_closed() == Remote(4000)
        assert await ended(server) == Stop()
        assert conn.ready_state is ReadyState.CLOSED
        assert conn.close() is False


async def test_close_inside_a_callback_is_true_once_and_frames_returned_with_it_are_not_sent(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        await client.send("conn.close")
        assert await client.receive() == Close(4002, "bye")
        assert await client.wait_closed() == Remote(4002, "bye")
        assert client.unread == ()
        assert await ended(server) == Stop()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
async def test_a_code_that_may_not_be_sent_is_told_at_the_call(clock, serve, code):
    async with serve(Chatty) as server:
        client = await connected(server)
        with pytest.raises(ValueError, match=str(code)):
            client.conn.close(code)
        await client.send("still open")
        assert await client.receive() == "still open"


async def test_the_client_closes(clock, serve):
    """The answer has the same code, and no reason."""
    async with serve(Chatty) as server:
        client = await connected(server)
        assert await client.close(4003, "going") == Remote(4003)
        assert await ended(server) == Remote(4003, "going")


async def test_the_client_closes_without_a_code(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        assert await client.close(None) == Remote(CloseCode.NO_STATUS)
        assert await ended(server) == Remote(1005)


async def test_the_client_is_answered_before_anyone_is_told(clock, serve, kind):
    """A terminate that takes its time doesn't delay the Close."""
    go = trio.Event()

    class Slow(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, frame

        async def terminate(self, state, conn, reason):
            await go.wait()

    async with serve(Slow) as server:
        client = await server.connect()
        assert await client.close(4003) == Remote(4003)
        go.set()


async def test_what_was_sent_before_the_clients_close_is_handled(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        frames = [encode("one"), encode("two"), encode(Close(4000))]
        await client.send_raw(b"".join(mask(frame, b"abcd") for frame in frames))
        await client.wait_closed()
        await ended(server)
        handled = [name for _, name in server.journal.calls].count("handle_client_message")
        assert handled == 2


async def test_both_close_at_once(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server, automatic=False)
        assert client.conn.close(4000)
        await client.send(Close(4001))
        assert await client.receive() == Close(4000)
        assert await ended(server) == Stop()


async def test_tcp_ends_without_a_close(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        await client.hang_up()
        assert await ended(server) == Remote(1006)


async def test_the_client_vanishes(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        client.abort()
        assert await ended(server) == Remote(1006)


async def test_abort_from_a_callback(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        await client.send("abort")
        assert await client.wait_closed() == Remote(1006)
        assert await ended(server) == Stop()
        assert client.unread == ()


async def test_abort_from_outside(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        client.conn.abort()
        client.conn.abort()
        assert await client.wait_closed() == Remote(1006)
        assert await ended(server) == Stop()


VIOLATIONS = {
    "a frame that isn't masked": (encode("x"), 1002),
    "a reserved bit": (mask(b"\xc1\x00", b"abcd"), 1002),
    "a reserved opcode": (mask(b"\x83\x00", b"abcd"), 1002),
    "text that isn't UTF-8": (mask(b"\x81\x01\xff", b"abcd"), 1007),
    "a message that is too big": (mask(encode(b"x" * 101), b"abcd"), 1009),
    "a header that announces too much": (b"\x82\xff" + (1 << 40).to_bytes(8, "big") + b"abcd", 1009),
    "fragments that are too big together": (
        mask(b"\x02" + encode(b"x" * 60)[1:], b"abcd") * 1 + mask(b"\x80" + encode(b"x" * 60)[1:], b"abcd"),
        1009,
    ),
    "a close code that may not be sent": (mask(b"\x88\x02\x03\xee", b"abcd"), 1002),
    "half a close code": (mask(b"\x88\x01\x03", b"abcd"), 1002),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
async def test_a_client_that_breaks_the_protocol_is_told_with_a_code(clock, serve, violation):
    """What came before it is handled; the wire is closed."""
    data, code = VIOLATIONS[violation]
    async with serve(Chatty, max_message_size=100) as server:
        client = await connected(server)
        await client.send_raw(mask(encode("before"), b"abcd") + data)
        reason = await ended(server)
        assert isinstance(reason, Error)
        assert isinstance(reason.exception, ProtocolError)
        assert reason.exception.code == code
        assert (await client.wait_closed()).code == code
        assert (await server.wait_event(ProtocolViolated)).code == code
        assert [name for _, name in server.journal.calls].count("handle_client_message") == 1


async def test_a_client_that_breaks_the_protocol_after_our_close_is_cut(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server, automatic=False)
        await client.send("close")
        await client.receive()
        await client.send_raw(encode("not masked"))
        assert await ended(server) == Stop()
        assert (await client.wait_closed()).code == 4001


async def test_a_full_mailbox(clock, serve, kind):
    """With the default policy the actor ends with Overflow, and the client is told to try again later."""
    go = trio.Event()

    class Stuck(Websocket):
        async def handle_client_message(self, state, conn, frame):
            await go.wait()
            return state, []

        def handle_server_message(self, state, conn, message):
            return state, []

    async with serve(Stuck, mailbox_messages=3) as server:
        client = await server.connect()
        await client.send("stuck")
        while not server.journal._running[client.conn]:
            await trio.lowlevel.checkpoint()
        for number in range(4):
            client.conn.send_after(0, number)
        assert await client.receive() == Close(1013, "mailbox full")
        go.set()
        assert await ended(server) == Overflow("mailbox")


async def test_a_full_output_that_closes(clock, serve):
    class Flood(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, [b"x" * 100_000] * 100

    async with serve(Flood, backpressure_limit=200_000, close_on_backpressure_limit=True) as server:
        client = await server.connect()
        client.pause_reading()
        await client.send("go")
        assert await ended(server) == Overflow("output")
        client.resume_reading()
        assert await client.receive() == b"x" * 100_000
        assert (await client.wait_closed()).code == 1013


async def test_a_graceful_shutdown_tells_every_client(clock, serve):
    async with serve(Chatty) as server:
        clients = [await connected(server, f"/{number}") for number in range(5)]
        await server.shut_down()
        for client in clients:
            assert await client.wait_closed() == Remote(1001)
    assert [reason for _, reason in server.journal.terminated] == [Shutdown()] * 5


async def test_a_shutdown_is_over_in_time_with_clients_that_answer_nothing(clock, serve):
    limit = 2 * serve.soon
    async with serve(Chatty, drain_timeout=limit) as server:
        for number in range(3):
            client = await connected(server, f"/{number}", automatic=False)
            client.pause_reading()
        before = trio.current_time()
        await server.shut_down()
        assert trio.current_time() - before <= limit + 0.5
    assert [reason for _, reason in server.journal.terminated] == [Shutdown()] * 3


async def test_a_server_that_is_cancelled_runs_every_terminate(clock, serve):
    async with serve(Chatty) as server:
        for number in range(3):
            await connected(server, f"/{number}")
    assert [reason for _, reason in server.journal.terminated] == [Shutdown()] * 3


async def test_the_names_owner_is_replaced_by_a_takeover(clock, serve):
    class Taker(Websocket):
        def init(self, conn):
            conn.register_nowait("the name", on_conflict="takeover")
            return conn.query["n"], "ready"

        def handle_client_message(self, state, conn, frame):
            return state, frame

        def handle_server_message(self, state, conn, message):
            return state, f"{state}: {message}"

    async with serve(Taker) as server:
        first = await connected(server, "/?n=1")
        second = await connected(server, "/?n=2")
        assert await first.wait_closed() == Remote(4500)
        assert await ended(server) == Replaced("the name")
        await server.runtime.unique.send_message("the name", "hello")
        assert await second.receive() == "2: hello"


async def test_nothing_is_handled_after_the_end(clock, serve):
    """Neither timers nor messages that were on their way."""
    async with serve(Chatty) as server:
        client = await connected(server)
        client.conn.send_after(0.01, "timer")
        server.runtime.group.publish_nowait("all", "on its way")
        client.conn.abort()
        await ended(server)
        other = await connected(server, "/other")
        other.conn.send_after(0.02, "later")
        assert await other.receive() == "later"
    assert [name for _, name in server.journal.calls].count("handle_server_message") == 1


async def test_a_conn_answers_after_the_end(clock, serve):
    """Whatever is called on it: it reports, and raises only where something can't be had any more."""
    from actorws import ConnectionEnded, SendStatus

    async with serve(Chatty) as server:
        client = await connected(server)
        conn = client.conn
        await client.close()
        await ended(server)
        assert conn.send("x") is SendStatus.CLOSED
        assert conn.send(Close()) is SendStatus.CLOSED
        assert (conn.buffered, conn.groups, conn.names, conn.is_member("all")) == (0, frozenset(), frozenset(), False)
        assert (conn.path, conn.transport) == ("/chatty", "websocket")
        conn.abort()
        assert await conn.leave("all") is False
        for call in (
            lambda: conn.send_after(1, "x"),
            lambda: conn.join_nowait("all"),
            lambda: conn.register_nowait("n"),
        ):
            with pytest.raises(ConnectionEnded):
                call()


@pytest.mark.parametrize("pings, waited_for", [(True, "ping"), (False, "idle")])
async def test_a_client_that_is_silent_for_too_long(clock, serve, pings, waited_for):
    async with serve(Chatty, idle_timeout=2 * serve.soon, send_pings=pings) as server:
        client = await connected(server, automatic=False)
        assert await client.receive() == Close(1001, "idle for too long")
        assert await ended(server) == Timeout(waited_for)


# What still runs when the client has gone


async def test_what_was_accepted_is_handled_when_the_client_goes_while_a_callback_runs(clock, serve, kind):
    go = trio.Event()

    class Busy(Websocket):
        def init(self, conn):
            return [], "ready"

        async def handle_client_message(self, seen, conn, frame):
            if frame == "first":
                started.set()
                await go.wait()
            return [*seen, frame], []

    started = trio.Event()
    async with serve(Busy) as server:
        client = await connected(server)
        frames = [encode("first"), encode("second"), encode(Close(4000))]
        await client.send_raw(b"".join(mask(frame, b"abcd") for frame in frames))
        await started.wait()
        assert await client.wait_closed() == Remote(4000)
        go.set()
        assert await ended(server) == Remote(4000)
    assert [state for state, _ in server.journal.terminated] == [["first", "second"]]


async def test_nothing_is_handled_after_a_crash_even_if_the_client_has_gone_before(clock, serve, kind):
    go, started = trio.Event(), trio.Event()

    class Busy(Websocket):
        def init(self, conn):
            return [], "ready"

        async def handle_client_message(self, seen, conn, frame):
            started.set()
            await go.wait()
            if frame == "crash":
                raise RuntimeError("as asked")
            return [*seen, frame], []

    async with serve(Busy, crashes="ignore") as server:
        client = await connected(server)
        frames = [encode("first"), encode("crash"), encode("never"), encode(Close(4000))]
        await client.send_raw(b"".join(mask(frame, b"abcd") for frame in frames))
        await started.wait()
        await client.wait_closed()
        go.set()
        await server.wait_event(ActorCrashed)
        assert await ended(server) == Remote(4000)
    assert [state for state, _ in server.journal.terminated] == [["first"]]
    assert [name for _, name in server.journal.calls].count("handle_client_message") == 2


async def test_a_callback_that_never_returns_is_cancelled_when_its_client_has_gone(clock, serve, kind):
    class Hanging(Websocket):
        def init(self, conn):
            return "last", "ready"

        async def handle_client_message(self, state, conn, frame):
            started.set()
            await trio.sleep_forever()

    started = trio.Event()
    async with serve(Hanging, terminate_timeout=serve.soon) as server:
        client = await connected(server)
        await client.send("x")
        await started.wait()
        before = trio.current_time()
        client.abort()
        assert await ended(server) == Remote(1006)
        assert trio.current_time() - before == pytest.approx(serve.soon, rel=0.1, abs=0.5)
    assert [state for state, _ in server.journal.terminated] == ["last"]


async def test_an_init_that_never_returns_is_cancelled_too(clock, serve, kind):
    class Hanging(Websocket):
        async def init(self, conn):
            await trio.sleep_forever()

        def handle_client_message(self, state, conn, frame):
            return state, []

    async with serve(Hanging, terminate_timeout=serve.soon) as server:
        client = await server.connect()
        client.abort()
        assert await ended(server) == Remote(1006)
    assert [state for state, _ in server.journal.terminated] == [None]


async def test_a_terminate_that_hangs_is_bounded_and_told(clock, serve, kind):
    from actorws.events import TerminateFailed

    class Hanging(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, frame

        async def terminate(self, state, conn, reason):
            await trio.sleep_forever()

    async with serve(Hanging, terminate_timeout=serve.soon, crashes="ignore") as server:
        client = await server.connect()
        await client.close()
        assert isinstance((await server.wait_event(TerminateFailed)).exception, trio.TooSlowError)
        assert await ended(server) == Remote(1000)


async def test_an_async_terminate_is_not_cancelled_with_the_server(clock, serve, kind):
    class Slow(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, frame

        async def terminate(self, state, conn, reason):
            await trio.sleep(0.01)
            done.append(reason)

    done = []
    async with serve(Slow) as server:
        await server.connect()
    assert done == [Shutdown()]


async def test_a_callback_that_runs_is_cancelled_with_the_server(clock, serve, kind):
    class Hanging(Websocket):
        def init(self, conn):
            return "last", "ready"

        async def handle_client_message(self, state, conn, frame):
            started.set()
            await trio.sleep_forever()

    started = trio.Event()
    async with serve(Hanging) as server:
        client = await connected(server)
        await client.send("x")
        await started.wait()
    assert server.journal.terminated == [("last", Shutdown())]


async def test_a_callback_past_its_deadline_is_a_crash(clock, serve, kind):
    class Slow(Websocket):
        def init(self, conn):
            return "last", "ready"

        async def handle_client_message(self, state, conn, frame):
            await trio.sleep_forever()

    async with serve(Slow, callback_timeout=serve.soon, crashes="ignore") as server:
        client = await connected(server)
        await client.send("x")
        assert await client.receive() == Close(1011)
        reason = await ended(server)
        assert isinstance(reason, Error)
        assert isinstance(reason.exception, trio.TooSlowError)


async def test_a_client_that_sends_on_after_the_end_is_cut_in_time(clock, serve):
    """It was sent Close and TCP's end; what it sends is dropped, but not for ever."""
    async with serve(Chatty, close_timeout=serve.soon) as server:
        client = await connected(server, automatic=False)
        await client.send_raw(encode("not masked"))
        assert isinstance(await ended(server), Error)
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await client.send_raw(b"x" * 1000)
                await trio.sleep(serve.soon / 10)


# Control frames


async def test_pings_are_answered_even_while_a_callback_hangs(clock, serve, kind):
    class Hanging(Websocket):
        async def handle_client_message(self, state, conn, frame):
            await trio.sleep_forever()

    async with serve(Hanging) as server:
        client = await server.connect()
        await client.send("x")
        await client.send(Ping(b"are you there?"))
        assert await client.receive_control() == Pong(b"are you there?")


async def test_control_frames_are_not_shown_unless_asked_for(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        await client.send(Ping(b"1"))
        await client.send(Pong(b"2"))
        await client.send("text")
        assert await client.receive() == "text"
        assert await client.receive_control() == Pong(b"1")
        assert [name for _, name in server.journal.calls].count("handle_client_message") == 1


async def test_with_receive_control_pings_are_answered_and_shown(clock, serve):
    class Control(Websocket):
        receive_control = True

        def handle_client_message(self, state, conn, frame):
            return state, repr(frame)

    async with serve(Control) as server:
        client = await server.connect()
        await client.send(Ping(b"1"))
        await client.send(Pong(b"2"))
        await client.send("text")
        assert [await client.receive() for _ in range(3)] == [repr(Ping(b"1")), repr(Pong(b"2")), "'text'"]
        assert await client.receive_control() == Pong(b"1")
