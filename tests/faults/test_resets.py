"""Connections that end at any byte, in every way that TCP has: nobody else notices, and nothing is written down."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeAlias

import pytest
import trio

from tests.support.attacker import FIN, attacker, head, naming, pour
from tests.support.faults import MiB, Target
from tests.support.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    SECONDS,
    TEXT,
    Client,
    connect,
    frame,
    handshake,
    open_client,
)

TIMES = 40
STORM = 300
BACK_SECONDS = 3.0

HALVES = {
    "one byte": b"\x81",
    "a header": head(FIN | TEXT, 5),
    "a part of a text": head(FIN | TEXT, 500) + b"some of it",
    "a part of a long one": head(FIN | BINARY, 100_000) + bytes(70_000),
    "a part of a length": head(FIN | BINARY, 100_000)[:7],
    "a fragment": frame(TEXT, b"begin", fin=False),
    "a part of a second fragment": frame(BINARY, b"begin", fin=False) + head(CONTINUATION, 10) + b"x",
    "a part of a ping": head(FIN | PING, 10) + b"x",
    "a part of a Close": head(FIN | CLOSE, 10) + b"\x03\xe8",
}


async def reset(client: Client) -> None:
    """RST."""
    client.reset()


async def leave(client: Client) -> None:
    """FIN, and RST for whatever comes then."""
    await client.stream.aclose()


async def half_close(client: Client) -> None:
    """FIN, and then everything that comes is read, which has an end as well."""
    assert isinstance(client.stream, trio.SocketStream)
    await client.stream.send_eof()
    await client.rest()


End: TypeAlias = Callable[[Client], Awaitable[None]]
ENDS: dict[str, End] = {"RST": reset, "FIN": leave, "half-close": half_close}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_half_a_frame_and_then_the_end(shared_target: Target, end: End) -> None:
    """40 times each; not a line in the log."""
    async with shared_target.unharmed(log_lines=0):
        for name, half in HALVES.items():
            async with AsyncExitStack() as stack:
                clients = [await stack.enter_async_context(open_client(shared_target.port)) for _ in range(TIMES)]
                for client in clients:
                    await client.send(half)
                await shared_target.answers()
                with naming(name):
                    for client in clients:
                        await end(client)
                    await shared_target.answers()


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_the_end_after_any_byte(shared_target: Target, end: End) -> None:
    """Of a request, a message, a ping and a Close; before the server has read what came, and after that."""
    script = handshake() + frame(TEXT, b"message") + frame(PING, b"ping") + frame(CLOSE, b"\x03\xe8")

    async def cut(size: int, wait: bool) -> None:
        with naming(f"{size} of {len(script)} bytes"):
            async with connect(shared_target.port) as client:
                await client.send(script[:size])
                if wait:
                    await shared_target.answers()
                await end(client)

    async with shared_target.unharmed(log_lines=0):
        for begin in range(0, len(script) + 1, TIMES):
            sizes = range(begin, min(begin + TIMES, len(script) + 1))
            async with trio.open_nursery() as nursery:
                for size in sizes:
                    nursery.start_soon(cut, size, False)
            async with trio.open_nursery() as nursery:
                for size in sizes[:: TIMES // 4]:
                    nursery.start_soon(cut, size, True)
            await shared_target.answers()


async def test_half_closed_the_server_answers_what_it_has_and_ends_its_side(shared_target: Target) -> None:
    """TCP allows it; a WebSocket is over with it. A message that is not whole is none."""
    cases = {
        "nothing": (b"", []),
        "a message": (frame(TEXT, b"message"), [(TEXT, b"message")]),
        "a ping": (frame(PING, b"ping"), [(PONG, b"ping")]),
        "a message and half of one": (frame(TEXT, b"a") + frame(TEXT, b"b")[:-1], [(TEXT, b"a")]),
        "half a message": (frame(TEXT, b"be", fin=False), []),
        "a Close": (frame(CLOSE, b"\x03\xe8"), [(CLOSE, b"\x03\xe8")]),
    }
    async with shared_target.unharmed(log_lines=0):
        for name, (data, answers) in cases.items():
            with naming(name):
                async with attacker(shared_target.port) as client:
                    await client.send(data)
                    await client.half_close()
                    assert await client.frames() == answers
                    await shared_target.answers()


@pytest.mark.parametrize("end", [reset, leave], ids=["RST", "FIN"])
async def test_a_client_that_ends_while_much_is_on_its_way_to_it(target: Target, end: End) -> None:
    """More than its socket takes is waiting for it then."""
    message = head(FIN | BINARY, MiB) + bytes(MiB)

    async def ask_and_go() -> None:
        async with open_client(target.port, receive_buffer=4096) as client:
            sent = await pour(client, message, 64 * MiB)
            assert sent < 64 * MiB
            await target.answers()
            await end(client)

    async with target.unharmed(log_lines=0):
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(ask_and_go)
        await target.answers()


async def test_300_connections_at_once_and_all_of_them_reset(target: Target) -> None:
    """All are let in, and what they had is back within three seconds."""
    async with target.unharmed(log_lines=0):
        before = target.descriptors()
        async with AsyncExitStack() as stack:
            clients: list[Client] = []

            async def open_one() -> None:
                clients.append(await stack.enter_async_context(open_client(target.port)))

            with trio.fail_after(SECONDS):
                async with trio.open_nursery() as nursery:
                    for _ in range(STORM):
                        nursery.start_soon(open_one)
                assert target.descriptors() == before + STORM
                await target.answers()
                for client in clients:
                    client.reset()
            began = trio.current_time()
            await target.comes(lambda: target.descriptors() == before)
            assert trio.current_time() - began < BACK_SECONDS
