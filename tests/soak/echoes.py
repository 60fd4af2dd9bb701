"""Echoes: good clients that get back what they send, byte for byte, and good clients of plain HTTP.

Rule owned here: everything between nothing and the largest message comes back whole, however it was cut into frames.
Must not know what else happens meanwhile.
"""

from __future__ import annotations

from random import Random

import trio

from tests.soak.app import PIECE
from tests.soak.world import PATIENCE, Fault, World
from tests.support.wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Client, connect, frame, handshake

__all__ = ["echoer", "quiet", "visitor"]

#: Bytes of the largest message of a route.
LARGEST = 1 << 20
#: Sizes at which the header of a frame changes.
EDGES = (0, 1, 125, 126, 127, 65_535, 65_536, LARGEST)
#: Bytes that are sent before the answers are read: the server stops reading from who doesn't read.
PIPELINED = 32 * 1024
PAUSE = 0.1
CHARACTERS = "aäß€😀\0\n"


def message(random: Random, most: int = LARGEST) -> tuple[int, bytes]:
    """A message's opcode and payload: as often short as long."""
    size = random.choice(EDGES) if random.random() < 0.1 else int(LARGEST ** random.random() ** 1.5) - 1
    size = min(size, most)
    if random.random() < 0.5:
        return BINARY, random.randbytes(size)
    piece = "".join(random.choices(CHARACTERS, k=50)).encode()
    whole = piece * (size // len(piece))
    return TEXT, whole + b"." * (size - len(whole))


def fragments(random: Random, opcode: int, payload: bytes) -> bytes:
    """The message in one frame, or in several with pings in between."""
    if random.random() < 0.7:
        return frame(opcode, payload)
    cuts = sorted(random.randrange(len(payload) + 1) for _ in range(random.randrange(1, 20)))
    pieces = [payload[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    frames = []
    for number, piece in enumerate(pieces):
        frames.append(frame(CONTINUATION if number else opcode, piece, fin=number == len(pieces) - 1))
        if random.random() < 0.1:
            frames.append(frame(PING, b"in between"))
    return b"".join(frames)


async def receive(world: World, client: Client) -> tuple[int, bytes]:
    """The next message; pings are answered, pongs are dropped."""
    while True:
        opcode, payload = await client.frame()
        if opcode == PING:
            await client.send(frame(PONG, payload))
        elif opcode != PONG:
            world.figures["messages"] += 1
            world.figures["bytes"] += len(payload)
            return opcode, payload


async def leave(client: Client) -> None:
    """The closing handshake, past pings and pongs that are still coming."""
    await client.send(frame(CLOSE, b"\x03\xe8"))
    while (came := await client.frame())[0] in (PING, PONG):
        pass
    if came != (CLOSE, b"\x03\xe8") or await client.rest():
        raise Fault(f"a Close was answered {came}")


async def echoer(world: World, random: Random) -> None:
    """Has messages of all sizes echoed, one or several at a time."""
    async with world.client(random.choice(("/echo", "/echo/async"))) as client:
        ends = world.lifetime(random)
        while trio.current_time() < ends:
            if random.random() < 0.5:
                await _echo(world, client, random, [message(random)])
            else:
                await _echo(world, client, random, [message(random, most=PIPELINED // 20) for _ in range(20)])
            await trio.sleep(random.expovariate(1 / PAUSE))
        await leave(client)


async def _echo(world: World, client: Client, random: Random, messages: list[tuple[int, bytes]]) -> None:
    world.figures["messages"] += len(messages)
    world.figures["bytes"] += sum(len(payload) for _, payload in messages)
    with trio.fail_after(PATIENCE):
        await client.send(b"".join(fragments(random, *sent) for sent in messages))
        for sent in messages:
            came = await receive(world, client)
            if came != sent:
                raise Fault(f"{_describe(sent)} came back as {_describe(came)}")


def _describe(message: tuple[int, bytes]) -> str:
    opcode, payload = message
    return f"opcode {opcode} with {len(payload)} bytes {payload[:20]!r}..."


async def quiet(world: World, random: Random) -> None:
    """Says nothing but what it is asked by pings, and is there in the end."""
    ends, sending = world.lifetime(random), trio.Lock()
    async with world.client("/quiet") as client, trio.open_nursery() as nursery:

        async def say(data: bytes, when: float) -> None:
            await trio.sleep_until(when)
            async with sending:
                await client.send(data)

        nursery.start_soon(say, frame(TEXT, b"still there"), ends)
        while (came := await client.frame())[0] == PING:
            await say(frame(PONG, came[1]), trio.current_time())
        if came != (TEXT, b"still there"):
            raise Fault(f"{_describe(came)} came to who had hardly said anything")
        async with sending:
            await leave(client)


# Plain HTTP


async def visitor(world: World, random: Random) -> None:
    """Asks for pages on one connection: bodies there and back, streams, several requests at once."""
    async with connect(world.port) as client:
        ends = world.lifetime(random)
        while trio.current_time() < ends:
            await random.choice((_post, _stream, _pipeline, _missing))(world, client, random)
            world.figures["HTTP requests"] += 1
            await trio.sleep(random.expovariate(1 / PAUSE))


async def _post(world: World, client: Client, random: Random) -> None:
    body = random.randbytes(random.choice((1, 100, 10_000, 200_000)))
    response = await client.get("/soak/body", "POST", body)
    if (response.status, response.body) != (200, body):
        raise Fault(f"a body of {len(body)} bytes came back as {len(response.body)} with status {response.status}")


async def _stream(world: World, client: Client, random: Random) -> None:
    count = random.randrange(100)
    response = await client.get(f"/soak/stream/{count}")
    if response.body != PIECE * count:
        raise Fault(f"{count} pieces came as {len(response.body)} bytes with status {response.status}")


async def _pipeline(world: World, client: Client, random: Random) -> None:
    bodies = [random.randbytes(random.randrange(1, 100)) for _ in range(100)]
    head = "POST /soak/body HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n"
    await client.send(b"".join(head.format(len(body)).encode() + body for body in bodies))
    for body in bodies:
        if (response := await client.response("POST")).body != body:
            raise Fault(f"in a row of requests {body!r} came back as {response.body!r}")


async def _missing(world: World, client: Client, random: Random) -> None:
    """Turned away, so on a connection of its own."""
    async with connect(world.port) as other:
        path, status = random.choice((("/soak/nowhere", 404), ("/echo?reject=1", 403)))
        await other.send(handshake(path))
        if (response := await other.response()).status != status:
            raise Fault(f"{path} was answered with status {response.status}, not {status}")
        world.figures["refused"] += 1
