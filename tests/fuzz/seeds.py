"""Inputs by hand: the examples of RFC 6455 and 9112, and the shapes of attacks on servers of this kind.

The corpus began with them. They are made, not kept, so that they stay right when a target reads its input otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.reference import write
from tests.fuzz.steering import Steering

__all__ = ["seeds"]

_KEY = b"\x37\xfa\x21\x3d"  # RFC 6455 section 5.7
#: Byte by byte, in threes into the decoder's room, first the header then the rest.
_GAPS = ((), (1,), (0x83,), (2, 4, 0x80), (7, 0x8B, 1))
_UPGRADE = (
    b"GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
    b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n"
    b"Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n"
)
_OFFERS = (
    b"permessage-deflate",
    b"permessage-deflate; client_max_window_bits",
    b"permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate",
    b'permessage-deflate; server_max_window_bits="9"; server_no_context_takeover; client_no_context_takeover',
    b"permessage-deflate; server_max_window_bits=8",
    b"permessage-deflate; server_max_window_bits=foo; x",
    b"x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=15; client_max_window_bits=15",
)


def seeds(target: str) -> list[bytes]:
    """The inputs of a target."""
    return list(_SEEDS[target]())


def _streams(key: bytes | None) -> Iterator[bytes]:
    """Conversations of one peer."""

    def frame(first: int, payload: bytes = b"", form: int = 0, length: int | None = None) -> bytes:
        return write(first, payload, key, form=form, length=length)

    hello, smile = b"Hello", "κόσμε 😀".encode()
    yield frame(0x81, hello) + frame(0x01, b"Hel") + frame(0x80, b"lo") + frame(0x89, hello) + frame(0x8A, hello)
    yield frame(0x82, bytes(256)) + frame(0x82, b"") + frame(0x82, bytes(125)) + frame(0x82, bytes(126))
    yield frame(0x01, smile[:3]) + frame(0x89) + frame(0x00, smile[3:-2]) + frame(0x80, smile[-2:]) + frame(0x88)
    yield b"".join(frame(0x80 | opcode, b"x") for opcode in (1, 2, 9, 10)) + frame(0x88, b"\x03\xe8bye")
    for payload in (
        b"\x03",
        b"\x03\xe8",
        b"\x03\xed",
        b"\x03\xf6",
        b"\x0b\xb8\xff",
        b"\x13\x88",
        bytes(125),
        bytes(126),
    ):
        yield frame(0x88, payload) + frame(0x81, b"never read")
    for payload in (b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xf0\x80\x80\x80", b"a\xce", b"\xff"):
        yield frame(0x81, payload)
        yield frame(0x01, payload[:1]) + frame(0x00, payload[1:]) + frame(0x80)
    for first in (0x83, 0x8B, 0xC1, 0xA2, 0x90, 0x09, 0x80, 0x00):
        yield frame(0x81, hello) + frame(first, hello)
    yield frame(0x01, hello) + frame(0x81, hello)
    yield frame(0x82, hello, form=2) + frame(0x82, hello)
    yield frame(0x82, hello, form=8)
    for length in (2**63 - 1, 2**63, 2**64 - 1, 65536, 200_001):
        yield frame(0x82, hello, length=length)
        yield frame(0x01, hello, length=length)
    yield frame(0x02) + frame(0x00) * 20 + frame(0x89) * 20 + frame(0x80, b"end")
    yield frame(0x82, b"x") * 260 + frame(0x81, b"more")


def _decoder() -> Iterator[bytes]:
    for bits, key in ((0, _KEY), (1, None), (0, None)):
        for number, stream in enumerate(_streams(key)):
            yield Steering.made(stream, bits=bits, choices=(5, 3), gaps=_GAPS[number % len(_GAPS)])


def _frames() -> Iterator[bytes]:
    def described(first: int, payload: bytes, times: int = 0, odd: bool = False) -> bytes:
        return bytes([first, times | 0x38 * odd | 0x40, len(payload)]) + payload

    text = "é😀".encode()
    for gaps in _GAPS:
        yield Steering.made(described(0x81, text, 7) + described(0x82, b"x" * 20, 7), choices=(7, 5), gaps=gaps)
        yield Steering.made(described(0x01, text, 4) + described(0x80, text[:3], 6), choices=(7, 5), gaps=gaps)
        yield Steering.made(described(0x02, bytes(200), 7) + described(0x89, b""), bits=1, choices=(8, 5), gaps=gaps)
        yield Steering.made(described(0x82, b"abcd", 6) * 3, choices=(5, 1), gaps=gaps)
        yield Steering.made(described(0x82, b"ab", 0, True) + described(0x81, b"a", 0, True), choices=(5, 1), gaps=gaps)


def _deflate() -> Iterator[bytes]:
    def described(first: int, payload: bytes, times: int = 0) -> bytes:
        return bytes([first, times | 0x40, len(payload)]) + payload

    text, hello = "é😀".encode(), b"Hello"
    plain = (
        described(0xC1, hello) * 2 + described(0x82, b"as it is") + described(0xC1, text, 5),
        described(0x41, hello) + described(0x89, b"") + described(0x00, hello) + described(0x80, text) * 2,
        described(0xC2, bytes(range(256))[:250], 7) * 2 + described(0xC1, text[:3]) + described(0x88, b"\x03\xe8"),
        described(0x42, b"") + described(0x80, b"") + described(0xC2, b"") + described(0xC9, b""),
    )
    for bits in range(0, 128, 2):
        if not bits & 8:
            yield Steering.made(plain[bits // 16 % 4], bits=bits, choices=(5, 3), gaps=_GAPS[bits % 5])
    # RFC 7692 section 7.2.3, and what ends in other ways than those.
    raw = (
        b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"\xf2\x00\x11\x00\x00", b"\x00\x05\x00\xfa\xffHello\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", b"\x00", b"",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00", b"\xf2\x48\xcd", b"\xff", b"\x01",
        b"\x03", b"\x03\x00more",
    )  # fmt: skip
    for number, payload in enumerate(raw):
        stream = described(0xC1, payload) + described(0xC2, raw[0]) + described(0xC2, raw[3])
        yield Steering.made(stream, bits=8 | 2 * (number % 2), choices=(5, 3), gaps=_GAPS[number % 5])
        yield Steering.made(stream, bits=8 | 2 * ((number + 1) % 2), choices=(2, 3))


def _encoder() -> Iterator[bytes]:
    for kind in range(10):
        edges = tuple((0, bytes(length)) for length in (0, 125, 126, 127))
        for times, payload in (*edges, (0, b"Hello"), (4, b"\xff\xc3\xa9"), (5, bytes(range(250)))):
            described = bytes([kind, times, len(payload)]) + payload
            yield _KEY + described * 2
    yield _KEY + b"\x09\x00\x05\x03\xe8bye" + b"\x00\x00\x01x"


def _head() -> Iterator[bytes]:
    get = b"GET /a%20b?c=d HTTP/1.1\r\nHost: a\r\n"
    post = b"POST /a HTTP/1.1\r\nHost: a\r\n"
    sized = post + b"Content-Length: 5\r\n\r\nhello"
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    bodies = (
        b"3\nabc\r\n0\r\n\r\n", b" 3\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n",
        b"3;x=y\r\nabc\r\n0A \r\n",
        b"3 ;x\r\nabc\r\n0\r\nTrailer: x\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n",
    )  # fmt: skip
    headers = (
        (b"X: a", b" folded"), (b"X : a",), (b"X: a\nY: b",), (b"X: a\x00b",), (b"Host: b",), (b"Content-Length: 0",),
        (b"Content-Length: 3", b"Content-Length: 3"), (b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 3, 3",), (b"Transfer-Encoding: gzip, chunked",), (b"Connection: close",),
        (b"Expect: 100-continue", b"Content-Length: 1"), (b"X-A: 1", b"x-a:\t2 \t"), (b"X: caf\xe9\x85",),
        (b"Connection: keep-alive, Close",),
    )  # fmt: skip
    wires = [_UPGRADE + b"\r\n\x81\x85" + _KEY, sized + get + b"\r\n" + sized, b"\r\n\r\n" + get + b"\r\n", b"\r"]
    wires += [chunked + body + get + b"\r\n" for body in bodies]
    wires += [get + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + get for lines in headers]
    wires += [
        b"GET / HTTP/1.0\r\n\r\n" + get,
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    ]
    wires += [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT a:80 HTTP/1.1\r\n\r\n", b"GET http://a/ HTTP/1.1\r\n\r\n"]
    wires += [b"GET http://A:80/b?c HTTP/1.1\r\nHost: %b\r\n\r\n" % host for host in (b"a:80", b"A", b"b", b"")]
    wires += [
        b"\n" + get + b"\r\n",
        b" " + get + b"\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
    ]
    for number, wire in enumerate(wires):
        yield Steering.made(wire, choices=(1,))
        yield Steering.made(wire, choices=(number,), gaps=_GAPS[number % len(_GAPS)])


def _handshake() -> Iterator[bytes]:
    lines = _UPGRADE.partition(b"\r\n")[2]
    for number, offer in enumerate(_OFFERS):
        yield Steering.made(lines + b"Sec-WebSocket-Extensions: " + offer, bits=number << 2, choices=(number, number))
        yield Steering.made(lines + b"Sec-WebSocket-Extensions: " + offer, bits=12, choices=(1, 1))
    for number, origin in enumerate(
        (b"http://server.example.com:80", b"null", b"https://example.org", b"http://[::1]:8080", b"http://a, http://b")
    ):
        other = lines.replace(b"http://example.com", origin)
        yield Steering.made(other, choices=(number, 1))
        yield Steering.made(other.replace(b"server.example.com", b"[::1]:8080"), bits=3, choices=(0, 2))
    for old, new in (
        (b"13", b"8"), (b"13\r\n", b"13\r\nSec-WebSocket-Version: 13\r\n"), (b"==", b"="),
        (b"chat", b"ch at"), (b", Upgrade", b""),
        (b"Upgrade: websocket", b"Upgrade: h2c, websocket"), (b"chat", b",,chat,"),
    ):  # fmt: skip
        yield Steering.made(lines.replace(old, new), choices=(0, 1))


_SEEDS = {
    "decoder": _decoder,
    "frames": _frames,
    "encoder": _encoder,
    "deflate": _deflate,
    "head": _head,
    "handshake": _handshake,
}
