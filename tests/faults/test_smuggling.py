"""Request smuggling: where two readers could see two different requests, nobody sees any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.attacker import Attacker, naming
from tests.support.faults import Target
from tests.support.requests import asked, let_in, lines, refused, request
from tests.support.wire import connect, handshake

#: What hides behind each of them, and must never be handled.
HIDDEN = b"GET /asked HTTP/1.1\r\nhost: a\r\n\r\n"


@asynccontextmanager
async def handled(target: Target, count: int) -> AsyncIterator[None]:
    """The server is unharmed, and has handled as many of those requests."""
    async with target.unharmed():
        before = await asked(target)
        yield
        assert await asked(target) - before == count


HEADERS = {
    "two hosts": b"host: b",
    "a folded line": b"x: a\r\n b",
    "a line folded by a tab": b"x: a\r\n\tb",
    "a folded first line": b" x: a",
    "a space before the colon": b"x : a",
    "a tab before the colon": b"x\t: a",
    "a name of spaces": b" : a",
    "no name": b": a",
    "no colon": b"x",
    "a name with a space": b"x y: a",
    "a bare LF": b"x: a\ny: b",
    "a bare CR": b"x: a\ry: b",
    "a CR before the end": b"x: a\r",
    "a NUL in a value": b"x: \0",
    "a NUL in a name": b"x\0y: a",
    "a NUL before a name": b"\0transfer-encoding: chunked",
    "a vertical tab": b"x: \x0b",
    "two keys": b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
}
LENGTHS = {
    "a body": b"content-length: 33",
    "a chunked body": b"transfer-encoding: chunked",
    "both": b"content-length: 33\r\ntransfer-encoding: chunked",
    "both, the other way round": b"transfer-encoding: chunked\r\ncontent-length: 33",
    "the length twice": b"content-length: 33\r\ncontent-length: 33",
    "two lengths": b"content-length: 0\r\ncontent-length: 33",
    "two lengths in one": b"content-length: 0, 33",
    "the length twice in one": b"content-length: 33, 33",
    "a plus": b"content-length: +33",
    "a minus": b"content-length: -33",
    "a minus nothing": b"content-length: -0",
    "hexadecimal": b"content-length: 0x21",
    "a space inside": b"content-length: 3 3",
    "an underscore": b"content-length: 3_3",
    "a fraction": b"content-length: 33.0",
    "an exponent": b"content-length: 33e0",
    "quoted": b'content-length: "33"',
    "empty": b"content-length:",
    "digits of another script": "content-length: ٣".encode(),
    "more than 64 bits": b"content-length: 18446744073709551649",
    "a length behind a vertical tab": b"content-length: \x0b33",
    "another coding": b"transfer-encoding: gzip",
    "another coding before": b"transfer-encoding: gzip, chunked",
    "another coding behind": b"transfer-encoding: chunked, gzip",
    "chunked twice": b"transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    "chunked twice in one": b"transfer-encoding: chunked, chunked",
    "identity": b"transfer-encoding: identity",
    "nearly chunked": b"transfer-encoding: xchunked",
    "chunked with a parameter": b"transfer-encoding: chunked;a=b",
    "chunked behind a vertical tab": b"transfer-encoding: \x0bchunked",
    "chunked in quotes": b'transfer-encoding: "chunked"',
    "no coding": b"transfer-encoding:",
}


async def test_a_handshake_that_can_be_read_in_two_ways_is_a_400(guarded: Target) -> None:
    """And so is one with a body, however its length is told: what one takes for a body, another takes for frames."""
    cases = {name: (lines(header) + HIDDEN, 400) for name, header in (HEADERS | LENGTHS).items()}
    async with handled(guarded, 0):
        await refused(guarded, cases)


async def test_a_request_whose_length_can_be_read_in_two_ways_is_a_400(guarded: Target) -> None:
    cases = {}
    for name, header in LENGTHS.items():
        if name not in ("a body", "a chunked body"):
            cases[name] = (request("POST /asked HTTP/1.1", header, body=b"0\r\n\r\n" + HIDDEN), 400)
    cases["chunked in HTTP/1.0"] = (request("POST /asked HTTP/1.0", LENGTHS["a chunked body"], body=HIDDEN), 400)
    cases["two hosts"] = (request("POST /asked HTTP/1.1", b"host: b") + HIDDEN, 400)
    async with handled(guarded, 0):
        await refused(guarded, cases)


CHUNKS = {
    "0x": b"0x3\r\nabc\r\n",
    "a plus": b"+3\r\nabc\r\n",
    "a minus": b"-3\r\nabc\r\n",
    "a space before": b" 3\r\nabc\r\n",
    "a space behind": b"3 \r\nabc\r\n",
    "an underscore": b"0_3\r\nabc\r\n",
    "no size": b"\r\nabc\r\n",
    "a bare LF": b"3\nabc\r\n",
    "a bare LF behind the data": b"3\r\nabc\n",
    "a bare LF in an extension": b"3;a\nb\r\nabc\r\n",
    "a bare CR in an extension": b"3;a\rb\r\nabc\r\n",
    "a NUL in an extension": b"3;\0\r\nabc\r\n",
    "more data than it says": b"2\r\nabc\r\n",
    "less data than it says": b"5\r\nabc\r\n",
    "more than 64 bits": b"10000000000000003\r\nabc\r\n",
    "leading zeros without end": b"0" * 2000 + b"3\r\nabc\r\n",
    "an extension without end": b"3;" + b"x" * 2000 + b"\r\nabc\r\n",
    "a trailer that is none": b"0\r\nGET /asked HTTP/1.1\r\n\r\n",
    "a trailer with a folded line": b"0\r\nx: a\r\n b\r\n\r\n",
    "a trailer with a bare LF": b"0\r\nx: a\ny: b\r\n\r\n",
    "a trailer with a space": b"0\r\nx : a\r\n\r\n",
}


async def test_a_chunk_that_can_be_read_in_two_ways_is_a_400(guarded: Target) -> None:
    chunked = LENGTHS["a chunked body"]
    cases = {
        name: (request("POST /body HTTP/1.1", chunked, body=chunk + b"0\r\n\r\n" + HIDDEN), 400)
        for name, chunk in CHUNKS.items()
    }
    cases["too large"] = (request("POST /body HTTP/1.1", chunked, body=b"fffffff\r\n" + HIDDEN), 413)
    async with handled(guarded, 0):
        await refused(guarded, cases)


async def test_what_is_not_ambiguous_is_read(guarded: Target) -> None:
    """Those tables would pass with a server that refuses everything."""
    async with handled(guarded, 1):
        await let_in(guarded, {"no length": lines(), "length 0": lines(b"content-length: 0")})
        async with connect(guarded.port) as client:
            chunks = b"3;a=b\r\nabc\r\n0a\r\n0\r\n\r\nGET /\r\n0\r\nx: y\r\n\r\n"
            await client.send(request("POST /body HTTP/1.1", b"transfer-encoding: chunked", body=chunks) + HIDDEN)
            assert (await client.response()).body == b"abc0\r\n\r\nGET /"
            assert (await client.response()).body == b"asked"


#: Handshakes that are refused by each of those who may do so.
REFUSED = {
    "a bad head": (lines(b"x : a"), 400),
    "a bad key": (handshake(sec_websocket_key="x"), 400),
    "a rejection": (handshake("/refusing"), 403),
    "another origin": (handshake(origin="https://evil.example"), 403),
    "nothing there": (handshake("/nowhere"), 404),
    "another method": (handshake().replace(b"GET", b"PUT"), 405),
    "no upgrade": (handshake(upgrade=None), 426),
    "another version": (handshake(sec_websocket_version="8"), 426),
    "too many headers": (lines(*[b"x: a"] * 100), 431),
    "a crash": (handshake("/telling"), 500),
    "a full house": (handshake("/full"), 503),
}


@pytest.mark.parametrize("behind", [HIDDEN, handshake()], ids=["a request", "a handshake"])
async def test_nothing_behind_a_refused_handshake_is_handled(guarded: Target, behind: bytes) -> None:
    """In the same segment or later: there is one response, and then the end (section 4.2.2 of RFC 6455)."""
    async with handled(guarded, 0):
        responses = await refused(guarded, {name: (data + behind, status) for name, (data, status) in REFUSED.items()})
        assert {response.headers["connection"] for response in responses.values()} <= {"close", "Upgrade, close"}
        for name, (data, status) in REFUSED.items():
            with naming(name):
                async with connect(guarded.port) as connection:
                    client = Attacker(connection.stream)
                    await client.send(data)
                    assert (await client.response()).status == status
                    await client.send(behind)
                    await client.finished()


async def test_what_is_behind_a_handshake_is_never_a_request(guarded: Target) -> None:
    """A proxy may think that it is one, if it hasn't understood the upgrade."""
    async with handled(guarded, 0), connect(guarded.port) as client:
        await client.send(handshake() + HIDDEN)
        assert (await client.head()).status == 101
        await guarded.answers()
        assert (await client.closed())[0] == 1002
