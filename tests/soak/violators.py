"""Violators: bad clients that break the protocol, in every way that is known, each answered as the RFC says.

Rule owned here: which violation gets which close code or status. Must not know how the server finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import trio

from tests.soak.echoes import LARGEST
from tests.soak.world import Fault, World
from tests.support.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, connect, frame, handshake

__all__ = ["stranger", "violator"]

RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10
MASK = b"\x01\x02\x03\x04"


def _close(payload: bytes) -> bytes:
    return frame(CLOSE, payload)


def _fragments(count: int) -> bytes:
    return frame(BINARY, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * count


#: What is sent, and the code that it is closed with.
VIOLATIONS: tuple[tuple[Callable[[Random], bytes], int], ...] = (
    (lambda random: b"\x81\x05hello", 1002),  # not masked
    (lambda random: b"\x88\x00", 1002),
    (lambda random: frame(TEXT | random.choice((RSV1, RSV2, RSV3)), b"reserved bits"), 1002),
    (lambda random: frame(PING | RSV1, b""), 1002),
    (lambda random: frame(random.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15)), b"reserved opcode"), 1002),
    (lambda random: frame(random.choice((PING, PONG, CLOSE)), b"", fin=False), 1002),
    (lambda random: frame(random.choice((PING, PONG)), bytes(126)), 1002),
    (lambda random: frame(CONTINUATION, b"of nothing"), 1002),
    (lambda random: frame(TEXT, b"one", fin=False) + frame(TEXT, b"two"), 1002),
    (lambda random: b"\x82\xfe\x00\x05" + MASK + b"short", 1002),  # a length in more bytes than it takes
    (lambda random: b"\x82\xff" + (65_535).to_bytes(8, "big") + MASK, 1002),
    (lambda random: b"\x82\xff" + (1 << 63).to_bytes(8, "big") + MASK, 1002),
    (lambda random: _close(b"\x03"), 1002),
    (lambda random: _close(random.choice((0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)).to_bytes(2, "big")), 1002),
    (lambda random: _close(b"\x03\xe8\xff"), 1007),
    (lambda random: frame(TEXT, random.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"))), 1007),
    (lambda random: frame(TEXT, b"cut \xe2\x82"), 1007),
    (lambda random: frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"(\xa1"), 1007),
    (lambda random: b"\x82\xff" + (LARGEST + 1).to_bytes(8, "big") + MASK, 1009),
    (lambda random: b"\x82\xff" + ((1 << 63) - 1).to_bytes(8, "big") + MASK, 1009),
    (lambda random: frame(BINARY, bytes(LARGEST), fin=False) + frame(CONTINUATION, b"!"), 1009),
    (lambda random: _fragments(2000), 1009),
)


async def violator(world: World, random: Random) -> None:
    """Breaks the protocol, at once or after good behaviour, and goes on talking."""
    violation, code = random.choice(VIOLATIONS)
    data = violation(random)
    async with world.client(random.choice(("/echo", "/echo/async"))) as client:
        if random.random() < 0.5:
            await client.echo("good")
        if random.random() < 0.3:
            data += frame(TEXT, b"and more") * random.randrange(20)
        bytewise = 40 if random.random() < 0.2 else 0
        try:
            for begin in range(min(len(data), bytewise)):
                await client.send(data[begin : begin + 1])
            await client.send(data[bytewise:])
        except trio.BrokenResourceError:
            pass  # who goes on for too long after Close is reset; what came before that can be read
        closed, _ = await client.closed()
        if closed != code:
            raise Fault(f"{violation(random)[:20]!r}... was closed with {closed}, not {code}")
        world.figures["violations"] += 1


#: Requests that are no handshake, and the statuses that they may be answered with.
REQUESTS: tuple[tuple[bytes, tuple[int, ...]], ...] = (
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), (400,)),  # TLS
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    (b"GET /echo\r\n\r\n", (400,)),
    (b"\x00\xff" * 100 + b"\r\n\r\n", (400,)),
    (b"GET /echo HTTP/1.1\r\nhost: a\r\n\r\n", (426,)),
    (b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", (405,)),
    (b"GET /echo HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", (400,)),
    (
        b"POST /soak/body HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        (400,),
    ),
    (b"POST /soak/body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n", (400,)),
    (b"POST /soak/body HTTP/1.1\r\nhost: a\r\ncontent-length: 9999999999\r\n\r\n", (413,)),
    (b"GET / HTTP/1.1\r\nhost: a\r\nlong: " + b"x" * 20_000 + b"\r\n\r\n", (431,)),
    (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"many: x\r\n" * 200 + b"\r\n", (431,)),
    (handshake("/echo", sec_websocket_key="short"), (400,)),
    (handshake("/echo", sec_websocket_key=None), (400,)),
    (handshake("/echo", sec_websocket_version="8"), (426,)),
    (handshake("/echo", "\xff"), (400, 101)),
    (handshake("/echo", origin="http://evil.example"), (403,)),
    (handshake("/echo", upgrade="h2c"), (426,)),
)


async def stranger(world: World, random: Random) -> None:
    """Speaks something else than a handshake, or one with a mistake."""
    request, statuses = random.choice(REQUESTS)
    async with connect(world.port) as client:
        await client.send(request)
        response = await client.response()
        if response.status not in statuses:
            raise Fault(f"{request[:60]!r}... was answered with {response.status}, not one of {statuses}")
        world.figures["refused"] += response.status != 101
