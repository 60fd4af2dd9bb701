"""Groups under stress: who reads slowly, comes or goes makes no difference to the others."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from itertools import pairwise
from random import Random
from typing import Any

import trio

from tests.support.faults import MiB, Target
from tests.support.wire import Client, connect, open_client

#: As the app has it, of output for one member.
LIMIT = MiB // 4
SUBSCRIBERS, STUCK = 180, 20
#: Messages of 1000 bytes, 1000 a second, and their frames.
BURST, PAUSE, BURSTS, SIZE = 20, 0.02, 75, 1000
FRAME = SIZE + 4
#: What a machine that is busy with other things may add to any time.
BUSY = 0.1


async def command(client: Client, *words: Any) -> Any:
    await client.text(json.dumps(words))
    return json.loads(await client.message())


class Storm:
    """Publishes bursts, and notes how long each takes to reach each subscriber, whole."""

    def __init__(self, publisher: Client, subscribers: list[Client]) -> None:
        self._publisher = publisher
        self._subscribers = subscribers
        self._began: list[float] = []
        self._late: list[float] = []

    async def blow(self) -> float:
        """Seconds that 99 of 100 bursts took."""
        self._began, self._late = [], []
        async with trio.open_nursery() as nursery:
            for subscriber in self._subscribers:
                nursery.start_soon(self._count, subscriber)
            began = trio.current_time()
            for number in range(BURSTS):
                await trio.sleep_until(began + number * PAUSE)
                self._began.append(trio.current_time())
                await command(self._publisher, "burst", "room", BURST, SIZE)
        assert len(self._late) == BURSTS * len(self._subscribers)
        return sorted(self._late)[len(self._late) * 99 // 100]

    async def _count(self, subscriber: Client) -> None:
        """Frames all have the same size: so many bytes are so many messages, and none is missing if none is left."""
        came = done = 0
        with trio.fail_after(BURSTS * PAUSE + 20):
            while done < BURSTS:
                data = await subscriber.stream.receive_some(65536)
                assert data, "the connection ended"
                came += len(data)
                while done < came // (FRAME * BURST):
                    self._late.append(trio.current_time() - self._began[done])
                    done += 1
        assert came == FRAME * BURST * BURSTS


async def test_subscribers_that_read_nothing_cost_the_others_nothing(product: Target) -> None:
    """Neither messages nor time; and the server no more memory than their bound."""
    async with product.unharmed(growth=16 * MiB, log_lines=30), AsyncExitStack() as stack:

        async def subscribe(group: str, receive_buffer: int | None = None) -> Client:
            client = await stack.enter_async_context(open_client(product.port, "/room", receive_buffer=receive_buffer))
            assert await command(client, "join", group) == "joined"
            return client

        publisher = await stack.enter_async_context(open_client(product.port, "/commands"))
        storm = Storm(publisher, [await subscribe("room") for _ in range(SUBSCRIBERS)])
        alone = await storm.blow()
        with product.memory_bound(STUCK * LIMIT + 16 * MiB):
            for _ in range(STUCK):
                assert await command(await subscribe("room", 4096), "join", "stuck") == "joined"
            # Fill what the kernel and the server take for each of them.
            for _ in range(10):
                assert await command(publisher, "burst", "stuck", 10, 100_000) == 10 * STUCK
            beside_them = await storm.blow()
        print({"p99 alone": alone, "beside stuck ones": beside_them})
        assert beside_them <= 2 * alone + BUSY
    assert "bytes wait for the client, no room" in product.process.log()


class Member:
    """Joins and leaves, and holds the server to it: every message while it is in, none before and after."""

    def __init__(self, client: Client, random: Random) -> None:
        self._client = client
        self._random = random
        self.came = 0

    async def run(self, until: float) -> None:
        while trio.current_time() < until:
            await self._ask("join")
            assert await self._until('"joined"') == []
            await trio.sleep(self._random.random() * 0.05)
            await self._ask("leave")
            numbers = await self._until('"left"')
            self.came += len(numbers)
            assert all(later == earlier + 1 for earlier, later in pairwise(numbers)), "one was lost"
            # Whatever came now would come before the next answer, and fail there.
            await trio.sleep(self._random.random() * 0.02)

    async def _ask(self, operation: str) -> None:
        await self._client.text(json.dumps([operation, "hall"]))

    async def _until(self, answer: str) -> list[int]:
        numbers = []
        while (message := await self._client.message()) != answer:
            numbers.append(int(message))
        return numbers


async def test_who_joins_and_leaves_gets_what_is_published_in_between_and_nothing_else(product: Target) -> None:
    random = Random(3)
    async with product.unharmed(log_lines=0), AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(open_client(product.port, "/commands"))
        stayers = [await stack.enter_async_context(open_client(product.port, "/room")) for _ in range(5)]
        for stayer in stayers:
            assert await command(stayer, "join", "hall") == "joined"
        members = [
            Member(await stack.enter_async_context(open_client(product.port, "/room")), random) for _ in range(50)
        ]
        published = 0
        until = trio.current_time() + 2.5
        async with trio.open_nursery() as nursery:
            for member in members:
                nursery.start_soon(member.run, until)
            while trio.current_time() < until:
                await command(publisher, "publish", "hall", str(published))
                published += 1
        assert sum(member.came for member in members) > 100
        for stayer in stayers:
            assert [int(await stayer.message()) for _ in range(published)] == list(range(published))
        async with connect(product.port) as client:
            assert json.loads((await client.get("/statistics")).body)["groups"] == {"hall": len(stayers)}
        for stayer in stayers:
            assert await command(stayer, "leave", "hall") == "left"
        async with connect(product.port) as client:
            assert json.loads((await client.get("/statistics")).body)["groups"] == {}
