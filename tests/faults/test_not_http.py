"""What is no request, or no handshake: each peer is told so in its own terms, at once, and then it is over."""

from __future__ import annotations

import ssl

from tests.support.faults import Target
from tests.support.requests import lines, refused, request
from tests.support.wire import connect, handshake


def client_hello() -> bytes:
    """What a browser says to a port that it takes for one with TLS."""
    said = ssl.MemoryBIO()
    connection = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), said, server_hostname="example.org")
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return said.read()


async def test_what_is_no_request_is_refused_at_once(shared_target: Target) -> None:
    """At its first byte, or at the end of its first line: nobody waits for the deadline of a head."""
    cases = {
        "TLS": (client_hello(), 400),
        "TLS 1.0, cut off": (b"\x16\x03\x01", 400),
        "zeros": (bytes(1000), 400),
        "every byte": (bytes(range(256)) * 4, 400),
        "ones": (b"\xff" * 1000, 400),
        "SOCKS": (b"\x05\x01\x00", 400),
        "SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", 400),
        "SMTP": (b"EHLO example.org\r\n", 400),
        "Redis": (b"*1\r\n$4\r\nPING\r\n", 400),
        "RTSP": (b"OPTIONS * RTSP/1.0\r\n", 400),
        "the PROXY protocol": (b"PROXY TCP4 10.0.0.1 10.0.0.2 5 6\r\n", 400),
        "HTTP/0.9": (b"GET /\r\n", 400),
        "HTTP/0.9 with LF": (b"GET /\n", 400),
        "HTTP/0.9 that says so": (b"GET / HTTP/0.9\r\n\r\n", 505),
        "HTTP/1.2": (b"GET / HTTP/1.2\r\n", 505),
        "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        "HTTP/3": (b"GET / HTTP/3.0\r\n", 505),
        "lower case": (b"get / HTTP/1.1\r\n", 400),
        "a space before": (b" GET / HTTP/1.1\r\n", 400),
        "two spaces": (b"GET  / HTTP/1.1\r\n", 400),
        "a tab": (b"GET\t/ HTTP/1.1\r\n", 400),
        "a space behind": (b"GET / HTTP/1.1 \r\n", 400),
        "no path": (b"GET HTTP/1.1\r\n", 400),
        "a frame": (b"\x81\x85abcdhello", 400),
    }
    async with shared_target.unharmed():
        await refused(shared_target, cases)


async def test_what_is_no_handshake_is_told_what_would_be_one(shared_target: Target) -> None:
    """RFC 6455 section 4.2.1; RFC 9110 sections 15.5.6 and 15.5.22."""
    cases = {
        "plain GET": (request("GET / HTTP/1.1"), 426),
        "no Upgrade": (handshake(upgrade=None), 426),
        "no Connection": (handshake(connection=None), 426),
        "another upgrade": (handshake(upgrade="h2c"), 426),
        "another connection option": (handshake(connection="keep-alive"), 426),
        "POST": (handshake().replace(b"GET", b"POST"), 405),
        "POST without upgrade": (request("POST / HTTP/1.1"), 405),
        "OPTIONS": (handshake().replace(b"GET", b"OPTIONS"), 405),
        "HTTP/1.0": (handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
        "CONNECT": (request("CONNECT a:80 HTTP/1.1"), 400),
        "no Host": (handshake().replace(b"host: 127.0.0.1\r\n", b""), 400),
        "another path": (handshake("/nowhere"), 404),
        "another path, plainly": (request("GET /nowhere HTTP/1.1"), 404),
    }
    async with shared_target.unharmed():
        responses = await refused(shared_target, cases)
    for response in responses.values():
        if response.status == 426:
            assert (response.headers["upgrade"], response.headers["connection"]) == ("websocket", "Upgrade, close")
        elif response.status == 405:
            assert response.headers["allow"] == "GET"


async def test_another_version_is_told_the_one_that_is_spoken(shared_target: Target) -> None:
    """RFC 6455 section 4.4."""
    versions = (None, "", "0", "8", "12", "14", "013", "13.0", "+13", "0x0d", "13, 8", "8, 13", "1" * 5000)
    cases = {f"{version}": (handshake(sec_websocket_version=version), 426) for version in versions}
    async with shared_target.unharmed():
        responses = await refused(shared_target, cases)
        await refused(shared_target, {"twice": (lines(b"sec-websocket-version: 13"), 400)})
    assert {response.headers["sec-websocket-version"] for response in responses.values()} == {"13"}


async def test_head_is_refused_without_a_body(shared_target: Target) -> None:
    """Which would be taken for the beginning of the next answer (RFC 9110 section 9.3.2)."""
    async with shared_target.unharmed():
        for data in (handshake().replace(b"GET", b"HEAD"), request("HEAD / HTTP/1.1")):
            async with connect(shared_target.port) as client:
                await client.send(data)
                response = await client.head()
                assert (response.status, response.headers["allow"]) == (405, "GET")
                assert int(response.headers["content-length"]) > 0
                assert await client.rest() == b""
                await shared_target.answers()
