"""What ``actorws.testing`` promises to its users."""

from __future__ import annotations

import pytest
import trio

from actorws import (
    App,
    BehaviourError,
    Close,
    ConfigError,
    Ping,
    Pong,
    ProtocolError,
    Reject,
    Remote,
    Shutdown,
    UsageError,
    Websocket,
    testing,
)
from actorws.events import ActorEnded, ActorStarted
from actorws.protocol.encoder import encode, mask


class Echo(Websocket):
    def init(self, conn):
        return 0, ["welcome"]

    def handle_client_message(self, count, conn, frame):
        if frame == "crash":
            raise RuntimeError("as asked")
        return count + 1, [frame]


class Turnstile(Echo):
    def connect(self, conn):
        return Reject(402, "a coin, please", {"X-Price": "1"})


async def test_a_conversation(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect("/any/path?with=query")
        assert await alice.receive() == "welcome"
        await alice.send("hi")
        await alice.send(b"\0")
        assert [await alice.receive(), await alice.receive()] == ["hi", b"\0"]
        assert alice.closed_with is None
        assert await alice.close(4000, "bye") == Remote(4000)
        assert [type(event) for event in server.events] == [ActorStarted, ActorEnded]


async def test_a_minute_of_silence_takes_no_time(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect(automatic=False)
        assert await alice.receive() == "welcome"
        assert await alice.receive_control() == Ping()
        assert await alice.receive() == Close(1001, "idle for too long")
        assert trio.current_time() == pytest.approx(60, abs=2)


async def test_the_example_of_the_package(autojump_clock):
    """The docstring shows what works: it is run here, with a ``Chat`` that fits."""

    class Chat(Websocket):
        options = {"send_pings": False}

        def handle_client_message(self, state, conn, frame):
            return state, "welcome"

    assert testing.__doc__ is not None
    _, _, example = testing.__doc__.partition("millisecond")
    code = "\n".join(line[4:] for line in example.splitlines() if line.startswith("    "))
    names = {"Chat": Chat}
    exec(code, names)
    await names["test_chat"](autojump_clock)


async def test_plain_http(autojump_clock):
    app = App()
    app.websocket("/ws", Echo)

    @app.http("/echo", methods=["POST", "GET"])
    async def echo(request):
        return request.body or "nothing"

    async def pieces():
        yield b"one "
        yield b"two"

    @app.http("/pieces")
    def in_pieces(request):
        from actorws import Response

        return Response(pieces())

    async with testing.open_app(app) as server:
        answer = await server.request("POST", "/echo", body=b"body")
        assert (answer.status, answer.body) == (200, b"body")
        assert (await server.request("GET", "/echo")).text() == "nothing"
        assert (await server.request("HEAD", "/echo")).headers["content-length"] == "7"
        assert (await server.request("GET", "/pieces")).body == b"one two"
        assert (await server.request("GET", "/nothing")).status == 404


async def test_an_http_refusal_is_raised(autojump_clock):
    async with testing.open_app(Turnstile) as server:
        with pytest.raises(testing.Refused, match="402: a coin, please") as caught:
            await server.connect()
        assert (caught.value.status, caught.value.body) == (402, b"a coin, please")
        assert caught.value.headers["x-price"] == "1"


async def test_subprotocol_and_headers_of_the_answer(autojump_clock):
    app = App()
    app.websocket("/", Echo, subprotocols=("b",))
    async with testing.open_app(app) as server:
        alice = await server.connect(subprotocols=["a", "b"], headers={"X-Me": "alice"})
        assert alice.subprotocol == "b"
        assert alice.headers["upgrade"] == "websocket"
        assert alice.conn.headers["x-me"] == "alice"


# Crashes


async def test_a_crash_is_raised_at_the_end_of_the_block(autojump_clock):
    with pytest.raises(ExceptionGroup) as caught:
        async with testing.open_app(Echo) as server:
            alice = await server.connect()
            await alice.send("crash")
            await alice.wait_closed()
    (crash,) = caught.value.exceptions
    assert str(crash) == "as asked"
    assert "ActorCrashed" in crash.__notes__[0]


async def test_a_crash_can_be_what_is_tested(autojump_clock):
    async with testing.open_app(Echo, crashes="ignore") as server:
        alice = await server.connect()
        await alice.send("crash")
        assert (await alice.wait_closed()).code == 1011


async def test_what_fails_in_the_block_passes_as_it_is(autojump_clock):
    """Not in a group, and not hidden by a crash that came before it."""
    with pytest.raises(KeyError, match="mine"):
        async with testing.open_app(Echo) as server:
            alice = await server.connect()
            await alice.send("crash")
            await alice.wait_closed()
            raise KeyError("mine")


async def test_a_background_function_that_crashes_is_noticed(autojump_clock):
    app = App()
    app.websocket("/", Echo)

    @app.background
    async def broken(runtime):
        raise LookupError("in the background")

    with pytest.raises(ExceptionGroup) as caught:
        async with testing.open_app(app):
            await trio.testing.wait_all_tasks_blocked()
    assert isinstance(caught.value.exceptions[0], LookupError)


async def test_the_block_can_be_cancelled(autojump_clock):
    with trio.move_on_after(5) as scope:
        async with testing.open_app(Echo) as server:
            await server.connect()
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_everything_ends_with_the_block(autojump_clock):
    ended = []

    class Ending(Echo):
        async def terminate(self, count, conn, reason):
            await trio.sleep(1)
            ended.append(reason)

    async with testing.open_app(Ending) as server:
        alice = await server.connect()
    assert ended == [Shutdown()]
    assert alice.closed_with is not None


async def test_mistakes_are_told_at_the_call(autojump_clock):
    for target, options, error in [
        (object(), {}, UsageError),
        (Websocket, {}, BehaviourError),
        (Echo, {"nonsense": 1}, ConfigError),
        (Echo, {"crashes": "maybe"}, ConfigError),
    ]:
        with pytest.raises(error):
            async with testing.open_app(target, **options):
                raise AssertionError("not reached")


# What the client can do


async def test_a_client_answers_pings_and_close_by_itself(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect()
        alice.conn.send(Ping(b"?"))
        assert await alice.receive_control() == Ping(b"?")
        await trio.sleep(300)
        assert alice.conn.close(4000)
        assert await alice.wait_closed() == Remote(4000)
        assert (await server.wait_event(ActorEnded)).reason.__class__.__name__ == "Stop"


async def test_a_client_that_is_not_automatic_answers_nothing(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect(automatic=False)
        assert await alice.receive() == "welcome"
        assert alice.conn.close(4000)
        assert await alice.receive() == Close(4000)
        before = trio.current_time()
        assert (await server.wait_event(ActorEnded)).reason.waited_for == "close"
        assert trio.current_time() - before == pytest.approx(5, abs=0.5)


async def test_control_frames_can_be_sent(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect()
        await alice.send(Ping(b"1"))
        await alice.send(Pong(b"unasked"))
        assert await alice.receive_control() == Pong(b"1")
        await alice.send(Close(4001))
        assert await alice.wait_closed() == Remote(4001)


async def test_the_end_without_a_code_and_without_a_close(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice, bob = await server.connect(), await server.connect()
        assert await alice.close(None) == Remote(1005)
        bob.conn.abort()
        assert await bob.wait_closed() == Remote(1006)
        for client in (alice, bob):
            assert await client.receive() == "welcome"
            with pytest.raises(trio.EndOfChannel, match=str(client.closed_with.code)):
                await client.receive()


async def test_nothing_comes(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect()
        assert await alice.receive() == "welcome"
        for wait in (alice.receive, alice.receive_control, alice.wait_closed):
            with pytest.raises(trio.TooSlowError, match="7 s"):
                await wait(timeout=7)
        with pytest.raises(trio.TooSlowError, match="0 of 1 ActorEnded events came in 7 s"):
            await server.wait_event(ActorEnded, timeout=7)
        assert trio.current_time() == 28


async def test_what_came_can_be_looked_at_without_waiting(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect()
        alice.conn.send("one")
        await trio.testing.wait_all_tasks_blocked()
        assert alice.unread == ("welcome", "one")


async def test_pausing_makes_backpressure_and_loses_nothing(autojump_clock):
    async with testing.open_app(Echo, capacity=1000) as server:
        alice = await server.connect()
        alice.pause_reading()
        for number in range(10):
            alice.conn.send(bytes([number]) * 400)
            await trio.testing.wait_all_tasks_blocked()
        assert alice.conn.buffered > 0
        assert len(alice.unread) <= 1
        alice.resume_reading()
        assert await alice.receive() == "welcome"
        assert [(await alice.receive())[0] for _ in range(10)] == list(range(10))


async def test_any_bytes_can_be_sent(autojump_clock):
    """In any pieces."""
    async with testing.open_app(Echo) as server:
        alice = await server.connect()
        assert await alice.receive() == "welcome"
        for byte in mask(encode("slowly"), b"abcd"):
            await alice.send_raw(bytes([byte]))
        assert await alice.receive() == "slowly"
        await alice.send_raw(b"\xff\xff")
        assert await alice.receive() == Close(1002, (await alice.wait_closed()).reason)


async def test_a_server_that_sends_nonsense_is_told_on(autojump_clock):
    """(It takes a broken server; here its stream is written to from behind.)"""
    async with testing.open_app(Echo) as server:
        alice = await server.connect()
        assert await alice.receive() == "welcome"
        alice.conn._actor.transport.wire.write(mask(encode("masked"), b"abcd"))
        with pytest.raises(ProtocolError, match="masked"):
            await alice.receive()


async def test_who_waits_for_the_end_is_told_of_nonsense_too(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice = await server.connect()
        alice.conn._actor.transport.wire.write(mask(encode("masked"), b"abcd"))
        with pytest.raises(ProtocolError, match="masked"):
            await alice.wait_closed()


async def test_hanging_up_is_the_end_without_a_close(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice, bob = await server.connect(), await server.connect(automatic=False)
        await alice.hang_up()
        bob.abort()
        assert [await client.wait_closed() for client in (alice, bob)] == [Remote(1006)] * 2
        ends = [await server.wait_event(ActorEnded, number) for number in (1, 2)]
        assert [event.reason for event in ends] == [Remote(1006)] * 2


async def test_a_client_that_is_gone_answers_nothing(autojump_clock):
    """Nor does it fail: its server sends a ping and a Close that meet nobody."""
    async with testing.open_app(Echo) as server:
        alice = await server.connect()
        alice.pause_reading()
        alice.conn.send(Ping(b"?"))
        alice.conn.close(4000)
        await trio.testing.wait_all_tasks_blocked()
        alice.conn.abort()
        alice.resume_reading()
        assert (await alice.wait_closed()).code in (4000, 1006)


async def test_a_stream_that_says_nothing_yet(autojump_clock):
    async with testing.open_app(Echo) as server:
        stream = server.open_stream()
        await stream.send_all(b"GARBAGE\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 400 ")


async def test_events_are_passed_on(autojump_clock):
    seen = []
    async with testing.open_app(Echo, on_event=seen.append) as server:
        alice = await server.connect()
        await alice.close()
        second = await server.wait_event(ActorEnded)
        assert seen == server.events
        assert seen[-1] is second


async def test_a_graceful_shutdown(autojump_clock):
    async with testing.open_app(Echo, drain_timeout=4) as server:
        alice = await server.connect()
        await server.shut_down()
        assert await alice.wait_closed() == Remote(1001)
        with pytest.raises(testing.Refused, match="503"):
            await server.connect()


async def test_the_clients_have_addresses_of_their_own(autojump_clock):
    async with testing.open_app(Echo) as server:
        alice, bob = await server.connect(), await server.connect(host="192.0.2.7")
        assert alice.conn.remote_address[0] == "127.0.0.1"
        assert bob.conn.remote_address[0] == "192.0.2.7"
        assert alice.conn is not bob.conn
