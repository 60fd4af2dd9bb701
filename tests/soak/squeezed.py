"""Squeezed: clients that have agreed to permessage-deflate, good and bad (RFC 7692).

Rule owned here: whatever was agreed, a message of ours refers to nothing before it, and one of the server's may. Must
not know what is said.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from random import Random

import trio

from tests.soak.echoes import LARGEST, leave, message
from tests.soak.world import PATIENCE, Fault, World
from tests.support.attacker import FIN, RSV1
from tests.support.deflate import TAIL, deflated
from tests.support.wire import BINARY, CONTINUATION, PING, Client, connect, frame

__all__ = ["Squeezed", "bomber", "open_squeezed", "squeezer"]

PATHS = ("/deflate", "/deflate/takeover")
OFFER = "permessage-deflate; client_max_window_bits"
#: Bytes of a message that is 64 times as large as the largest, and fits into 64 KiB.
BOMB = 64 * LARGEST
PAUSE = 0.1


class Squeezed(Client):
    """One end of such a connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        super().__init__(stream)
        self._inflate = zlib.decompressobj(wbits=-15)

    async def frame(self) -> tuple[int, bytes]:
        """As of any client, inflated."""
        first, size = await self.read(2)
        assert first & 0x30 == 0 and first & FIN and size < 128
        if size > 125:
            size = int.from_bytes(await self.read(2 if size == 126 else 8), "big")
        payload = await self.read(size)
        if first & RSV1:
            payload = self._inflate.decompress(payload + TAIL)
        return first & 0x0F, payload


@asynccontextmanager
async def open_squeezed(port: int, path: str) -> AsyncIterator[Squeezed]:
    """Such a connection."""
    async with connect(port) as plain:
        client = Squeezed(plain.stream)
        response = await client.upgrade(path, sec_websocket_extensions=OFFER)
        if "permessage-deflate" not in response.headers.get("sec-websocket-extensions", ""):
            raise Fault(f"{path} didn't agree to permessage-deflate")
        yield client


async def squeezer(world: World, random: Random) -> None:
    """Has messages echoed, most of them compressed, some in fragments."""
    async with open_squeezed(world.port, random.choice(PATHS)) as client:
        ends = world.lifetime(random)
        while trio.current_time() < ends:
            opcode, payload = message(random)
            with trio.fail_after(PATIENCE):
                await client.send(_compressed(random, opcode, payload))
                came = await client.frame()
            if came != (opcode, payload):
                raise Fault(f"{len(payload)} bytes, compressed, came back as opcode {came[0]}, {len(came[1])} bytes")
            world.figures["messages"] += 2
            world.figures["bytes"] += 2 * len(payload)
            world.figures["deflated"] += 1
            await trio.sleep(random.expovariate(1 / PAUSE))
        await leave(client)


def _compressed(random: Random, opcode: int, payload: bytes) -> bytes:
    if random.random() < 0.2:
        return frame(opcode, payload)
    data = deflated(payload)
    if random.random() < 0.5:
        return frame(opcode | RSV1, data)
    cut = random.randrange(len(data) + 1)
    return frame(opcode | RSV1, data[:cut], fin=False) + frame(CONTINUATION, data[cut:])


@cache
def _bombs() -> tuple[tuple[bytes, int], ...]:
    """What is sent, and the code that it is closed with."""
    bomb = deflated(bytes(BOMB))
    return (
        (frame(BINARY | RSV1, bomb), 1009),
        (frame(BINARY | RSV1, bomb[:100], fin=False) + frame(CONTINUATION, bomb[100:]), 1009),
        (frame(BINARY | RSV1, deflated(bytes(LARGEST + 1))), 1009),
        (frame(BINARY | RSV1, b"\x07 is no kind of block"), 1007),
        (frame(BINARY | RSV1, b"", fin=False) + frame(CONTINUATION | RSV1, deflated(b"?")), 1002),
        (frame(PING | RSV1, b""), 1002),
    )


async def bomber(world: World, random: Random) -> None:
    """Sends little that would become much, or what can't be inflated."""
    data, code = random.choice(_bombs())
    async with open_squeezed(world.port, random.choice(PATHS)) as client:
        await client.send(data)
        if (closed := await client.closed())[0] != code:
            raise Fault(f"what was compressed badly was closed with {closed}, not {code}")
        world.figures["violations"] += 1
