"""Subscriptions: a join holds when it says so; coming and going costs the engine nothing."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws.cluster import subscriptions
from actorws.cluster.resp import Connection
from actorws.cluster.subscriptions import Subscriptions
from actorws.exceptions import EngineUnavailable
from tests.support.resp import Peer, connected


async def session(groups: Subscriptions, connection: Connection, peer: Peer) -> list[bytes]:
    """Begin one, confirm everything, and return what was subscribed to."""
    channels: list[bytes] = []

    async def confirm() -> None:
        while len(channels) < len(groups) + 1:
            command = await peer.command()
            assert command[0] == b"SUBSCRIBE"
            channels.extend(command[1:])
            for channel in command[1:]:
                groups.acked(channel.decode())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(confirm)
        await groups.begin(connection, 5.0)
    return channels


async def test_a_join_waits_for_its_confirmation():
    groups = Subscriptions("p:", ["p:in:me"])
    async with connected() as (connection, peer):
        assert await session(groups, connection, peer) == [b"p:in:me"]
        groups.join("g")
        joined = trio.Event()

        async def join() -> None:
            await groups.wait_acked("g")
            joined.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(join)
            assert await peer.command() == [b"SUBSCRIBE", b"p:g:g"]
            await wait_all_tasks_blocked()
            assert not joined.is_set()
            assert "g" not in groups
            groups.acked("p:g:g")
        assert joined.is_set()
        assert "g" in groups
        await groups.wait_acked("g")


async def test_joins_of_one_tick_are_one_command():
    groups = Subscriptions("", ["in"])
    async with connected() as (connection, peer):
        await session(groups, connection, peer)
        for number in range(5):
            groups.join(str(number))
        groups.join("0")
        assert await peer.command() == [b"SUBSCRIBE", b"g:0", b"g:1", b"g:2", b"g:3", b"g:4"]


async def test_without_a_link_a_join_does_not_wait_and_the_next_session_makes_it_hold():
    groups = Subscriptions("", ["in"])
    groups.join("early")
    await groups.wait_acked("early")
    async with connected() as (connection, peer):
        assert await session(groups, connection, peer) == [b"in", b"g:early"]
        assert "early" in groups
        groups.join("under way")
        waiting = trio.Event()

        async def wait() -> None:
            await groups.wait_acked("under way")
            waiting.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            groups.end()
        assert waiting.is_set()
        assert "early" not in groups
    async with connected() as (connection, peer):
        assert await session(groups, connection, peer) == [b"in", b"g:early", b"g:under way"]


async def test_a_group_stays_for_a_while_after_its_last_member(autojump_clock):
    groups = Subscriptions("", ["in"])
    async with connected() as (connection, peer):
        await session(groups, connection, peer)
        groups.join("g")
        groups.acked("g:g")
        await peer.command()
        groups.leave("g")
        groups.drop_idle(10)
        await trio.sleep(9)
        groups.leave("g")  # again: it left when it left first
        await trio.sleep(0.9)
        groups.drop_idle(10)
        assert "g" in groups
        groups.join("g")
        await trio.sleep(20)
        groups.drop_idle(10)
        assert "g" in groups, "it has a member again"
        groups.leave("g")
        await trio.sleep(10)
        groups.drop_idle(10)
        assert "g" not in groups
        assert await peer.command() == [b"UNSUBSCRIBE", b"g:g"], "and nothing else was ever said"


async def test_what_is_not_confirmed_yet_is_not_dropped():
    """Else the confirmation of the first SUBSCRIBE could be taken for that of a second one, after an UNSUBSCRIBE."""
    groups = Subscriptions("", ["in"])
    async with connected() as (connection, peer):
        await session(groups, connection, peer)
        groups.join("g")
        groups.leave("g")
        groups.drop_idle(0)
        assert len(groups) == 1
        groups.acked("g:g")
        groups.drop_idle(0)
        groups.join("g")
        assert "g" not in groups, "it was dropped, and has to be confirmed anew"
        await wait_all_tasks_blocked()
        assert await peer.command() == [b"SUBSCRIBE", b"g:g"]


async def test_a_new_session_leaves_out_what_has_no_member():
    groups = Subscriptions("", ["in"])
    for name in ("kept", "left"):
        groups.join(name)
    groups.leave("left")
    groups.leave("never joined")
    async with connected() as (connection, peer):
        assert await session(groups, connection, peer) == [b"in", b"g:kept"]


async def test_many_groups_are_subscribed_to_in_chunks(monkeypatch):
    monkeypatch.setattr(subscriptions, "CHUNK", 10)
    groups = Subscriptions("", ["in"])
    for number in range(34):
        groups.join(str(number))
    async with connected() as (connection, peer), trio.open_nursery() as nursery:
        nursery.start_soon(groups.begin, connection, 5.0)
        commands = await peer.commands(4)
        nursery.cancel_scope.cancel()
    assert [len(command) - 1 for command in commands] == [10, 10, 10, 5]


async def test_a_server_that_confirms_nothing_is_given_up(autojump_clock):
    groups = Subscriptions("", ["in"])
    async with connected() as (connection, _):
        with pytest.raises(EngineUnavailable, match="did not confirm the subscriptions within 5 s"):
            await groups.begin(connection, 5.0)
        assert trio.current_time() > 0


async def test_a_server_that_confirms_little_by_little_is_not(autojump_clock):
    groups = Subscriptions("", ["in"])
    for number in range(5):
        groups.join(str(number))

    async def confirm() -> None:
        for channel in (await peer.command())[1:]:
            await trio.sleep(4)
            await peer.say(b">2\r\n+pong\r\n+\r\n")
            groups.acked(channel.decode())

    async with connected() as (connection, peer), trio.open_nursery() as nursery:
        nursery.start_soon(confirm)
        await groups.begin(connection, 5.0)


def test_a_group_may_be_called_like_anything():
    """Such as a channel of another kind: its confirmation is not the group's."""
    groups = Subscriptions("p:", ["p:in:me"])
    groups.join("n:me")  # what is left of p:in:me without as many characters as a group's channel begins with
    groups.acked("p:in:me")
    assert "n:me" not in groups
    groups.acked("p:g:n:me")
    assert "n:me" in groups


async def test_all_who_join_before_it_is_confirmed_wait_for_the_same():
    groups = Subscriptions("p:", ["p:in:me"])
    async with connected() as (connection, peer):
        await session(groups, connection, peer)
        groups.join("g")
        joined: list[int] = []

        async def join(number: int) -> None:
            await groups.wait_acked("g")
            joined.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(join, number)
            assert await peer.command() == [b"SUBSCRIBE", b"p:g:g"]
            await wait_all_tasks_blocked()
            groups.acked("p:g:nobody's any more")
            assert joined == []
            groups.acked("p:g:g")
        assert sorted(joined) == [0, 1, 2]
