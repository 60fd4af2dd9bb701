"""Crashers: bad clients that find a fault in the server's code, in every callback.

Rule owned here: a crash costs the connection in which it happened, which is told so with 1011 or 500. Must not know
what the log says about it.
"""

from __future__ import annotations

from random import Random

from tests.soak.crashes import WAYS
from tests.soak.world import Fault, World
from tests.support.wire import TEXT, connect, frame, handshake

__all__ = ["crasher"]

PATHS = ("/chat", "/chat/async")


async def crasher(world: World, random: Random) -> None:
    """Has a callback crash."""
    await random.choice((_message, _message, _later, _init, _connect, _handler, _terminate))(world, random)
    world.figures["crashes"] += 1


async def _closed_with_1011(world: World, path: str, lines: list[bytes], number: int) -> None:
    async with world.client(path) as client:
        await client.send(b"".join(frame(TEXT, line) for line in lines))
        while (came := await client.frame())[0] == TEXT:
            pass
        if came[1][:2] != b"\x03\xf3" or await client.rest():
            raise Fault(f"a crash in {path} was answered {came}, not with Close 1011")
        world.crashed(number)


async def _message(world: World, random: Random) -> None:
    """In a client message, behind others, before others."""
    number = world.plan_crash()
    lines = [b"nothing"] * random.randrange(3)
    boom = f"boom {random.choice(WAYS)} {number}".encode()
    await _closed_with_1011(world, random.choice(PATHS), [b"join lobby", *lines, boom, *lines], number)


async def _later(world: World, random: Random) -> None:
    """In a server message, from a timer."""
    number = world.plan_crash()
    line = f"later {random.choice(WAYS)} {number}".encode()
    await _closed_with_1011(world, random.choice(PATHS), [b"claim key-%d" % number, line], number)


async def _init(world: World, random: Random) -> None:
    number = world.plan_crash()
    await _closed_with_1011(world, f"/echo?init={number}", [], number)


async def _connect(world: World, random: Random) -> None:
    number = world.plan_crash()
    path = random.choice(("/echo", "/echo/async"))
    await _refused_with_500(world, handshake(f"{path}?connect={number}"), number)


async def _handler(world: World, random: Random) -> None:
    """In a plain HTTP handler."""
    number = world.plan_crash()
    await _refused_with_500(world, f"GET /soak/boom/{number} HTTP/1.1\r\nhost: a\r\n\r\n".encode(), number)


async def _refused_with_500(world: World, request: bytes, number: int) -> None:
    async with connect(world.port) as client:
        await client.send(request)
        if (response := await client.response()).status != 500:
            raise Fault(f"a crash was answered with status {response.status}, not 500")
        world.crashed(number)


async def _terminate(world: World, random: Random) -> None:
    """At the very end; nobody is told."""
    number = world.plan_crash()
    async with world.client(random.choice(PATHS)) as client:
        await client.message()
        await client.text(f"last {random.choice([way for way in WAYS if way != 'return'])} {number}")
        await client.message()
        if random.random() < 0.5:
            await client.close()
        else:
            client.reset()
        # It happens before the server is quiet.
        world.crashed(number)
