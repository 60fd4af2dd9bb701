"""A socket served alone: by the task that waits for what comes, by a task of its own while none does, never by two."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from actorws import events
from actorws.config import Backpressure
from actorws.io import solo as module
from actorws.io.solo import Solo
from actorws.runtime import Runtime, open_runtime

SECONDS = 30.0
NEVER = 3600.0


class Ends:
    """What receives the bytes; ``waits`` is whether somebody waits who doesn't lead."""

    gathering = False
    settled = True

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.told: list[Any] = []
        self.news = trio.Event()
        self.waits = False
        self.holds_back = 0
        self.fault: Exception | None = None

    def receive(self, data: bytes) -> bool:
        if self.fault is not None:
            raise self.fault
        self.came.append(data)
        self._tell()
        self.holds_back -= 1
        return self.holds_back >= 0

    def ended(self, error: OSError | None) -> None:
        self.told.append(error)
        self._tell()

    def drained(self) -> None:
        self.told.append("drained")
        self._tell()

    def passed_mark(self, buffered: int) -> None:
        pass

    def closed(self) -> None:
        self.told.append("closed")
        self._tell()

    def _tell(self) -> None:
        self.news.set()
        self.news = trio.Event()

    async def wait(self, number: int, what: str = "came") -> None:
        with trio.fail_after(SECONDS):
            while len(getattr(self, what)) < number:
                await self.news.wait()


class Served:
    """One end of a pair of sockets, served alone; the other in the test's hands."""

    def __init__(self, runtime: Runtime, seen: list[events.Event]) -> None:
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.peer.setblocking(False)
        self.ends, self.seen = Ends(), seen
        self.solo = Solo(ours, runtime, Backpressure(), lambda: self.ends.waits)
        self.wire = self.solo.wire
        self.wire.receiver = self.ends  # type: ignore[assignment]
        runtime.nursery.start_soon(self.solo.run)

    async def lead(self) -> None:
        """Wait for what comes as a script's task does."""
        with trio.fail_after(SECONDS):
            while not self.solo.may_be_led:
                await trio.sleep(0)
            await self.solo.lead()


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    seen: list[events.Event] = []
    async with open_runtime(seen.append) as runtime:
        server = Served(runtime, seen)
        try:
            yield server
        finally:
            server.peer.close()


async def only_led(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nobody else reads."""
    monkeypatch.setattr(module, "GRACE", NEVER)
    server.peer.send(b"first")
    await server.ends.wait(1)
    await trio.testing.wait_all_tasks_blocked()


async def test_who_waits_reads_in_his_own_task(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as server:
        await only_led(server, monkeypatch)
        server.peer.send(b"second")
        await trio.testing.wait_all_tasks_blocked()
        assert server.ends.came == [b"first"]
        await server.lead()
        assert server.ends.came == [b"first", b"second"]


async def test_while_nobody_waits_what_comes_is_read_all_the_same() -> None:
    async with served() as server:
        for number in range(1, 4):
            server.peer.send(b"%d" % number)
            await server.ends.wait(number)


async def test_somebody_who_waits_without_reading_is_not_kept_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as server:
        await only_led(server, monkeypatch)
        server.peer.send(b"second")
        server.ends.waits = True
        server.solo.look_after()
        await server.ends.wait(2)


async def test_who_leaves_while_another_waits_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as server:
        await only_led(server, monkeypatch)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.solo.lead)
                await trio.testing.wait_all_tasks_blocked()
                server.ends.waits = True
                scope.cancel()
        server.peer.send(b"second")
        await server.ends.wait(2)


async def test_who_waits_for_long_costs_nothing_and_is_followed_when_he_leaves() -> None:
    async with served() as server:
        server.peer.send(b"first")
        await server.ends.wait(1)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.lead)
                with trio.fail_after(SECONDS):
                    while not server.solo._rest:
                        await trio.sleep(0.01)
                scope.cancel()
        server.peer.send(b"second")
        await server.ends.wait(2)


async def test_taking_turns_never_has_two_tasks_wait_for_one_socket() -> None:
    """trio raises ``BusyResourceError`` for that."""
    async with served() as server:
        for number in range(1, 200):
            server.peer.send(b"x")
            if number % 3 and server.solo.may_be_led:
                await server.lead()
            else:
                await server.ends.wait(1)
            if not number % 50:
                await trio.sleep(2 * module.GRACE)
        with trio.fail_after(SECONDS):
            while sum(map(len, server.ends.came)) < 199:
                await trio.sleep(0.01)
    assert not server.seen


async def test_what_was_held_back_comes_in_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as server:
        server.ends.holds_back = 2
        server.peer.send(b"first")
        await server.ends.wait(3)
        assert server.ends.came == [b"first", b"", b""]


async def test_output_is_on_its_way_before_the_call_returns() -> None:
    async with served() as server:
        server.solo.at_once(server.wire.write, b"hello")
        assert server.peer.recv(100) == b"hello"


async def test_output_that_the_peer_does_not_take_yet_is_written_when_it_does() -> None:
    async with served() as server:
        large = bytes(4_000_000)
        server.solo.at_once(server.wire.write, large)
        assert server.wire.queue is not None
        peer, size = trio.socket.from_stdlib_socket(server.peer), 0
        with trio.fail_after(SECONDS):
            while size < len(large):
                size += len(await peer.recv(1 << 20))
        await server.ends.wait(1, "told")
        assert server.ends.told == ["drained"]


async def test_nothing_is_read_while_the_wire_is_paused_and_then_it_is() -> None:
    async with served() as server:
        server.wire.pause(1)
        server.peer.send(b"hello")
        with trio.move_on_after(3 * module.GRACE):
            await server.ends.wait(1)
        assert server.ends.came == []
        server.wire.resume(1)
        await server.ends.wait(1)


async def test_the_peers_end_is_told_and_the_tasks_end_with_the_wire() -> None:
    async with served() as server:
        server.peer.shutdown(socket.SHUT_WR)
        await server.ends.wait(1, "told")
        server.wire.close()
        await server.ends.wait(2, "told")
        assert server.ends.told == [None, "closed"]
        await trio.testing.wait_all_tasks_blocked()
        assert server.peer.recv(100) == b""


async def test_who_waits_is_told_when_the_wire_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as server:
        await only_led(server, monkeypatch)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.lead)
            await trio.testing.wait_all_tasks_blocked()
            server.wire.abort()
        assert server.ends.told == ["closed"]


async def test_a_fault_of_ours_ends_the_connection_and_is_told() -> None:
    async with served() as server:
        server.ends.fault = ZeroDivisionError()
        server.peer.send(b"hello")
        await server.ends.wait(2, "told")
        assert isinstance(server.ends.told[0], ConnectionAbortedError) and server.ends.told[1] == "closed"
        (crashed,) = server.seen
        assert isinstance(crashed, events.BackgroundCrashed)


async def test_the_end_of_the_runtime_closes_the_socket() -> None:
    async with served() as server:
        await trio.testing.wait_all_tasks_blocked()
        peer, server.peer = server.peer, socket.socket()
    assert peer.recv(100) == b""
    peer.close()
    server.peer.close()
    assert server.ends.told == [None, "closed"] or server.ends.told == ["closed"]
