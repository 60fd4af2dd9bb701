"""A socket that was given away: the driver knows no more of it, and whoever has it sees nothing of that."""

from __future__ import annotations

import socket

import pytest
import trio
import trio.testing

from actorws import open_runtime
from actorws.config import Backpressure
from actorws.io.poller import Poller
from actorws.io.socket_wire import SocketWire
from actorws.io.stream import StreamWire, drive
from actorws.runtime import Runtime
from actorws.server.handover import is_flushed
from actorws.transports.contract import Receiver
from actorws.transports.wire import OUTPUT
from tests.support.wire import SECONDS


class Noting(Receiver):
    gathering = False

    def __init__(self) -> None:
        self.told: list[object] = []

    def receive(self, data: bytes) -> bool:
        self.told.append(data)
        return False

    def ended(self, error: OSError | None) -> None:
        self.told.append("ended")

    def closed(self) -> None:
        self.told.append("closed")


def served(poller: Poller, ours: socket.socket) -> tuple[SocketWire, Noting]:
    ours.setblocking(False)
    wire = poller.add(ours, Backpressure())
    wire.receiver = receiver = Noting()
    return wire, receiver


async def test_the_poller_watches_a_socket_no_more_that_is_open_elsewhere() -> None:
    async with open_runtime() as runtime:
        poller = Poller(runtime)
        client, ours = socket.socketpair()
        with client, ours.dup() as theirs:
            wire, receiver = served(poller, ours)
            wire.give_away()
            client.send(b"hello")
            assert poller._readiness.poll(0) == []  # closing alone doesn't end the watch of what has another descriptor
            assert receiver.told == ["closed"]
            assert theirs.recv(10) == b"hello"
            theirs.send(b"goodbye")
            assert client.recv(10) == b"goodbye"
        poller._close()


async def test_it_counts_no_more() -> None:
    async with open_runtime() as runtime:
        poller = Poller(runtime)
        client, ours = socket.socketpair()
        with client:
            wire, _ = served(poller, ours)
            assert runtime.wires == 1
            wire.give_away()
            assert runtime.wires == 0
        poller._close()


async def test_what_is_done_to_the_wire_later_in_the_tick_is_nothing() -> None:
    """It may be among those that have output, or that are to be read again."""
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        poller = Poller(runtime)
        nursery.start_soon(poller.run)
        client, ours = socket.socketpair()
        with client, ours.dup() as theirs:
            wire, receiver = served(poller, ours)
            wire.write(b"written")
            wire.flush()
            wire.read_again()
            wire.give_away()
            _turn(runtime, wire)
            await trio.testing.wait_all_tasks_blocked()
            assert receiver.told == ["closed"]
            assert client.recv(10) == b"written"
            theirs.send(b"more")
            assert client.recv(10) == b"more"
        nursery.cancel_scope.cancel()


def _turn(runtime: Runtime, wire: SocketWire) -> None:
    assert wire in runtime.scheduler.dirty
    runtime.scheduler.settle()


@pytest.mark.parametrize("end", [SocketWire.shut, SocketWire.abort, SocketWire.close])
async def test_ending_it_ends_nothing(end: object) -> None:
    async with open_runtime() as runtime:
        poller = Poller(runtime)
        client, ours = socket.socketpair()
        with client, ours.dup() as theirs:
            wire, receiver = served(poller, ours)
            wire.give_away()
            end(wire)  # type: ignore[operator]
            assert receiver.told == ["closed"] and runtime.wires == 0
            theirs.send(b"still open")
            assert client.recv(10) == b"still open"
        poller._close()


# What a client has not taken yet


class Drained(Noting):
    def drained(self) -> None:
        self.told.append("drained")


async def test_nothing_is_read_while_a_little_is_still_to_be_taken() -> None:
    """Less than what stops the reading otherwise: what comes behind a request that waits would pile up."""
    async with open_runtime() as runtime, trio.open_nursery() as nursery:
        poller = Poller(runtime)
        nursery.start_soon(poller.run)
        client, ours = socket.socketpair()
        with client:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4608)
            wire, _ = served(poller, ours)
            wire.receiver = receiver = Drained()
            wire.write(bytes(50_000))
            assert not is_flushed(wire)
            assert wire.paused == OUTPUT
            client.setblocking(False)
            taken = 0
            with trio.fail_after(SECONDS):
                while taken < 50_000:
                    await trio.lowlevel.wait_readable(client)
                    taken += len(client.recv(100_000))
                while "drained" not in receiver.told:
                    await trio.lowlevel.checkpoint()
            assert not wire.paused and is_flushed(wire)
        nursery.cancel_scope.cancel()
        wire.shut()


async def test_a_stream_s_write_is_waited_for_however_little_it_is() -> None:
    async with open_runtime() as runtime:
        stream, client = trio.testing.memory_stream_pair()
        receiver = Drained()
        wires: list[StreamWire] = []

        def attach(wire: StreamWire) -> Receiver:
            wires.append(wire)
            wire.write(b"answer")
            assert not is_flushed(wire) and wire.paused
            return receiver

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drive, stream, runtime, Backpressure(), attach)
            assert await client.receive_some(100) == b"answer"
            await trio.testing.wait_all_tasks_blocked()
            assert receiver.told == ["drained"]
            assert not wires[0].paused and is_flushed(wires[0])
            nursery.cancel_scope.cancel()
