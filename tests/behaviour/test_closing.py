"""The close handshake, from either side, and connections that end without one."""

from __future__ import annotations

import pytest
import trio

from actorws import Close, CloseCode, Ping, ReadyState, Remote, Stop, Timeout, Websocket
from actorws.protocol.encoder import encode
from tests.support.behaviour_clients import as_not_sent_by, together
from tests.support.chatty import Chatty, calls, connected, ended


async def test_our_close_answered(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        await client.send("close")
        assert await client.receive() == Close(4001, "bye")
        assert await ended(server) == Stop()
        assert await client.wait_closed() == Remote(4001, "bye")


@pytest.mark.websocket
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


@pytest.mark.websocket
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
        assert conn.ready_state is (ReadyState.CLOSING if serve.close_is_answered else ReadyState.CLOSED)
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
    async with serve(Chatty) as server:
        client = await connected(server)
        assert (await client.close(4003, "going")).code == 4003
        assert await ended(server) == Remote(4003, "going")


@pytest.mark.websocket
async def test_the_clients_close_is_answered_with_its_code_and_no_reason(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        assert await client.close(4003, "going") == Remote(4003)


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
        await together(client, "one", "two", Close(4000))
        await client.wait_closed()
        await ended(server)
        handled = calls(server)
        assert handled == 2


@pytest.mark.websocket
async def test_both_close_at_once(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server, automatic=False)
        assert client.conn.close(4000)
        await client.send(Close(4001))
        assert await client.receive() == Close(4000)
        assert await ended(server) == Stop()


@pytest.mark.websocket
@pytest.mark.parametrize("wire", ["outbound"])
@pytest.mark.parametrize("how", ["close", "crash", "violation"])
async def test_tcp_is_for_the_server_to_end(clock, serve, how):
    """Whoever said Close first; and we don't wait for it longer than ``close_timeout`` (RFC 6455 section 7.1.1)."""

    class Crashing(Chatty):
        def handle_server_message(self, state, conn, message):
            raise RuntimeError(message)

    async with serve(Crashing, close_timeout=serve.soon, crashes="ignore") as server:
        client = await connected(server, automatic=False)
        if how == "close":
            await client.send("close")
        elif how == "crash":
            client.conn.send_after(0, "crash")
        else:
            await client.send_raw(as_not_sent_by(client, encode("x")))
        close = await client.receive()
        await client.send(close)
        await ended(server)
        with pytest.raises(trio.TooSlowError):
            await client.wait_closed(timeout=0.9 * serve.soon)
        assert (await client.wait_closed()).code == close.code


async def test_the_connection_ends_without_a_close(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        await client.hang_up()
        assert await ended(server) == serve.gone


async def test_the_client_vanishes(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        client.abort()
        assert await ended(server) == serve.gone


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
