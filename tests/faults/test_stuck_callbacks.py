"""Callbacks that come to no end: one that never yields holds up all, which is told; one that waits holds up itself."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack

import trio

from tests.support.attacker import attacker, pour
from tests.support.faults import MiB, Target
from tests.support.wire import PING, PONG, TEXT, Client, frame, open_client

#: Seconds: longer than the idle timeout of ``/watched``.
SPIN = 2.5
TRY_AGAIN_LATER = 1013


async def answer_pings(client: Client) -> None:
    while True:
        opcode, data = await client.frame()
        assert opcode == PING
        await client.send(frame(PONG, data))


async def test_one_that_never_yields_is_told_and_costs_nobody_the_connection(product: Target) -> None:
    """It can't be interrupted; behind it all are served, those too who would have been silent for too long."""
    async with product.unharmed(log_lines=1), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(product.port)) for _ in range(10)]
        watched = [await stack.enter_async_context(open_client(product.port, "/watched")) for _ in range(10)]
        spinning = await stack.enter_async_context(open_client(product.port, "/spin"))
        async with trio.open_nursery() as nursery:
            for client in watched:
                nursery.start_soon(answer_pings, client)
            began = trio.current_time()
            await spinning.text(str(SPIN))
            async with trio.open_nursery() as echoes:
                for client in clients:
                    echoes.start_soon(client.echo, "meanwhile")
            assert await spinning.message() == "done"
            assert trio.current_time() - began >= SPIN, "nobody was held up"
            # For the time in which whoever was to be given up would be: a ping has to be answered within 0.8 s.
            await trio.sleep(1.0)
            nursery.cancel_scope.cancel()
        for client in [*clients, *watched]:
            await client.text("still here")
            while (answer := await client.frame()) != (TEXT, b"still here"):
                assert answer[0] == PING
    (line,) = [line for line in product.lines() if "/spin" in line]
    assert "handle_client_message held up every connection for 2.5" in line


async def hang(client: Client) -> None:
    await client.echo("ready")
    await client.text("hang")


async def terminated(target: Target, reason: str) -> None:
    """The callback was cancelled, and ``terminate`` has run, with a reason that has not been seen here before."""
    told = re.compile(f"^hang terminated .*{reason}", re.MULTILINE)
    await target.comes(lambda: len(told.findall(target.process.log())) == 1, target.process.log)


async def test_one_that_waits_for_ever_holds_up_its_own_client_only(product: Target) -> None:
    """Whose messages fill its mailbox, and then the network: not the memory."""
    message = frame(TEXT, bytes(1000)) * 10
    async with product.unharmed(log_lines=5), attacker(product.port, "/hang") as client:
        await hang(client)
        with product.memory_bound(4 * MiB):
            sent = await pour(client, message, 64 * MiB)
            assert sent < 64 * MiB
            await product.answers()
        cpu = product.cpu()
        await trio.sleep(0.5)
        assert product.cpu() - cpu < 0.2, "what can't be handled must not keep it busy"
        client.reset()
        await terminated(product, "Remote.*1006")


async def test_a_client_whose_callback_waits_for_ever_can_leave(product: Target) -> None:
    async with product.unharmed(log_lines=5), open_client(product.port, "/hang") as client:
        await hang(client)
        began = trio.current_time()
        await client.close()
        assert trio.current_time() - began < 1.0, "it waited for the callback"
        await terminated(product, "Remote.*1000")


async def test_messages_of_others_meet_the_mailbox_policy_of_one_that_waits(product: Target) -> None:
    """Close, in this case; to the senders it makes no difference."""
    async with (
        product.unharmed(log_lines=5),
        open_client(product.port, "/hang") as client,
        open_client(product.port, "/commands") as sender,
    ):
        await hang(client)
        await sender.text(json.dumps(["send", "hang", list(range(100))]))
        answer = json.loads(await sender.message())
        # Delivered in a later turn: all are taken, and the one that finds no room decides.
        assert answer == [True] * 100
        assert await client.closed() == (TRY_AGAIN_LATER, "mailbox full")
        await client.stream.aclose()
        await terminated(product, "Overflow.*mailbox")
        await sender.text(json.dumps(["send", "hang", ["nobody"]]))
        assert json.loads(await sender.message()) == [False]
