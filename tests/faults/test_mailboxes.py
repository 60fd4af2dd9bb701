"""More messages for an actor than it can handle: bounded in number and bytes; what is dropped is the policy's choice.

50 senders at once, over their own connections, against one actor that takes 0.1 s for a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby

import pytest
import trio

from tests.support.faults import MiB, Target
from tests.support.wire import Client, connect, open_client

SENDERS, EACH = 50, 100
#: As the app has them.
MESSAGES, BYTES = 20, 20_000
#: What may have been handled, or be on its way to the client, while the flood lasts: it takes a second or two.
HANDLED = 60
TRY_AGAIN_LATER = 1013


async def mailbox(target: Target, name: str) -> tuple[int, int]:
    """Messages and bytes that wait for an actor."""
    async with connect(target.port) as client:
        figures = json.loads((await client.get("/statistics")).body)
        messages, size = figures["mailboxes"].get(f"/{name}", (0, 0))
        return messages, size


@asynccontextmanager
async def within_bounds(target: Target, name: str) -> AsyncIterator[list[int]]:
    """Looks again and again at how full the mailbox is, while the block lasts; the numbers of messages seen."""
    seen: list[int] = []

    async def look() -> None:
        while True:
            messages, size = await mailbox(target, name)
            assert messages <= MESSAGES
            assert size <= BYTES
            seen.append(messages)
            await trio.sleep(0.02)

    with target.memory_bound(8 * MiB):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            yield seen
            nursery.cancel_scope.cancel()


async def flood(target: Target, name: str, *, size: int = 0) -> list[bool]:
    """All senders send; sender 3's message 7 is 3007, in as many bytes as told. What each was told of its messages."""
    told: list[bool] = []

    async def send(client: Client, sender: int) -> None:
        for first in range(0, EACH, 10):
            numbers = [sender * 1000 + first + n for n in range(10)]
            messages = [f"{number:0{size}}" for number in numbers] if size else numbers
            await client.text(json.dumps(["send", name, messages]))
            told.extend(json.loads(await client.message()))

    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        for sender in range(SENDERS):
            client = await stack.enter_async_context(open_client(target.port, "/commands"))
            nursery.start_soon(send, client, sender)
    return told


async def handled(target: Target, name: str, client: Client) -> list[int]:
    """What the actor has handled, when nothing waits any more."""
    while (await mailbox(target, name))[0]:
        await trio.sleep(0.05)
    await client.text("the end")
    numbers = []
    while (message := await client.message()) != "the end":
        numbers.append(int(message[-6:]))
    return numbers


def in_order(numbers: list[int]) -> bool:
    """Whether the messages of each sender are in the order in which it sent them."""
    by_sender = sorted(numbers, key=lambda number: number // 1000)
    groups = [list(group) for _, group in groupby(by_sender, lambda number: number // 1000)]
    return all(group == sorted(group) for group in groups)


@pytest.mark.parametrize("size", [0, 5000])
@pytest.mark.parametrize("policy", ["drop_new", "drop_old"])
async def test_a_flood_is_dropped_at_the_bound(product: Target, policy: str, size: int) -> None:
    """In messages, or in bytes: then four of them are the most."""
    async with product.unharmed(log_lines=10), open_client(product.port, f"/{policy}") as client:
        async with within_bounds(product, policy) as seen:
            told = await flood(product, policy, size=size)
        # The senders are not told: the message was accepted, its delivery comes later.
        assert told == [True] * SENDERS * EACH
        assert max(seen) == (BYTES // size if size else MESSAGES)
        numbers = await handled(product, policy, client)
        assert max(seen) <= len(numbers) <= max(seen) + HANDLED
        assert in_order(numbers)
        if policy == "drop_new":
            assert all(number % 1000 <= max(seen) for number in numbers[: max(seen)]), "the first were not kept"
        else:
            assert all(number % 1000 >= EACH - max(seen) for number in numbers[-max(seen) :]), "nor the last"


async def test_a_flood_is_coalesced_to_the_newest_of_each_key(product: Target) -> None:
    """The key is the last digit; so there are never more than ten, and nothing is dropped that is news."""
    async with product.unharmed(log_lines=0), open_client(product.port, "/coalesce") as client:
        async with within_bounds(product, "coalesce") as seen:
            assert await flood(product, "coalesce") == [True] * SENDERS * EACH
        assert max(seen) == 10
        numbers = await handled(product, "coalesce", client)
        assert 10 <= len(numbers) <= 10 + HANDLED
        assert {number % 1000 for number in numbers[-10:]} == set(range(EACH - 10, EACH))


async def test_a_flood_closes_where_that_is_the_policy(product: Target) -> None:
    """From then on nobody has that name."""
    async with product.unharmed(log_lines=3), open_client(product.port, "/close") as client:
        async with within_bounds(product, "close"):
            told = await flood(product, "close")
        assert False in told and told == sorted(told, reverse=True)
        came = 0
        while (await client.frame())[0] != 0x8:
            came += 1
        assert came <= HANDLED
    assert re.search(r"the mailbox is full.*\(close\)", product.process.log())
