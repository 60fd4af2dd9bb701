"""RESP: when a connection is over everyone is told, and a silent server is given up in time."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from actorws.cluster.replies import NotRedis, Refused
from actorws.cluster.resp import Connection
from actorws.exceptions import EngineUnavailable
from tests.support.resp import Calls, Peer, connected


async def close(peer: Peer) -> None:
    await peer.stream.aclose()


async def nonsense(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def unasked(peer: Peer) -> None:
    await peer.say(b":1\r\n")


async def refuse_unasked(peer: Peer) -> None:
    await peer.say(b"-NOPERM this user has no permissions to access one of the channels\r\n")


@pytest.mark.parametrize(
    ("asked", "end", "kind", "why"),
    [
        (5, close, EngineUnavailable, "the connection to the engine broke: the server has closed it"),
        (5, nonsense, NotRedis, "what came is not RESP, the protocol of Redis: "),
        (0, unasked, NotRedis, "the server answered what nobody has asked: 1"),
        (0, refuse_unasked, Refused, "the engine refuses: NOPERM this user"),
    ],
)
async def test_when_it_is_over_everyone_is_told(asked, end, kind, why):
    near, far = memory_stream_pair()
    connection, peer = Connection(near, lambda push: None, max_in_flight=5), Peer(far)
    errors: list[Any] = []

    async def tell(what: Any) -> None:
        with pytest.raises(EngineUnavailable) as caught:
            await what()
        errors.append(caught.value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell, connection.run)
        for _ in range(asked):
            nursery.start_soon(tell, partial(connection.call, "C"))
        await peer.commands(asked)
        if asked:
            nursery.start_soon(tell, partial(connection.call, "C"))  # which waits for room
            nursery.start_soon(connection.wait_for_room)
        await wait_all_tasks_blocked()
        await end(peer)
    assert len(errors) == (asked + 2 if asked else 1)
    for error in errors:
        assert type(error) is kind
        assert str(error).startswith(why)
    assert len({*map(id, errors)}) == len(errors), "each gets an error of its own, which gathers its own traceback"
    with pytest.raises(kind):
        connection.send(lambda reply: None, "C")
    with pytest.raises(kind):
        connection.check()
    with pytest.raises(kind):
        await connection.call("C")
    connection.subscribe("SUBSCRIBE", "c")
    connection.send(errors.append, "C", sure=True)
    assert type(errors[-1]) is kind


async def test_cancelled_it_closes_the_stream_and_tells_who_waits():
    async with trio.open_nursery() as outer:
        near, far = memory_stream_pair()
        connection, peer = Connection(near, lambda push: None), Peer(far)
        calls = Calls(connection, outer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            calls.start("C")
            await peer.command()
            nursery.cancel_scope.cancel()
        assert await peer.is_closed()
    assert str(calls.replies["C",]) == "the connection to the engine is closed"


async def test_what_is_held_back_to_gather_more_is_told_of_the_end_as_well():
    got: list[Any] = []
    async with connected() as (connection, peer):

        def bring() -> None:
            connection.send(got.append, "HELD", sure=True)

        connection.before_write = bring
        await peer.stream.aclose()
        await wait_all_tasks_blocked()
    (error,) = got
    assert isinstance(error, EngineUnavailable)


async def test_a_failed_write_ends_it():
    near, _ = memory_stream_pair()
    connection = Connection(near, lambda push: None)

    async def fail() -> None:
        raise trio.BrokenResourceError from OSError(104, "Connection reset by peer")

    near.send_stream.send_all_hook = fail
    connection.send(lambda reply: None, "C")
    with pytest.raises(EngineUnavailable, match=r"broke: \[Errno 104\] Connection reset by peer"):
        await connection.run()


async def test_a_server_that_does_not_answer_in_time_is_given_up(autojump_clock):
    async with connected(patience=2.0) as (connection, _):
        await trio.sleep(100)  # nobody waits for anything: silence is no fault
        began = trio.current_time()
        with pytest.raises(EngineUnavailable, match="the engine did not answer within 2 s"):
            await connection.call("C")
        assert 2.0 <= trio.current_time() - began <= 2.2


async def test_a_server_that_answers_little_by_little_is_not_given_up(autojump_clock):
    async with connected(patience=2.0) as (connection, peer), trio.open_nursery() as nursery:
        calls = Calls(connection, nursery)
        for number in range(5):
            calls.start("C", number, key=number)
            await wait_all_tasks_blocked()
        for number in range(5):
            await trio.sleep(1.9)
            await peer.say(b":%d\r\n" % number)
    assert calls.replies == {number: number for number in range(5)}


async def test_who_stood_still_itself_reads_before_it_gives_up(mock_clock):
    """Both are due when this process goes on: the deadline, and the answer that lies in the socket."""
    async with connected(patience=2.0) as (connection, peer), trio.open_nursery() as nursery:
        calls = Calls(connection, nursery)
        calls.start("C")
        await peer.command()
        await wait_all_tasks_blocked()
        mock_clock.jump(10)
        await peer.say(b":1\r\n")
        await wait_all_tasks_blocked()
        mock_clock.jump(0.2)
        await wait_all_tasks_blocked()
        assert calls.replies == {("C",): 1}
        connection.check()
