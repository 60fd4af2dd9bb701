"""Requests in form with odd content: every byte that may stand there stands there, or is a reason for a 400."""

from __future__ import annotations

from tests.support.faults import Target
from tests.support.requests import let_in, lines, only_response, refused, request
from tests.support.wire import CONTINUATION, TEXT, connect, frame, handshake


async def test_bytes_beyond_ascii_are_opaque_or_refused(shared_target: Target) -> None:
    """Never an exception: one such Host has ended other servers. RFC 9110 section 5.5, RFC 9112 section 3.2."""
    opaque = {
        "cookie": handshake(cookie="\xff" * 1000),
        "user-agent": handshake(user_agent="caf\xe9 \x80"),
        "UTF-8": lines("x-name: žluťoučký kůň 🐎".encode()),
        "connection": handshake(connection="\xff, Upgrade"),
        "upgrade": handshake(upgrade="\xff, websocket"),
        "extensions": handshake(sec_websocket_extensions="\xff"),
        "a tab in a value": handshake(x_tab="a\tb"),
        "an empty value": handshake(x_empty=""),
        "query": handshake("/?a=%ff&%00=%&=&&b=%e9"),
    }
    bad = {
        "host": (handshake(host="\xff"), 400),
        "host in UTF-8": (handshake(host="b\xc3\xbccher.example"), 400),
        "connection only": (handshake(connection="\xff"), 426),
        "upgrade only": (handshake(upgrade="\xff"), 426),
        "key": (handshake(sec_websocket_key="\xff" * 24), 400),
        "version": (handshake(sec_websocket_version="\xb9\xb3"), 426),
        "protocol": (handshake(sec_websocket_protocol="chat, \xff"), 400),
        "origin": (handshake(origin="http://\xff"), 403),
        "path": (handshake("/\xff"), 400),
        "path in UTF-8": (handshake("/\xc3\xa9"), 400),
        "path of another encoding": (handshake("/%ff"), 400),
        "path of a surrogate": (handshake("/%ED%A0%80"), 400),
        "path of a percent sign": (handshake("/%"), 400),
        "path with a NUL": (handshake("/%00"), 404),
        "path with a line's end": (handshake("/%0d%0aX:%20y"), 404),
        "a name": (lines(b"x\xff: a"), 400),
        "a NUL": (lines(b"x: a\0b"), 400),
        "a control character": (lines(b"x: a\x1bb"), 400),
        "DEL": (lines(b"x: a\x7fb"), 400),
    }
    async with shared_target.unharmed():
        await let_in(shared_target, opaque)
        await refused(shared_target, bad)


async def test_long_values_are_opaque_or_refused(shared_target: Target) -> None:
    """Of those that fit into a head."""
    long = "x" * 12_000
    opaque = {
        "host": handshake(host=long),
        "a label of a host": handshake(host="a" * 64 + ".example"),
        "cookie": handshake(cookie=long),
        "query": handshake("/?" + long),
        "extensions": handshake(sec_websocket_extensions=long),
        "protocol": handshake(sec_websocket_protocol=long),
        "protocols": handshake(sec_websocket_protocol="a, " * 4000),
        "connection": handshake(connection="x, " * 4000 + "Upgrade"),
        "a name": lines(long.encode() + b": a"),
        "a port": handshake(host="a:" + "8" * 12_000),
    }
    bad = {
        "origin": (handshake(origin="http://" + long), 403),
        "key": (handshake(sec_websocket_key=long), 400),
        "path": (handshake("/" + long), 404),
        "segments": (handshake("/a" * 6000), 404),
        "escapes": (handshake("/" + "%41" * 4000), 404),
    }
    async with shared_target.unharmed():
        await let_in(shared_target, opaque)
        await refused(shared_target, bad)


async def test_a_host_is_a_name_and_a_port(shared_target: Target) -> None:
    """RFC 9112 section 3.2: any other value is a 400, and so is a second one."""
    good = ("a", "a:80", "a_b.example", "127.0.0.1:8000", "[::1]", "[::1]:8000", "%41", "")
    bad = ("a b", "a/b", "a:b", "user@a", "http://a", "[::1", "::1", "a, b:1", "a;b c", "\tb c", "a?b", "a#b", "a\\b")
    async with shared_target.unharmed():
        await let_in(shared_target, {host: handshake(host=host) for host in good})
        await refused(shared_target, {host: (handshake(host=host), 400) for host in bad})


async def test_one_byte_at_a_time_works(shared_target: Target) -> None:
    async with shared_target.unharmed(log_lines=0), connect(shared_target.port) as client:
        for byte in handshake() + frame(TEXT, b"he", fin=False) + frame(CONTINUATION, b"llo"):
            await client.send(bytes([byte]))
        await shared_target.answers()
        assert (await client.head()).status == 101
        assert await client.message() == "hello"
        await client.close()


async def test_one_byte_at_a_time_is_refused_as_well(shared_target: Target) -> None:
    async with shared_target.unharmed(), connect(shared_target.port) as client:
        for byte in request("GET /nowhere HTTP/1.1"):
            await client.send(bytes([byte]))
        await shared_target.answers()
        assert (await only_response(client)).status == 404
