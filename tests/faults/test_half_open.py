"""Clients that have gone without a word: pinged, told, and dropped when the time is over."""

from __future__ import annotations

import socket
import struct
from contextlib import AsyncExitStack, suppress
from ctypes import addressof, create_string_buffer

import pytest
import trio

from tests.servers.endings import CLOSE_TIMEOUT, IDLE_TIMEOUT
from tests.support.attacker import FIN, attacker, head, pour
from tests.support.faults import MiB, Target
from tests.support.wire import BINARY, PING, PONG, Client, frame

#: A ping after two thirds of the idle timeout, the Close at its end.
PING_AFTER = IDLE_TIMEOUT * 2 / 3
#: For what has to be done in about a second, on a busy machine.
LATE = 10.0
#: Timers go by ticks of a wheel.
EARLY = 0.15
SO_ATTACH_FILTER = 26  # socket(7), Linux


def pull_the_cable(client: Client) -> None:
    """From now on the kernel drops every segment for this socket as if it had never come: nothing is acknowledged.

    (Some kernels let only root do that. Then the client's end of TCP is there, and the client isn't.)
    """
    assert isinstance(client.stream, trio.SocketStream)
    code = create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # the whole program: return 0
    program = struct.pack("HL", 1, addressof(code))
    with suppress(PermissionError):
        client.stream.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


async def test_a_client_that_never_answers_a_ping_is_told_and_dropped(impatient: Target) -> None:
    began = trio.current_time()
    async with impatient.unharmed(), attacker(impatient.port, "/idle") as client:
        assert await client.frame() == (PING, b"")
        assert PING_AFTER - EARLY < trio.current_time() - began < LATE
        await impatient.answers()
        assert await client.told(1001) == "idle for too long"
        assert IDLE_TIMEOUT - EARLY < trio.current_time() - began < LATE


async def test_a_client_that_answers_its_pings_stays(impatient: Target) -> None:
    """With nothing else to say, for twice as long as it may be silent."""
    async with impatient.unharmed(), attacker(impatient.port, "/idle") as client:
        began = trio.current_time()
        while trio.current_time() - began < 2 * IDLE_TIMEOUT:
            opcode, data = await client.frame()
            assert opcode == PING
            await client.send(frame(PONG, data))
        await client.echo("still there")
        await client.close()


async def test_clients_that_have_gone_are_dropped(impatient: Target) -> None:
    """Ping and Close never arrive, or wait behind much else for ever: their clocks run all the same."""
    message = head(FIN | BINARY, MiB) + bytes(MiB)
    async with impatient.unharmed(), AsyncExitStack() as stack:
        before, began = impatient.descriptors(), trio.current_time()
        quiet, asking, stuck = [
            await stack.enter_async_context(attacker(impatient.port, "/idle", receive_buffer=4096)) for _ in range(3)
        ]
        with impatient.memory_bound(16 * MiB):
            for client in (asking, stuck):
                sent = await pour(client, message, 64 * MiB)
                assert sent < 64 * MiB
            # Of two the cable is pulled. The third has an end of TCP that acknowledges what fits, and no room from then
            # on: it is there, but of no use.
            pull_the_cable(quiet)
            pull_the_cable(asking)
            await impatient.answers()
            await impatient.comes(lambda: impatient.descriptors() == before)
            assert IDLE_TIMEOUT - EARLY < trio.current_time() - began < IDLE_TIMEOUT + CLOSE_TIMEOUT + LATE
        with pytest.raises(trio.BrokenResourceError):
            await stuck.send(message)
