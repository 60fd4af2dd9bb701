"""System calls that fail while connections are accepted: it goes on, without a loop, and who got in is served."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from actorws import events
from actorws.io import readiness
from actorws.server import listener
from tests.support.faulty import Faults, fault, faulty_listener
from tests.support.serving import Echo, Server, serving
from tests.support.wire import connect, open_client

#: The system has no room (accept(2)).
EXHAUSTED = [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM]
#: The client has gone, or the network with it, before it was accepted (accept(2), "Error handling").
GONE = [
    errno.ECONNABORTED,
    errno.EPROTO,
    errno.EPERM,
    errno.ENETDOWN,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    errno.ENONET,
    errno.EHOSTUNREACH,
    errno.EOPNOTSUPP,
    errno.ENETUNREACH,
]


@pytest.fixture(params=["poller", "streams"])
def faults(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Faults:
    """For a listener on the poller, and for one with a task of its own (as it is for TLS)."""
    if request.param == "poller":
        return faulty_listener(monkeypatch)
    faults, from_stdlib_socket = Faults(), trio.socket.from_stdlib_socket

    class Listening:
        def __init__(self, socket: Any) -> None:
            self.socket = from_stdlib_socket(socket)
            self.close = self.socket.close

        async def accept(self) -> Any:
            await trio.lowlevel.wait_readable(self.socket)
            faults.meet("accept")
            return await self.socket.accept()

    monkeypatch.setattr(readiness, "is_supported", False)
    monkeypatch.setattr(trio.socket, "from_stdlib_socket", Listening)
    return faults


@asynccontextmanager
async def accepting() -> AsyncIterator[Server]:
    """A server that accepts at the end as well as at the beginning."""
    async with serving(Echo) as server, open_client(server.port) as bystander:
        await bystander.echo("before")
        yield server
        await bystander.echo("after")
        async with open_client(server.port) as client:
            await client.echo("as ever")


@pytest.mark.parametrize("number", EXHAUSTED, ids=errno.errorcode.get)
async def test_without_room_it_pauses_tells_and_accepts_who_waited(faults: Faults, number: int) -> None:
    async with accepting() as server:
        faults.plan("accept", fault(number))
        began = trio.current_time()
        async with open_client(server.port) as client:
            assert trio.current_time() - began > listener.PAUSE / 2
            await client.echo("at last")
        (failed,) = server.all(events.AcceptFailed)
        assert (failed.error.errno, failed.pause) == (number, listener.PAUSE)


async def test_without_memory_of_its_own_it_does_the_same(faults: Faults) -> None:
    async with accepting() as server:
        faults.plan("accept", MemoryError())
        async with open_client(server.port) as client:
            await client.echo("at last")
        (failed,) = server.all(events.AcceptFailed)
        assert failed.error.errno == errno.ENOMEM


@pytest.mark.parametrize("number", GONE, ids=errno.errorcode.get)
async def test_who_has_gone_before_it_was_accepted_holds_up_nobody(faults: Faults, number: int) -> None:
    async with accepting() as server:
        faults.plan("accept", fault(number), fault(number))
        async with open_client(server.port) as client:
            await client.echo("next")
        assert faults.left("accept") == 0
        assert not server.all(events.AcceptFailed)


async def test_an_error_that_stays_becomes_no_loop(faults: Faults) -> None:
    """Whatever it is: here one that no manual tells of."""
    async with accepting() as server:
        faults.plan("accept", *[fault(errno.EINVAL)] * 10_000)
        async with connect(server.port) as client:
            failed = await server.seen(events.AcceptFailed, 3)
            assert faults.calls["accept"] < 4 * (listener.ACCEPTS + 2)
            assert {event.error.errno for event in failed} == {errno.EINVAL}
            faults.plan("accept")
            await client.upgrade()
            await client.echo("at last")


async def test_who_cannot_be_watched_is_turned_away_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC: more descriptors in epoll than /proc/sys/fs/epoll/max_user_watches (epoll_ctl(2))."""
    await _turned_away(monkeypatch, "actorws.io.poller.Poller._watch", fault(errno.ENOSPC), errno.ENOSPC)


async def test_who_finds_no_memory_is_turned_away_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    await _turned_away(monkeypatch, "actorws.server.listening.Endpoint", MemoryError(), errno.ENOMEM)


async def _turned_away(monkeypatch: pytest.MonkeyPatch, where: str, error: Exception, number: int) -> None:
    def fail(*_: Any) -> None:
        raise error

    async with accepting() as server:
        with monkeypatch.context() as patch:
            patch.setattr(where, fail)
            client = await trio.open_tcp_stream("127.0.0.1", server.port)
            (failed,) = await server.seen(events.AcceptFailed)
            assert failed.error.errno == number
        with pytest.raises(trio.BrokenResourceError):
            while await client.receive_some(100):
                pass
            raise trio.BrokenResourceError
        await client.aclose()
        assert len(server.served.runtime.supervisor) == 1
    await server.no_wires()
