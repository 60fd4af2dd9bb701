"""A client that breaks the protocol is told with a code, and let go."""

from __future__ import annotations

import pytest
import trio

from actorws import Error, ProtocolError, Stop
from actorws.events import ProtocolViolated
from actorws.protocol.encoder import encode
from tests.support.behaviour_clients import as_not_sent_by, as_sent_by
from tests.support.chatty import Chatty, calls, connected, ended

pytestmark = pytest.mark.websocket

#: Frames without masks, and the code with which they are refused.
VIOLATIONS = {
    "a reserved bit": ([b"\xc1\x00"], 1002),
    "a reserved opcode": ([b"\x83\x00"], 1002),
    "text that isn't UTF-8": ([b"\x81\x01\xff"], 1007),
    "a message that is too big": ([encode(b"x" * 101)], 1009),
    "a header that announces too much": ([b"\x82\x7f" + (1 << 40).to_bytes(8, "big")], 1009),
    "fragments that are too big together": ([b"\x02" + encode(b"x" * 60)[1:], b"\x80" + encode(b"x" * 60)[1:]], 1009),
    "a close code that may not be sent": ([b"\x88\x02\x03\xee"], 1002),
    "half a close code": ([b"\x88\x01\x03"], 1002),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
async def test_a_client_that_breaks_the_protocol_is_told_with_a_code(clock, serve, violation):
    """What came before it is handled; the wire is closed."""
    frames, code = VIOLATIONS[violation]
    async with serve(Chatty, max_message_size=100) as server:
        client = await connected(server)
        await assert_refused(server, client, b"".join(as_sent_by(client, frame) for frame in frames), code)


async def test_a_frame_of_a_client_has_a_mask_and_one_of_a_server_has_none(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server)
        await assert_refused(server, client, as_not_sent_by(client, encode("x")), 1002)


async def assert_refused(server, client, data, code):
    await client.send_raw(as_sent_by(client, encode("before")) + data)
    reason = await ended(server)
    assert isinstance(reason, Error)
    assert isinstance(reason.exception, ProtocolError)
    assert reason.exception.code == code
    assert (await client.wait_closed()).code == code
    assert (await server.wait_event(ProtocolViolated)).code == code
    assert calls(server) == 1


async def test_a_client_that_breaks_the_protocol_after_our_close_is_cut(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server, automatic=False)
        await client.send("close")
        await client.receive()
        await client.send_raw(as_not_sent_by(client, encode("x")))
        assert await ended(server) == Stop()
        assert (await client.wait_closed()).code == 4001


@pytest.mark.parametrize("whose", ["its own", "ours"])
async def test_a_client_that_sends_on_after_the_end_is_cut_in_time(clock, serve, whose):
    """Whose fault it was doesn't matter: it was sent Close; what it sends is dropped, but not for ever."""

    class Crashing(Chatty):
        def handle_server_message(self, state, conn, message):
            raise RuntimeError(message)

    async with serve(Crashing, close_timeout=serve.soon, crashes="ignore") as server:
        client = await connected(server, automatic=False)
        if whose == "ours":
            client.conn.send_after(0, "crash")
        else:
            await client.send_raw(as_not_sent_by(client, encode("x")))
        assert isinstance(await ended(server), Error)
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await client.send_raw(as_sent_by(client, encode("x" * 10)) * 100)
                await trio.sleep(serve.soon / 10)
    assert calls(server) == 0
