"""Out of memory: what doesn't fit costs the connection that wanted it, and nobody else."""

from __future__ import annotations

import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest
import trio

from tests.support.attacker import FIN, head
from tests.support.faults import MiB, Target
from tests.support.wire import BINARY, CLOSE, Client, handshake, open_client

INTERNAL_ERROR = 1011
#: Bytes of address space that the server may take beside what it has.
ROOM = 64 * MiB
#: Of which this is a little, taken by some 2500 idle connections.
LITTLE = 2 * MiB
#: Who hasn't been let in by then isn't.
PATIENCE = 1.0


def starve(target: Target, room: int) -> None:
    """From now on it may take so many bytes of address space beside what it has."""
    with open(f"/proc/{target.pid}/statm") as statm:
        limit = int(statm.read().split()[0]) * resource.getpagesize() + room
    resource.prlimit(target.pid, resource.RLIMIT_AS, (limit, limit))


@pytest.fixture
def starved(start_target: Callable[..., Target]) -> Iterator[Target]:
    """Has little room. It is ended here, and well, because tracebacks are in its log then, as they should be."""
    target = start_target("tests.servers.product:app")
    starve(target, ROOM)
    yield target
    process = target.process.process
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 0


async def test_a_callback_that_wants_too_much_ends_its_client_alone(starved: Target) -> None:
    async with starved.unharmed(log_lines=30, tracebacks=1), open_client(starved.port, "/eater") as neighbour:
        async with open_client(starved.port, "/eater") as client:
            await client.text(str(1024 * MiB))
            assert await client.closed() == (INTERNAL_ERROR, "")
        await neighbour.text("1000")
        assert await neighbour.message() == "1000"


async def test_a_message_that_finds_no_room_ends_its_client_alone(starved: Target) -> None:
    """It is within ``max_message_size``, but the server hasn't got the memory to take it: that is told in a line."""
    async with starved.unharmed(log_lines=2), open_client(starved.port, "/eater") as neighbour:
        async with open_client(starved.port, "/eater") as client:
            with pytest.raises(trio.BrokenResourceError):
                await client.send(head(FIN | BINARY, 200 * MiB) + bytes(200 * MiB))
        await neighbour.echo("still here")


async def fill(target: Target, stack: AsyncExitStack) -> list[Client]:
    """Those clients that got in and are served, of twice as many as there is room for: each wants a MiB."""
    inside: list[Client] = []
    for _ in range(2 * ROOM // MiB):
        client = await stack.enter_async_context(open_client(target.port, "/eater"))
        await client.text("hello")
        opcode, payload = await client.frame()
        if opcode == CLOSE:
            assert payload == INTERNAL_ERROR.to_bytes(2)
            assert await client.rest() == b""
        else:
            inside.append(client)
    for client in inside:
        await client.echo("still in")
    return inside


async def test_clients_that_find_no_room_are_turned_away_and_the_others_stay(starved: Target) -> None:
    """And when these have left as many get in again: nothing of them is kept but free memory, which glibc keeps."""
    turned_away = 0
    for _ in range(2):
        lines = len(starved.lines())
        async with AsyncExitStack() as stack:
            inside = await fill(starved, stack)
            await starved.answers()
        assert ROOM // MiB // 2 < len(inside) <= ROOM // MiB
        turned_away = 2 * ROOM // MiB - len(inside)
        assert sum(line.startswith("MemoryError") for line in starved.lines()[lines:]) == turned_away


def crowd(port: int, most: int) -> ExitStack:
    """Idle connections, so many that one more is not let in; ``ExitStack.close`` ends them."""
    stack = ExitStack()
    for _ in range(most):
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        client.settimeout(PATIENCE)
        client.sendall(handshake())
        try:
            if not client.recv(4096):
                return stack
        except (TimeoutError, ConnectionResetError):
            return stack
    stack.close()
    raise AssertionError(f"{most} connections were let in")


async def test_idle_connections_are_let_in_while_there_is_room_and_those_who_are_in_are_served(target: Target) -> None:
    """Neither they nor the server are hurt by those who want to come as well. When they leave, others get in."""
    descriptors = target.descriptors()
    async with open_client(target.port) as bystander:
        starve(target, LITTLE)
        for _ in range(2):
            clients = await trio.to_thread.run_sync(crowd, target.port, 5000)
            lines, began = len(target.lines()), trio.current_time()
            for size in (1, 5000, 100_000):
                await bystander.echo("x" * size)
            await trio.to_thread.run_sync(clients.close)
            await target.comes(lambda: target.descriptors() <= descriptors + 1)
            # Those who came too late are still in the queue, and have gone.
            with trio.fail_after(5):
                async with open_client(target.port) as late:
                    await late.echo("at last")
            assert len(target.lines()) - lines <= 2 + (trio.current_time() - began)
    assert "Cannot allocate memory" in target.process.log()
