"""Compressed messages: bits where they don't belong, and data that is no data (RFC 7692). What is right comes back."""

from __future__ import annotations

import os
import zlib
from itertools import pairwise
from random import Random

import pytest
import trio

from tests.support.attacker import FIN, RSV1, attacker, compressed, head, naming, refuses
from tests.support.deflate import TAIL, Peer, deflated
from tests.support.faults import Target
from tests.support.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

RSV2, RSV3 = 0x20, 0x10
OFFER = {"sec_websocket_extensions": "permessage-deflate"}
PROTOCOL_ERROR, INVALID, TOO_BIG = 1002, 1007, 1009
SOUND = deflated(b"sound and whole, sound and whole")
FUZZED, TOGETHER = 150, 25


def finished(payload: bytes) -> bytes:
    """Compressed in a stream that ends with the message (section 7.2.3.4)."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(payload) + stream.flush(zlib.Z_FINISH)


async def test_what_is_compressed_in_any_way_comes_back(deflating: Target) -> None:
    """In one frame and in fragments, with pings between; with the end of the stream inside; in several blocks."""
    text = os.urandom(20_000).hex().encode()
    several = Peer()
    messages = {
        "some text": (deflated(text), text),
        "nothing": (deflated(b""), b""),
        "random bytes": (deflated(text[:1000]), text[:1000]),
        "a stream that ends": (finished(text), text),
        "and its padding": (finished(text) + b"\0", text),
        "several blocks": (several.deflate(text[:100]) + TAIL + several.deflate(text[100:]), text),
        "empty blocks": ((b"\0" + TAIL) * 1000 + deflated(b"x"), b"x"),
        "not compressed": (b"\x00\x03\x00\xfc\xffabc\x00", b"abc"),
    }
    async with deflating.unharmed(), attacker(deflating.port, **OFFER) as client:
        for name, (data, payload) in messages.items():
            with naming(name):
                await client.send(compressed(FIN | BINARY, data))
                assert await client.binary() == payload
                cuts = sorted({0, 1, len(data) // 2, len(data)})
                await client.send(compressed(BINARY, data[: cuts[0]]))
                for begin, end in pairwise(cuts):
                    await client.send(frame(PING, b"ping") + frame(CONTINUATION, data[begin:end], fin=False))
                    assert await client.frame() == (PONG, b"ping")
                await client.send(frame(CONTINUATION) + frame(TEXT, b"plain"))
                assert await client.binary() == payload
                assert await client.message() == "plain"
        await deflating.answers()
        await client.close()


async def test_bits_are_refused_where_they_do_not_belong(deflating: Target) -> None:
    """RSV1 is for the first frame of a message; the other two are for nobody (section 6)."""
    cases = {
        "RSV1 on a ping": head(FIN | RSV1 | PING, 4) + b"ping",
        "on a pong": head(FIN | RSV1 | PONG, 4) + b"pong",
        "on a Close": head(FIN | RSV1 | CLOSE, 2) + b"\x03\xe8",
        "on a fragment of a compressed message": compressed(BINARY, SOUND) + head(FIN | RSV1 | CONTINUATION, 0),
        "on a fragment of a plain one": frame(BINARY, b"a", fin=False) + head(FIN | RSV1 | CONTINUATION, 1) + b"a",
        "RSV2": head(FIN | RSV1 | RSV2 | BINARY, len(SOUND)) + SOUND,
        "RSV3": head(FIN | RSV3 | BINARY, len(SOUND)) + SOUND,
    }
    async with deflating.unharmed():
        await refuses(deflating, PROTOCOL_ERROR, cases, **OFFER)


@pytest.mark.parametrize("offer", [None, "permessage-deflate; unknown", "permessage-deflate; server_max_window_bits=7"])
async def test_without_an_agreement_nothing_is_inflated(deflating: Target, offer: str | None) -> None:
    """Not offered, or an offer that was declined (section 5.1)."""
    cases = {"a message": compressed(FIN | BINARY, SOUND), "a fragment": compressed(BINARY, SOUND)}
    async with deflating.unharmed():
        await refuses(deflating, PROTOCOL_ERROR, cases, sec_websocket_extensions=offer)


BAD = {
    "a block of a reserved type": b"\x07",
    "random bytes": b"\xff" * 100,
    "a stored block whose length is not confirmed": b"\x00\x05\x00\x00\x00hello",
    "a reference to what came before the message": b"\xca\xc0\x2e\x0c\x00",
    "trees that don't fit": b"\x05\xff\xff\xff\xff\xff",
    "what zlib puts around it": zlib.compress(b"all"),
    "sound, and then not": SOUND + TAIL + b"\x07",
}
CUT = {
    "the first half": SOUND[: len(SOUND) // 2],
    "all but the last byte": SOUND[:-1],
    "in a stored block": b"\x00\x05\x00\xfa\xffhel",
    "more behind the end of its stream": finished(b"all") + b"\0more",
    "another stream behind the end": finished(b"all") + SOUND,
}


async def test_what_is_not_deflated_data_is_refused(deflating: Target) -> None:
    """By the first fragment already, if that shows it."""
    cases = {name: compressed(FIN | BINARY, data) for name, data in (BAD | CUT).items()}
    cases |= {f"{name}, begun": compressed(BINARY, data) for name, data in BAD.items()}
    for name, data in CUT.items():
        cases[f"{name}, in fragments"] = (
            compressed(BINARY, data[:3]) + frame(CONTINUATION, data[3:], fin=False) + frame(CONTINUATION)
        )
    async with deflating.unharmed():
        await refuses(deflating, INVALID, cases, **OFFER)


async def test_text_is_still_text(deflating: Target) -> None:
    cases = {
        "one frame": compressed(FIN | TEXT, deflated(b"not UTF-8: \xff")),
        "cut at the end": compressed(FIN | TEXT, deflated(b"\xe2\x82")),
        "the first fragment": compressed(TEXT, zlib.compress(b"\xff" * 100_000, wbits=-15)),
    }
    async with deflating.unharmed():
        await refuses(deflating, INVALID, cases, **OFFER)


async def test_messages_may_refer_to_each_other_where_that_was_agreed(deflating: Target) -> None:
    """And to nothing that was never there; the window is the connection's own."""
    peer, text = Peer(), os.urandom(100).hex().encode()
    first, second = peer.deflate(text), peer.deflate(text)
    async with deflating.unharmed(), attacker(deflating.port, "/takeover", **OFFER) as client:
        for data in (first, second):
            await client.send(compressed(FIN | BINARY, data))
            assert await client.binary() == text
        await refuses(deflating, INVALID, {"the second alone": compressed(FIN | BINARY, second)}, "/takeover", **OFFER)
        await client.close()


@pytest.mark.parametrize("path", ["/", "/takeover"])
async def test_mistakes_in_compressed_streams(deflating: Target, path: str) -> None:
    """Seeded: some bits of valid messages are changed. What is no message any more is told so, nothing else happens."""

    async def attack(seed: int) -> None:
        random = Random(seed)
        peer, data = Peer(), bytearray()
        for _ in range(random.randrange(1, 10)):
            payload = peer.deflate(random.randbytes(10) * random.randrange(1000))
            cut = random.randrange(len(payload) + 1)
            data += compressed(random.choice((TEXT, BINARY)), payload[:cut]) + frame(CONTINUATION, payload[cut:])
        for _ in range(random.randrange(1, 4)):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        with naming(f"seed {seed}"):
            async with attacker(deflating.port, path, **OFFER) as client:
                await client.send(data)
                await client.half_close()
                for opcode, payload in await client.frames(RSV2 | RSV3):
                    assert opcode in (TEXT, BINARY, PONG, CLOSE)
                    if opcode == CLOSE:
                        assert int.from_bytes(payload[:2]) in (PROTOCOL_ERROR, INVALID, TOO_BIG)

    async with deflating.unharmed():
        for first in range(0, FUZZED, TOGETHER):
            async with trio.open_nursery() as nursery:
                for seed in range(first, first + TOGETHER):
                    nursery.start_soon(attack, seed)
                nursery.start_soon(deflating.answers)
