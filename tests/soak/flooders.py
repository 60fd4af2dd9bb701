"""Flooders: bad clients that send much more than they should.

Rule owned here: a flood is answered in order, and no part of it is lost. Must not know who else is served meanwhile.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random

import trio

from tests.soak.app import RATE
from tests.soak.world import PATIENCE, Fault, World
from tests.support.wire import PING, PONG, TEXT, Client, connect, frame, handshake

__all__ = ["crowder", "flooder", "hasty", "pinger"]


@lru_cache(maxsize=16)
def flood(opcode: int, answer: int, count: int) -> tuple[bytes, bytes]:
    """Numbered frames, and the answer to all of them. (Made once: a flood is to cost the server more than us.)"""
    numbers = [b"%d" % number for number in range(count)]
    answers = [bytes([0x80 | answer, len(number)]) + number for number in numbers]
    return b"".join(frame(opcode, number) for number in numbers), b"".join(answers)


async def pinger(world: World, random: Random) -> None:
    """Sends thousands of pings; the pongs are read, or not."""
    count = random.choice((100, 1000, 10_000))
    async with world.client("/echo") as client:
        world.figures["pings"] += count
        if random.random() < 0.3:
            await client.send(flood(PING, PONG, count)[0])
            await trio.sleep_until(min(world.lifetime(random), trio.current_time() + 1))
        else:
            await _flood(client, random, *flood(PING, PONG, count))


async def flooder(world: World, random: Random) -> None:
    """Sends an actor more messages than its mailbox holds, before it reads an answer."""
    # An async def callback that waits gets a turn of a busy server for each message: a few ms.
    path, count = random.choice((("/echo", 1000), ("/echo", 10_000), ("/echo/async", 500), ("/echo/async", 2000)))
    async with world.client(path) as client:
        await _flood(client, random, *flood(TEXT, TEXT, count))
        world.figures["messages"] += 2 * count


async def hasty(world: World, random: Random) -> None:
    """Sends more in a second than the route takes: all is taken in time, or the end is Close 1008."""
    policy = random.choice(("throttle", "close"))
    async with world.client(f"/rate/{policy}") as client:
        began = trio.current_time()
        await client.send(flood(TEXT, TEXT, 2 * RATE)[0])
        for number in range(2 * RATE):
            came = await client.frame()
            if policy == "close" and came[1][:2] == b"\x03\xf0" and await client.rest() == b"":
                world.figures["thrown out"] += 1
                return
            if came != (TEXT, b"%d" % number):
                raise Fault(f"number {number} of a client in haste was answered {came}")
        # A server that is slow enough by itself has no reason to say anything.
        if (seconds := trio.current_time() - began) < 0.5:
            raise Fault(f"{2 * RATE} frames were taken in {seconds:.3f} s by a route that takes {RATE} a second")


async def _flood(client: Client, random: Random, data: bytes, answer: bytes) -> None:
    """Everything is answered, in order."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, data)
        await trio.sleep(random.choice((0, 0.1)))
        came = await client.read(len(answer))
    if came != answer:
        where = next(place for place, (ours, theirs) in enumerate(zip(came, answer, strict=True)) if ours != theirs)
        raise Fault(f"the answer to a flood is wrong from byte {where} on: {came[where - 10 : where + 20]!r}")


async def crowder(world: World, random: Random) -> None:
    """Opens more connections from one address than the route lets in: exactly those above are refused."""
    serial = world.serial()
    request = handshake("/few")
    source = f"127.1.{serial // 250 % 250 + 1}.{serial % 250 + 1}"
    async with trio.open_nursery() as nursery:
        statuses: list[int] = []
        wanted = random.randrange(3, 8)

        async def come() -> None:
            async with connect(world.port, source=source) as client:
                await client.send(request)
                statuses.append((await client.response()).status)
                with trio.fail_after(PATIENCE):
                    while len(statuses) < wanted:
                        await trio.sleep(0.01)

        for _ in range(wanted):
            nursery.start_soon(come)
    if sorted(statuses) != [101] * 3 + [503] * (wanted - 3):
        raise Fault(f"of {wanted} connections from one address, with room for 3, became {statuses}")
    world.figures["refused"] += wanted - 3
