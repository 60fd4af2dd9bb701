"""Vanishers: bad clients that go away, or stop speaking, in the middle of anything.

Rule owned here: who is silent where it has to speak is cut off when its time is over. Must not know what the server
keeps for them.
"""

from __future__ import annotations

from random import Random

import trio

from tests.soak.world import PATIENCE, Fault, World
from tests.support.wire import BINARY, CLOSE, PING, TEXT, Client, connect, frame, handshake

__all__ = ["deaf", "half_frame", "half_handshake", "mute", "passer_by", "resetter", "silent_handshake"]


async def passer_by(world: World, random: Random) -> None:
    """Connects and leaves."""
    for _ in range(random.randrange(1, 20)):
        async with connect(world.port) as client:
            if random.random() < 0.3:
                client.reset()


async def resetter(world: World, random: Random) -> None:
    """Ends with RST at any moment between the handshake and the end."""
    async with connect(world.port) as client:
        request = handshake(random.choice(("/echo", "/echo/async", "/chat", "/chat/async")))
        moment = random.random()
        if moment < 0.2:
            await client.send(request[: random.randrange(len(request) + 1)])
        else:
            await client.send(request)
            if moment > 0.4:
                await client.head()
            await client.send(_half_a_life(random))
            await trio.sleep(random.choice((0, 0, 0.001, 0.05)))
        client.reset()


def _half_a_life(random: Random) -> bytes:
    """What a client may have said, cut off anywhere."""
    said = [
        frame(TEXT, b"join lobby"),
        frame(TEXT, b"claim key-" + str(random.random()).encode()),
        frame(TEXT, b"remind 1 60"),
        frame(BINARY, random.randbytes(random.choice((10, 1000, 100_000)))),
        frame(PING, b"?"),
        frame(CLOSE, b"\x03\xe8"),
    ]
    random.shuffle(said)
    whole = b"".join(said)
    return whole[: random.randrange(len(whole) + 1)]


async def half_frame(world: World, random: Random) -> None:
    """Leaves in the middle of a message: by FIN, by RST, or by staying until it is thrown out."""
    async with world.client("/echo") as client:
        whole = frame(BINARY, random.randbytes(random.choice((50, 5000, 500_000))))
        await client.send(whole[: random.randrange(1, len(whole))])
        await trio.sleep_until(min(world.lifetime(random), trio.current_time() + 2))
        how = random.random()
        if how < 0.4:
            client.reset()
        elif how < 0.7:
            assert isinstance(client.stream, trio.SocketStream)
            await client.stream.send_eof()
            await _ended(client, "after half a message and FIN")


async def silent_handshake(world: World, random: Random) -> None:
    """Connects and says nothing."""
    async with connect(world.port) as client:
        with trio.move_on_at(world.lifetime(random)):
            await _ended(client, "without a handshake")
            world.figures["thrown out"] += 1


async def half_handshake(world: World, random: Random) -> None:
    """Begins a handshake and never comes to its end, however slowly."""
    request = handshake("/echo")
    async with connect(world.port) as client:
        with trio.move_on_at(world.lifetime(random)):
            try:
                for byte in request[:-4]:
                    await client.send(bytes([byte]))
                    await trio.sleep(0.05)
            except trio.BrokenResourceError:
                pass  # who goes on after its time is over is reset
            await _ended(client, "with half a handshake")
            world.figures["thrown out"] += 1


async def mute(world: World, random: Random) -> None:
    """Never answers a ping."""
    async with world.client("/mute") as client:
        with trio.move_on_at(world.lifetime(random)):
            assert (await client.frame())[0] == PING
            if (closed := await client.closed())[0] != 1001:
                raise Fault(f"who answers no ping was closed with {closed}")
            world.figures["thrown out"] += 1
        world.noted += 1


async def deaf(world: World, random: Random) -> None:
    """Never answers Close."""
    async with world.client("/deaf") as client:
        await client.message()
        await client.send(frame(TEXT, b"bye 4321"))
        if (came := await client.frame()) != (CLOSE, b"\x10\xe1as you wish"):
            raise Fault(f"asked for Close 4321, got {came}")
        world.noted += 1
        with trio.move_on_at(world.lifetime(random)):
            await _ended(client, "without an answer to Close")
            world.figures["thrown out"] += 1


async def _ended(client: Client, how: str) -> None:
    """The server ends the connection in its time."""
    with trio.move_on_after(PATIENCE) as scope:
        await client.rest()
    if scope.cancelled_caught:
        raise Fault(f"a connection {how} was still open after {PATIENCE} s")
