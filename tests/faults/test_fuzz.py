"""Random bytes, and valid streams with mistakes in them: whatever comes, the server says only what is right.

Seeded: a failure names its seed, and comes again with it. (What is meant by each rule is tested beside this; here
is what nobody thought of.)
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
import trio

from tests.support.attacker import attacker, head, naming
from tests.support.faults import Target
from tests.support.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

CONNECTIONS = 150
#: At one time.
TOGETHER = 25
#: What a server may say to somebody who makes mistakes: nothing, that it is well, or which kind of mistake it was.
CODES = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, *range(3000, 5000)}


def noise(random: Random) -> bytes:
    return random.randbytes(random.randrange(1, 3000))


def almost_valid(random: Random) -> bytes:
    """Frames of all kinds, then some bytes of them changed, dropped or said twice."""
    data = bytearray()
    for _ in range(random.randrange(1, 20)):
        opcode = random.choice((TEXT, TEXT, BINARY, BINARY, CONTINUATION, PING, PONG))
        size = random.choice((0, 1, 5, 125, 126, 300)) if opcode < CLOSE else random.randrange(126)
        payload = "".join(random.choices("aé€😀", k=size)).encode()[: max(size, 0)] if opcode == TEXT else bytes(size)
        fin = opcode >= CLOSE or random.random() < 0.7
        data += frame(opcode, payload, fin=fin)
    if random.random() < 0.5:
        data += frame(CLOSE, random.choice((1000, 1005, 3000, 77)).to_bytes(2) + b"reason")
    for _ in range(random.randrange(0, 4)):
        place = random.randrange(len(data))
        mistake = random.randrange(4)
        if mistake == 0:
            data[place] ^= 1 << random.randrange(8)
        elif mistake == 1:
            del data[place : place + random.randrange(1, 5)]
        elif mistake == 2:
            data[place:place] = data[place : place + 10]
        else:
            data[place:place] = head(random.randrange(256), random.choice((0, 126, 70_000)))
        if not data:
            break
    return bytes(data)


@pytest.mark.parametrize("stream", [noise, almost_valid])
async def test_nothing_but_closed_connections(shared_target: Target, stream: Callable[[Random], bytes]) -> None:
    """What comes back is whole and valid frames, at most one Close with a code that fits, nothing behind it."""

    async def attack(seed: int) -> None:
        random = Random(seed)
        data = stream(random)
        with naming(f"seed {seed}"):
            async with attacker(shared_target.port) as client:
                while data:
                    size = random.choice((1, 7, 100, len(data)))
                    await client.send(data[:size])
                    data = data[size:]
                await client.half_close()
                frames = await client.frames()
                for opcode, payload in frames:
                    assert opcode in (TEXT, BINARY, PONG, CLOSE)
                    if opcode == TEXT:
                        payload.decode()
                    if opcode == CLOSE and payload:
                        assert int.from_bytes(payload[:2]) in CODES

    async with shared_target.unharmed():
        for first in range(0, CONNECTIONS, TOGETHER):
            async with trio.open_nursery() as nursery:
                for seed in range(first, first + TOGETHER):
                    nursery.start_soon(attack, seed)
                nursery.start_soon(shared_target.answers)
