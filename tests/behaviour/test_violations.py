"""A client that breaks the protocol is told with a code, and let go."""

from __future__ import annotations

import pytest
import trio

from actorws import Error, ProtocolError, Stop
from actorws.events import ProtocolViolated
from actorws.protocol.encoder import encode, mask
from tests.support.chatty import Chatty, calls, connected, ended

pytestmark = pytest.mark.websocket

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
        assert calls(server) == 1


async def test_a_client_that_breaks_the_protocol_after_our_close_is_cut(clock, serve):
    async with serve(Chatty) as server:
        client = await connected(server, automatic=False)
        await client.send("close")
        await client.receive()
        await client.send_raw(encode("not masked"))
        assert await ended(server) == Stop()
        assert (await client.wait_closed()).code == 4001


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
