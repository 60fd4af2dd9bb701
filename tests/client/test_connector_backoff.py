"""Connector: when the next try is, and when there is none any more."""

from __future__ import annotations

import itertools

import pytest
import trio
import trio.testing

from actorws import Backoff, Close, events
from actorws.exceptions import ConnectTimeout, Rejected, Unreachable
from actorws.reasons import Error, Remote, Stop
from tests.support.outbound import Quiet, open_world

blocked = trio.testing.wait_all_tasks_blocked


def gaps(times):
    return [round(later - earlier, 3) for earlier, later in itertools.pairwise(times)]


async def test_waits_grow_while_the_server_is_away(autojump_clock):
    async with open_world() as world:
        await world.connect()
        world.is_up = "down"
        world.theirs.abort()
        await trio.sleep(35)
        assert gaps(world.tries) == [1, 2, 4, 8, 8, 8]
    assert [event.failures for event in world.failed] == [2, 3, 4, 5, 6, 7]
    assert [event.retry_in for event in world.failed] == [2, 4, 8, 8, 8, 8]
    assert [(event.reason, event.retry_in) for event in world.lost] == [(Remote(1006), 1)]


async def test_a_connection_that_held_for_long_enough_begins_the_waits_anew(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        for held in (0, 9, 10, 5):
            await trio.sleep(held)
            world.theirs.abort()
            await blocked()
            await connector.wait_connected()
    assert [event.retry_in for event in world.lost[:4]] == [1, 2, 1, 2]


async def test_jitter_spreads_those_who_lost_their_server_together(autojump_clock):
    async with open_world() as world:
        connectors = [await world.connect(Quiet(), backoff=Backoff(initial=3, jitter=1)) for _ in range(200)]
        for conn in world.host.conns[:200]:
            conn.abort()
        came = trio.current_time()
        for connector in connectors:
            await connector.wait_connected()
        await trio.sleep(3)
        back = sorted(time - came for time in world.tries[200:])
    assert len(back) == 200 and back[0] < 0.5 and 2.5 < back[-1] <= 3
    assert max(gaps(back)) < 0.3


async def test_retry_after_is_kept_to_and_spread(autojump_clock):
    async with open_world() as world:
        for _ in range(50):
            await world.connect(Quiet(), backoff=Backoff(initial=1, maximum=2, jitter=0))
        world.refuse(503, Retry_After="30")
        for conn in world.host.conns[:50]:
            conn.abort()
        await trio.sleep(5)
        assert len(world.tries) == 100
        await trio.sleep(30)
        back = [time - 1 for time in world.tries[100:]]
    assert len(back) == 50 and min(back) >= 30 and max(back) <= 31
    assert len({round(time, 6) for time in back}) > 40
    assert all(30 <= event.retry_in <= 31 for event in world.failed[:50])


async def test_a_retry_after_that_is_shorter_than_the_wait_shortens_nothing(autojump_clock):
    async with open_world() as world:
        await world.connect(backoff=Backoff(initial=10, maximum=10, jitter=0))
        world.refuse(503, Retry_After="0")
        world.theirs.abort()
        await trio.sleep(25)
    assert gaps(world.tries) == [10, 10]


@pytest.mark.parametrize("restart", ["permanent", "transient"])
async def test_a_server_that_ends_each_connection_at_once_is_not_stormed(restart, autojump_clock):
    async with open_world() as world:
        await world.connect(restart=restart)
        world.theirs.close(1011)
        for _ in range(6):
            await world.server.wait_event(events.ActorStarted, len(world.host.conns) + 1)
            world.theirs.close(1011)
        assert gaps(world.tries) == [1, 2, 4, 8, 8, 8]


class CrashingAtOnce(Quiet):
    def init(self, conn):
        super().init(conn)
        raise ValueError("as ever")


class LeavingAtOnce(Quiet):
    def init(self, conn):
        super().init(conn)
        return None, [Close(1000)]


class CrashingAsync(Quiet):
    async def init(self, conn):
        super().init(conn)
        raise ValueError("as ever")


@pytest.mark.parametrize("behaviour", [CrashingAtOnce, LeavingAtOnce, CrashingAsync])
async def test_an_actor_that_ends_in_init_does_not_come_back_faster_and_faster(behaviour, autojump_clock):
    async with open_world() as world:
        world.behaviour = behaviour()
        connector = await world.connect(restart="permanent")
        await trio.sleep(35)
        assert gaps(world.tries) == [1, 2, 4, 8, 8, 8]
        assert world.behaviour.inits == len(world.behaviour.reasons) == connector.connections == 7
        assert {type(reason) for reason in world.behaviour.reasons} <= {Error, Stop}


async def test_it_is_given_up_after_so_many_failures_in_a_row_with_the_error_of_the_last(autojump_clock):
    async with open_world() as world:
        connector = await world.connect(backoff=Backoff(initial=1, jitter=0, factor=1, max_attempts=4))
        world.is_up = "down"
        world.theirs.abort()
        with pytest.raises(Unreachable) as caught:
            await connector.wait_ended()
        assert trio.current_time() == pytest.approx(3)
        assert world.tries == [0, 1, 2, 3]
        assert (connector.error, connector.reason, connector.is_over) == (caught.value, Remote(1006), True)
        world.assert_nothing_is_left()
    assert [(event.retry_in, event.limit) for event in world.failed] == [(1, ""), (1, ""), (None, "max_attempts")]


async def test_the_first_connection_is_given_up_after_so_many_failures_too(autojump_clock):
    async with open_world() as world:
        world.is_up = "down"
        with pytest.raises(Unreachable):
            await world.connect(restart="permanent", backoff=Backoff(initial=1, jitter=0, max_attempts=3))
        assert world.tries == [0, 1, 3]


async def test_connections_that_do_not_last_are_failures_and_the_end_of_the_last_is_how_it_ended(autojump_clock):
    async with open_world() as world:
        world.behaviour = CrashingAtOnce()
        connector = await world.connect(backoff=Backoff(initial=1, jitter=0, factor=1, max_attempts=3))
        assert isinstance(await connector.wait_ended(), Error)
        assert world.tries == [0, 1, 2]
    assert [(event.retry_in, event.limit) for event in world.lost] == [(1, ""), (1, ""), (None, "max_attempts")]


async def test_a_connection_that_held_for_long_enough_is_followed_by_as_many_tries_as_the_first(autojump_clock):
    async with open_world() as world:
        connector = await world.connect(backoff=Backoff(initial=1, jitter=0, factor=1, max_attempts=2))
        for _ in range(5):
            await trio.sleep(10)
            world.theirs.abort()
            await blocked()
            await connector.wait_connected()
        assert connector.connections == 6


async def test_a_handshake_that_is_never_answered_is_a_failure_with_its_deadline(autojump_clock):
    async with open_world() as world:
        connector = await world.connect(handshake_timeout=5)
        world.is_up = "silent"
        world.theirs.abort()
        await trio.sleep(20)
        assert gaps(world.tries) == [1, 7, 9]  # 5 s of each try, behind the wait
        assert isinstance(connector.error, ConnectTimeout)
        assert {event.limit for event in world.failed} == {"handshake_timeout"}
        connector.close()
        await connector.wait_ended()


async def test_each_failure_and_each_loss_is_told_once(autojump_clock):
    async with open_world() as world:
        connector = await world.connect()
        for status in (503, 429, None):
            world.refuse(status)
            if status == 503:
                world.theirs.abort()
            await trio.sleep(2)
        await connector.wait_connected()
        connector.close()
        await connector.wait_ended()
    told = [event for event in world.events if isinstance(event, events.Connected | events.ConnectionLost)]
    assert [type(event) for event in told] == [events.Connected, events.ConnectionLost] * 2
    assert [event.failures for event in world.told(events.Connected)] == [0, 3]
    assert [(event.reason, event.retry_in, event.limit) for event in world.lost] == [
        (Remote(1006), 1, ""),
        (Stop(), None, ""),
    ]
    assert [(type(event.error), event.error.status, event.retry_in) for event in world.failed] == [
        (Rejected, 503, 2),
        (Rejected, 429, 4),
    ]
    assert {event.url for event in told + world.failed} == {"ws://host/"}


async def test_by_default_it_is_tried_again_within_four_seconds_and_then_within_twenty(autojump_clock):
    async with open_world() as world:
        await world.connect(backoff=None)
        world.is_up = "down"
        world.theirs.abort()
        await trio.sleep(300)
        [lost] = world.lost
        waits = [event.retry_in for event in world.failed]
    assert 0 <= lost.retry_in <= 4
    assert all(0 < wait <= most for wait, most in zip(waits, [8, 16, *[20] * 100], strict=False))
    assert len(waits) > 15
