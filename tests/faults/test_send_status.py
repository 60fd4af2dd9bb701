"""What a sender is told of each frame, while its client stops reading and goes on: one thing, and it is true."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from tests.support.faults import MiB, Target
from tests.support.wire import BINARY, SECONDS, TEXT, Client, frame, open_client

#: As the app has it, and what it sends.
LIMIT, SIZE = 1 * MiB, 50_000
ORDER = ["SENT", "BACKPRESSURED", "DROPPED"]


class Sender:
    """Has the server push frames to a client, and hears what became of them."""

    def __init__(self, pusher: Client, client: Client) -> None:
        self._pusher = pusher
        self.client = client
        #: What was said of each frame so far.
        self.statuses: list[str] = []
        self.received: list[int] = []
        self.drained = 0

    async def push(self, count: int, size: int = SIZE) -> list[str]:
        await self._pusher.text(json.dumps(["send", "pushed", [[count, size]]]))
        statuses: list[str] = await self.told()
        self.statuses += statuses
        return statuses

    async def told(self) -> Any:
        """The next thing that was said of frames. That there was a relief may come before it."""
        while True:
            told = json.loads(await self._pusher.message())
            if told == "drained":
                self.drained += 1
            elif told != [True]:
                return told

    async def until_dropped(self) -> list[str]:
        """Push until there is no room; what was said from first to last."""
        statuses: list[str] = []
        with trio.fail_after(SECONDS):
            while "DROPPED" not in statuses:
                statuses += await self.push(5)
        return statuses

    async def read_all(self) -> None:
        """Read up to what was last accepted, of which each frame must come whole and in order."""
        accepted = [number for number, status in enumerate(self.statuses) if status in ("SENT", "BACKPRESSURED")]
        while len(self.received) < len(accepted):
            opcode, payload = await self.client.frame()
            assert opcode == BINARY
            self.received.append(int.from_bytes(payload[:8]))
        assert self.received == accepted

    async def relief(self) -> None:
        """The client has taken everything, and the sender is told."""
        before = self.drained
        while self.drained == before:
            assert json.loads(await self._pusher.message()) == "drained"
            self.drained += 1


@asynccontextmanager
async def sending(target: Target) -> AsyncIterator[Sender]:
    async with open_client(target.port, "/pusher") as pusher, open_client(target.port, "/pushed") as client:
        yield Sender(pusher, client)


def is_rising(statuses: list[str]) -> bool:
    places = [ORDER.index(status) for status in statuses]
    return places == sorted(places)


async def test_statuses_tell_what_becomes_of_frames(product: Target) -> None:
    async with product.unharmed(log_lines=10), sending(product) as sender:
        for relieved in range(1, 3):
            assert await sender.push(1) == ["SENT"]
            with product.memory_bound(LIMIT + 4 * MiB):
                statuses = await sender.until_dropped()
                await product.answers()
            assert statuses[0] == "SENT"
            assert is_rising(statuses)
            # Of the first that has to wait the kernel may have taken a part.
            assert LIMIT - 2 * SIZE < statuses.count("BACKPRESSURED") * SIZE < LIMIT + SIZE
            # Judged anew: there is no room for another one of these, but for a small one there is.
            assert await sender.push(1) == ["DROPPED"]
            assert await sender.push(1, 8) == ["BACKPRESSURED"]
            assert sender.drained == relieved - 1
            await sender.read_all()
            await sender.relief()
        # No more of these than there were reliefs, although there was more that fell into each.
        assert await sender.push(1) == ["SENT"]
        await sender.read_all()
        assert sender.drained == relieved


async def test_behind_a_close_nothing_is_sent(product: Target) -> None:
    async with product.unharmed(), sending(product) as sender:
        await sender.client.send(frame(TEXT, b"close"))
        assert await sender.told() == ["CLOSED"]
        assert await sender.client.frame() == (8, b"\x03\xe8")
        # Our answer is still to come, but the actor's name is given back already: nobody can be told to send.
        assert await sender.push(1) == [False]
