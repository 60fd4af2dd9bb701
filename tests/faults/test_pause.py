"""A process that is stopped for a while, as a virtual machine is moved: nobody is lost, and nothing that was queued."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack

import trio

from tests.support.faults import Target
from tests.support.wire import PING, PONG, TEXT, Client, connect, frame, handshake, open_client

#: Longer than a client of ``/watched`` may be silent, of which a third is left to answer a ping.
PAUSE = 3.0


async def answer_pings(client: Client) -> None:
    while True:
        opcode, data = await client.frame()
        assert opcode == PING, "it was told that it was silent for too long"
        await client.send(frame(PONG, data))


async def answered(client: Client, text: str) -> None:
    """The client gets its echo, with pings before it."""
    while (came := await client.frame()) != (TEXT, text.encode()):
        assert came[0] == PING
        await client.send(frame(PONG, came[1]))


async def test_stopped_for_a_while_it_loses_nobody_and_nothing(product: Target) -> None:
    """Those who were silent, those who spoke meanwhile, those who came meanwhile."""
    async with product.unharmed(log_lines=0), AsyncExitStack() as stack:

        async def open_watched() -> Client:
            return await stack.enter_async_context(open_client(product.port, "/watched"))

        clients = []
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                # One after the other, so that some were pinged and have answered, some not yet, when it happens.
                await trio.sleep(PAUSE / 40)
                clients.append(await open_watched())
                nursery.start_soon(answer_pings, clients[-1])
            talking = [await open_watched() for _ in range(20)]
            clients += talking
            product.process.process.send_signal(signal.SIGSTOP)
            for client in talking:
                await client.text("queued")
            late = await stack.enter_async_context(connect(product.port))
            await late.send(handshake() + frame(TEXT, b"late"))
            await trio.sleep(PAUSE)
            product.process.process.send_signal(signal.SIGCONT)
            assert (await late.head()).status == 101
            assert await late.message() == "late"
            for client in talking:
                await answered(client, "queued")
                nursery.start_soon(answer_pings, client)
            # For the time in which whoever was to be given up would be: a ping has to be answered within 0.8 s.
            await trio.sleep(1.0)
            nursery.cancel_scope.cancel()
        for client in clients:
            await client.text("still here")
            await answered(client, "still here")


async def test_who_leaves_while_it_is_stopped_costs_nothing(product: Target) -> None:
    """Waiting to be accepted, in the middle of the handshake, or later."""
    async with product.unharmed(log_lines=1):
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(open_client(product.port)) for _ in range(20)]
            product.process.process.send_signal(signal.SIGSTOP)
            for number in range(60):
                client = await stack.enter_async_context(connect(product.port))
                await client.send((b"", handshake()[:50], handshake())[number % 3])
                clients.append(client)
            for number, client in enumerate(clients):
                if number % 2:
                    client.reset()
                else:
                    await client.stream.aclose()
            product.process.process.send_signal(signal.SIGCONT)
        await product.answers()
