"""RESP: what waits to be sent or answered is bounded, and who waits for room gets it in the order of asking."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from actorws.cluster.resp import Connection
from tests.support.resp import Calls, Peer, connected


async def test_at_most_so_many_commands_wait_for_their_replies():
    async with connected(max_in_flight=3) as (connection, peer), trio.open_nursery() as nursery:
        for _ in range(3):
            assert connection.has_room
            connection.send(lambda reply: None, "C")
        assert not connection.has_room
        with pytest.raises(trio.WouldBlock):
            connection.send(lambda reply: None, "C")
        calls = Calls(connection, nursery)
        calls.start("LATER")
        await peer.commands(3)
        await wait_all_tasks_blocked()
        await peer.say(b":1\r\n")
        assert await peer.command() == [b"LATER"]
        await peer.say(b":1\r\n:1\r\n:4\r\n")
    assert calls.replies == {("LATER",): 4}


async def test_at_most_so_many_bytes_wait_to_be_written():
    near, far = memory_stream_pair()
    taken = trio.Event()

    deliver = near.send_stream.send_all_hook

    async def slowly() -> None:
        await deliver()
        await taken.wait()

    near.send_stream.send_all_hook = slowly
    connection = Connection(near, lambda push: None, max_output=100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        connection.send(lambda reply: None, "C", b"x" * 100)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.WouldBlock):
            connection.send(lambda reply: None, "C")
        waits = trio.Event()

        async def wait() -> None:
            await connection.wait_for_room()
            waits.set()

        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        assert not waits.is_set()
        taken.set()
        await waits.wait()
        connection.send(lambda reply: None, "C")
        assert len(await Peer(far).commands(2)) == 2
        nursery.cancel_scope.cancel()


async def test_who_waits_for_room_gets_it_in_the_order_of_asking():
    async with connected(max_in_flight=1) as (connection, peer), trio.open_nursery() as nursery:
        calls = Calls(connection, nursery)
        for number in range(100):
            calls.start("C", number, key=number)
            await wait_all_tasks_blocked()
        for number in range(100):
            assert await peer.command() == [b"C", b"%d" % number]
            await peer.say(b":%d\r\n" % number)
    assert calls.replies == {number: number for number in range(100)}


async def test_nobody_goes_ahead_of_those_who_wait_for_room():
    refused = []
    async with connected(max_in_flight=2) as (connection, peer), trio.open_nursery() as nursery:

        def go_ahead(reply: Any) -> None:
            try:
                connection.check()  # a place is free by now, but not for us
            except trio.WouldBlock:
                refused.append(reply)

        connection.send(go_ahead, "A")
        connection.send(go_ahead, "B")
        calls = Calls(connection, nursery)
        calls.start("C")
        calls.start("D")
        await peer.commands(2)
        await wait_all_tasks_blocked()
        await peer.say(b":1\r\n:2\r\n")
        await peer.commands(2)
        await peer.say(b":3\r\n:3\r\n")
    assert refused == [1, 2]
    assert calls.replies == {("C",): 3, ("D",): 3}


async def test_a_place_that_was_promised_is_not_given_to_another(monkeypatch):
    """Between the moment when somebody is let in and the one when it sends."""
    free = []
    async with connected(max_in_flight=1) as (connection, peer), trio.open_nursery() as nursery:
        let_some_in = connection._let_some_in

        def look() -> None:
            let_some_in()
            free.append(connection.has_room)

        monkeypatch.setattr(connection, "_let_some_in", look)
        calls = Calls(connection, nursery)
        calls.start("A")
        await peer.command()
        calls.start("B")
        await wait_all_tasks_blocked()
        free.clear()
        await peer.say(b":1\r\n")
        await peer.command()
        assert free[0] is False
        await peer.say(b":1\r\n")


async def test_who_is_cancelled_while_it_waits_for_room_takes_none():
    async with connected(max_in_flight=1) as (connection, peer), trio.open_nursery() as nursery:
        calls = Calls(connection, nursery)
        calls.start("FIRST")
        await wait_all_tasks_blocked()
        scopes = []
        for number in range(100):
            scopes.append(calls.start("C", number, key=number))
            await wait_all_tasks_blocked()
        await peer.command()
        for scope in scopes[:-1]:
            scope.cancel()
        # In the same tick as the reply: nobody may be let in who is gone already.
        await peer.say(b":0\r\n")
        command = await peer.command()
        while command != [b"C", b"99"]:
            await peer.say(b":0\r\n")
            command = await peer.command()
        await peer.say(b":5\r\n")
        await wait_all_tasks_blocked()
        assert calls.replies[99] == 5
        assert connection.has_room


async def test_who_is_sure_is_let_in_above_the_bound():
    got: list[Any] = []
    async with connected(max_in_flight=1) as (connection, peer):
        connection.send(got.append, "A")
        connection.send(got.append, "B", sure=True)
        assert await peer.commands(2) == [[b"A"], [b"B"]]
        await peer.say(b":1\r\n:2\r\n")
        await wait_all_tasks_blocked()
    assert got == [1, 2]
