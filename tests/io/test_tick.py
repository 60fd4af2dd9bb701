"""One tick of the poller: what one connection does in it, or fails to do, is no other one's concern."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws import open_runtime
from actorws.config import Backpressure
from actorws.events import BackgroundCrashed
from actorws.io.poller import Poller


class Receiver:
    """Does ``act`` with what comes, and takes leave when its peer has."""

    gathering = False

    def __init__(self, act):
        self.act = act
        self.told = []

    def receive(self, data):
        self.told.append(data)
        return self.act(data)

    def ended(self, error):
        self.told.append(type(error))
        self.wire.close()

    def closed(self):
        self.told.append("closed")


@contextmanager
def connection(poller, act) -> Iterator[tuple[socket.socket, Receiver]]:
    """A client's end, and what receives at the other one."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours:
        wire = poller.add(theirs, Backpressure())
        wire.receiver = receiver = Receiver(act)
        receiver.wire = wire
        yield ours, receiver


@pytest.fixture
def seen():
    return []


@pytest.fixture
async def poller(seen):
    async with open_runtime(seen.append) as runtime, trio.open_nursery() as nursery:
        poller = Poller(runtime)
        nursery.start_soon(poller.run)
        yield poller
        nursery.cancel_scope.cancel()


def crashes(seen):
    return [type(event.exception) for event in seen if isinstance(event, BackgroundCrashed)]


async def test_a_connection_that_another_one_cuts_is_not_read_any_more(poller):
    """Both are ready; whichever comes first cuts the other."""
    receivers = []

    def cut_the_others(data):
        for receiver in receivers:
            if not receiver.told:
                receiver.wire.abort()
        return False

    with connection(poller, cut_the_others) as (one, first), connection(poller, cut_the_others) as (two, second):
        receivers += [first, second]
        one.send(b"x")
        two.send(b"x")
        await wait_all_tasks_blocked()
        assert {tuple(first.told), tuple(second.told)} == {(b"x",), ("closed",)}


async def test_a_fault_in_a_connection_costs_that_one_only(poller, seen):
    def fail(data):
        raise LookupError("ours")

    with connection(poller, fail) as (one, faulty), connection(poller, lambda data: False) as (two, fine):
        one.send(b"x")
        two.send(b"x")
        await wait_all_tasks_blocked()
        two.send(b"y")
        await wait_all_tasks_blocked()
        assert faulty.told == [b"x", ConnectionAbortedError, "closed"]
        assert fine.told == [b"x", b"y"]
        assert crashes(seen) == [LookupError]


async def test_a_fault_in_frames_that_were_held_back_costs_that_connection_only(poller, seen):
    def fail_later(data):
        if not data:
            raise LookupError("ours")
        return True

    with connection(poller, fail_later) as (one, faulty), connection(poller, lambda data: False) as (two, fine):
        one.send(b"x")
        await wait_all_tasks_blocked()
        two.send(b"y")
        await wait_all_tasks_blocked()
        assert faulty.told == [b"x", b"", ConnectionAbortedError, "closed"]
        assert fine.told == [b"y"]
        assert crashes(seen) == [LookupError]


async def test_a_fault_in_a_listener_does_not_end_the_listening(poller, seen):
    accepted = []

    def accept():
        connection, _ = listening.accept()
        accepted.append(connection)
        if len(accepted) == 1:
            raise LookupError("ours")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        poller.listen(listening, accept)
        for _ in range(2):
            with socket.create_connection(listening.getsockname()):
                await wait_all_tasks_blocked()
        poller.unlisten(listening)
        poller.unlisten(listening)
        with socket.create_connection(listening.getsockname()):
            await wait_all_tasks_blocked()
    for connection in accepted:
        connection.close()
    assert (len(accepted), crashes(seen)) == (2, [LookupError])


async def test_when_it_ends_every_connection_is_told(seen):
    async with open_runtime(seen.append) as runtime:
        poller = Poller(runtime)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poller.run)
            await wait_all_tasks_blocked()
            with connection(poller, lambda data: False) as (_, receiver):
                nursery.cancel_scope.cancel()
        assert receiver.told == ["closed"]


async def test_who_is_left_of_a_crowd_is_served_as_before(autojump_clock, poller, seen, monkeypatch):
    """What the poller keeps from tick to tick is made anew when most have left."""
    monkeypatch.setattr("actorws.io.crowd.CROWD", 20)
    with ExitStack() as crowd, connection(poller, lambda data: False) as (ours, receiver):
        for _ in range(25):
            crowd.enter_context(connection(poller, lambda data: False))
        crowd.close()
        await trio.sleep(10)
        ours.send(b"still here")
        await wait_all_tasks_blocked()
        assert (receiver.told, crashes(seen)) == ([b"still here"], [])
