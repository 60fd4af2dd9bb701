"""All actors: how many there may be, and how they all end within one deadline."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import trio

from actorws import HandshakeError, Shutdown
from actorws.actor.supervisor import Supervisor
from actorws.addresses import pack
from actorws.config import Limits


class FakeActor:
    """Ends some seconds after it is told to; ``None``: only when it is cut."""

    worker = None

    def __init__(self, supervisor, nursery, conn, seconds=0.0, *, is_client=False):
        self.kind = SimpleNamespace(is_client=is_client)
        self.supervisor, self.nursery, self.conn, self.seconds = supervisor, nursery, conn, seconds
        self.reason = None
        self.told_at = self.cut_at = None
        supervisor.add(self, conn)

    def stop(self, reason, frame=None):
        self.reason, self.told_at = reason, trio.current_time()
        if self.seconds is not None:
            self.nursery.start_soon(self._end)

    async def _end(self):
        await trio.sleep(self.seconds)
        if self.cut_at is None:
            self.supervisor.remove(self, self.conn)

    def abort(self):
        self.cut_at = trio.current_time()
        self.supervisor.remove(self, self.conn)


def conn(host="192.0.2.1"):
    return SimpleNamespace(_address=pack((host, 1)))


async def test_slots_are_counted_in_all_and_per_address():
    supervisor = Supervisor(list().append)
    limits = Limits(max_connections=3, max_connections_per_address=2, overload_body="come back later")
    actors = [FakeActor(supervisor, None, conn()) for _ in range(2)]
    with pytest.raises(HandshakeError, match="from this address") as caught:
        supervisor.admit(conn(), limits)
    assert (caught.value.status, caught.value.headers) == (503, (("Retry-After", "5"),))
    supervisor.admit(conn("192.0.2.2"), limits)
    FakeActor(supervisor, None, conn("192.0.2.2"))
    with pytest.raises(HandshakeError, match=r"^come back later$"):
        supervisor.admit(conn("192.0.2.3"), limits)
    actors[0].abort()
    supervisor.admit(conn(), limits)
    statistics = supervisor.statistics()
    assert (statistics.running, statistics.started, statistics.refused, statistics.outbound) == (2, 3, 2, 0)
    assert len(list(supervisor)) == 2


async def test_who_is_at_the_end_of_a_connection_that_we_opened_takes_nobodys_place():
    supervisor = Supervisor(list().append)
    limits = Limits(max_connections=1, max_connections_per_address=1)
    outbound = [FakeActor(supervisor, None, conn(), is_client=True) for _ in range(3)]
    supervisor.admit(conn(), limits)
    actor = FakeActor(supervisor, None, conn())
    with pytest.raises(HandshakeError):
        supervisor.admit(conn(), limits)
    statistics = supervisor.statistics()
    assert (statistics.running, statistics.started, statistics.outbound) == (4, 4, 3)
    outbound[0].abort()
    with pytest.raises(HandshakeError):
        supervisor.admit(conn(), limits)
    actor.abort()
    supervisor.admit(conn(), limits)
    assert supervisor.statistics().outbound == len(supervisor) == 2


async def test_a_drain_ends_those_too(autojump_clock, nursery):
    supervisor = Supervisor(list().append)
    actors = [FakeActor(supervisor, nursery, conn(), 0.1, is_client=is_client) for is_client in (True, False)]
    await supervisor.drain(10)
    assert [actor.reason for actor in actors] == [Shutdown()] * 2 and supervisor.statistics().outbound == 0


async def test_who_lets_himself_in_is_told_once_that_nobody_is_let_in_any_more(autojump_clock):
    supervisor, told = Supervisor(list().append), []
    supervisor.on_draining = lambda: told.append(supervisor.draining)
    supervisor.refuse_new()
    await supervisor.drain(1)
    assert told == [True]


def test_a_limit_of_zero_lets_nobody_in():
    for limits in (Limits(max_connections=0), Limits(max_connections_per_address=0)):
        with pytest.raises(HandshakeError):
            Supervisor(list().append).admit(conn(), limits)


async def test_a_drain_returns_when_all_have_ended(autojump_clock, nursery):
    supervisor = Supervisor(list().append)
    actors = [FakeActor(supervisor, nursery, conn(), 0.1) for _ in range(10)]
    await supervisor.drain(10)
    assert trio.current_time() < 1
    assert all(actor.reason == Shutdown() and actor.cut_at is None for actor in actors)
    with pytest.raises(HandshakeError, match="going away"):
        supervisor.admit(conn(), Limits())


async def test_the_clients_of_a_large_server_are_not_told_all_at_once(autojump_clock, nursery):
    supervisor = Supervisor(list().append)
    actors = [FakeActor(supervisor, nursery, conn()) for _ in range(1000)]
    await supervisor.drain(10)
    told = sorted(actor.told_at for actor in actors)
    assert 1 < told[-1] - told[0] <= 3
    assert max(later - earlier for earlier, later in itertools.pairwise(told)) < 0.1


async def test_who_does_not_end_is_cut_before_the_time_is_up(autojump_clock, nursery):
    supervisor = Supervisor(list().append)
    stubborn = FakeActor(supervisor, nursery, conn(), None)
    await supervisor.drain(10)
    assert stubborn.cut_at == pytest.approx(8, abs=0.1)
    assert len(supervisor) == 0


async def test_a_drain_without_actors_is_over_at_once(autojump_clock):
    await Supervisor(list().append).drain(10)
    assert trio.current_time() == 0
