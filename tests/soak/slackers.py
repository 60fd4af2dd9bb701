"""Slackers: bad clients that take what they are sent too slowly, or never.

Rule owned here: what comes in the end are whole frames in the order sent, and those that are missing are the ones that
the route's policy leaves out. Must not know how the server keeps what waits.
"""

from __future__ import annotations

import json
from random import Random

import trio

from tests.soak.sinks import KEYS, POLICIES
from tests.soak.world import Fault, World
from tests.support.wire import CLOSE, TEXT, Client, frame

__all__ = ["busy", "never_reader", "slow_reader"]

#: Frames asked for at once, and their size: more than the kernel and the route's limit (256 KiB) hold together.
COUNT, SIZE = 300, 20_000
#: What the kernel takes for a client that doesn't read.
SMALL = 4096
#: Messages that an actor's mailbox (20) is flooded with.
FLOOD = 200


async def never_reader(world: World, random: Random) -> None:
    """Asks for a lot, or listens to what never ends, and reads nothing."""
    async with world.client(f"/output/{random.choice(list(POLICIES))}", receive_buffer=SMALL) as client:
        world.noted += 1
        await client.send(frame(TEXT, b"listen"))
        if random.random() < 0.7:
            await client.send(frame(TEXT, b"push %d %d" % (COUNT, SIZE)))
        await trio.sleep_until(world.lifetime(random))
        if random.random() < 0.5:
            client.reset()


async def slow_reader(world: World, random: Random) -> None:
    """Asks for a lot, reads it late and slowly, and looks at what was left out."""
    policy = random.choice(list(POLICIES))
    async with world.client(f"/output/{policy}", receive_buffer=SMALL) as client:
        await client.send(frame(TEXT, b"push %d %d" % (COUNT, SIZE)))
        await trio.sleep(random.choice((0, 0.2, 1)))
        numbers, counts, closed = await _take(client, random, f" {'x' * SIZE}")
        world.figures["bytes"] += len(numbers) * SIZE
        world.figures["messages"] += len(numbers)
        world.noted += closed
        if counts.get("DROPPED") or closed:
            world.figures["overflows"] += 1
        if counts.get("BACKPRESSURED") and counts.get("drains") != 1:
            raise Fault(f"handle_drain was called {counts.get('drains', 0)} times after one relief: {counts}")
        _check(policy, numbers, COUNT, closed, COUNT - counts.get("DROPPED", 0))


async def busy(world: World, random: Random) -> None:
    """Sends an actor much more than it can handle."""
    policy = random.choice(list(POLICIES))
    async with world.client(f"/mailbox/{policy}") as client:
        await client.send(frame(TEXT, b"flood %d" % FLOOD))
        numbers, _, closed = await _take(client, random, " handled")
        world.figures["overflows"] += 1
        world.noted += closed
        _check(policy, numbers, FLOOD, closed, None)


async def _take(client: Client, random: Random, text: str) -> tuple[list[int], dict[str, int], bool]:
    """Read frames up to Close, or to the answer to a question that has to wait for them; each is a number and ``text``.

    The question is asked when the first has come: now the server doesn't read, or the actor has a mailbox.
    """
    numbers: list[int] = []
    while True:
        try:
            opcode, payload = await client.frame()
        except trio.BrokenResourceError:
            return numbers, {}, True  # too slow even for the Close behind it all
        if opcode == CLOSE:
            if payload[:2] != b"\x03\xf5" or await client.rest():
                raise Fault(f"closed with {payload!r}, not 1013 and nothing behind it")
            return numbers, {}, True
        line = payload.decode()
        if line.startswith("= "):
            answer = json.loads(line.removeprefix("= "))
            return numbers, answer if isinstance(answer, dict) else {}, False
        number, gap, rest = line.partition(" ")
        if gap + rest != text:
            raise Fault(f"frame {number} came as {line[:40]!r}..., {len(line)} characters")
        if not numbers:
            await client.text("count")
        numbers.append(int(number))
        if random.random() < 0.05:
            await trio.sleep(0.01)


def _check(policy: str, numbers: list[int], count: int, closed: bool, accepted: int | None) -> None:
    """Whether what came is what the policy lets come of ``count`` numbers, ``accepted`` of which were not refused."""
    what = f"of {count} numbers came {len(numbers)} under {policy}: {numbers[:5]}...{numbers[-5:]}"
    if len(set(numbers)) < len(numbers) or (policy != "coalesce" and numbers != sorted(numbers)):
        raise Fault(f"not in order or not once: {what}")
    match policy:
        case "close" if not closed and len(numbers) != count:
            raise Fault(f"some are missing although it wasn't closed: {what}")
        case "close" if numbers != list(range(len(numbers))):
            raise Fault(f"some are missing in front of the last: {what}")
        case "drop_new" if numbers[0] != 0 or (accepted is not None and len(numbers) != accepted):
            raise Fault(f"not what was accepted, which is {accepted}: {what}")
        case "drop_old" if numbers[-1] != count - 1:
            raise Fault(f"without the newest: {what}")
        case "coalesce" if not set(range(count - KEYS, count)) <= set(numbers):
            raise Fault(f"without the newest of each key: {what}")
