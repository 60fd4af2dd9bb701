"""RESP: replies find who asked, whatever became of the others."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actorws.cluster.replies import Refused
from tests.support.resp import Calls, connected, push
from tests.support.wire import SECONDS


async def test_a_command_is_an_array_of_bytes_and_gets_its_reply():
    async with connected() as (connection, peer), trio.open_nursery() as nursery:
        calls = Calls(connection, nursery)
        calls.start("SET", b"\r\n", "\xe4", 5, key="set")
        assert await peer.command() == [b"SET", b"\r\n", "\xe4".encode(), b"5"]
        await peer.say(b"+OK\r\n")
    assert calls.replies == {"set": b"OK"}


async def test_replies_go_to_their_commands_in_order():
    async with connected() as (connection, peer), trio.open_nursery() as nursery:
        calls = Calls(connection, nursery)
        for number in range(10):
            calls.start("ECHO", number, key=number)
            await wait_all_tasks_blocked()
        assert [int(command[1]) for command in await peer.commands(10)] == list(range(10))
        await peer.say(b"".join(b":%d\r\n" % (number * 7) for number in range(10)))
    assert calls.replies == {number: number * 7 for number in range(10)}


async def test_who_was_cancelled_still_takes_its_reply_out_of_the_row():
    """For each subset of five commands cancelled while they wait, the others get their own replies."""
    for cancelled in range(2**5):
        async with connected() as (connection, peer), trio.open_nursery() as nursery:
            calls = Calls(connection, nursery)
            scopes = []
            for number in range(5):
                scopes.append(calls.start("ECHO", number, key=number))
                await wait_all_tasks_blocked()
            await peer.commands(5)
            for number, scope in enumerate(scopes):
                if cancelled & 1 << number:
                    scope.cancel()
            await wait_all_tasks_blocked()
            await peer.say(b"".join(b":%d\r\n" % number for number in range(5)))
        assert calls.replies == {number: number for number in range(5) if not cancelled & 1 << number}


@pytest.mark.parametrize("turns", range(12))
async def test_cancelled_at_any_moment_a_call_disturbs_nobody(turns):
    """The moment is counted in turns of the scheduler; the reply comes meanwhile."""
    async with connected() as (connection, peer), trio.open_nursery() as nursery:
        calls = Calls(connection, nursery)
        scope = calls.start("ECHO", "victim", key="victim")

        async def serve() -> None:
            while True:
                command = await peer.command()
                await peer.say(b"$%d\r\n%b\r\n" % (len(command[1]), command[1]))

        nursery.start_soon(serve)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        scope.cancel()
        with trio.fail_after(SECONDS):
            assert [await connection.call("ECHO", text) for text in ("a", "b")] == [b"a", b"b"]
        assert calls.replies.get("victim", b"victim") == b"victim"
        nursery.cancel_scope.cancel()


async def test_pushes_in_between_are_no_replies():
    pushes: list[Any] = []
    async with connected(pushes.append) as (connection, peer), trio.open_nursery() as nursery:
        calls = Calls(connection, nursery)
        calls.start("A")
        await peer.command()
        await peer.say(push(b"message", b"c", b"one") + b":1\r\n" + push(b"subscribe", b"c", 1))
    assert (pushes, calls.replies) == ([[b"message", b"c", b"one"], [b"subscribe", b"c", 1]], {("A",): 1})


@given(st.lists(st.integers(1, 9), max_size=30))
def test_every_chunking_of_what_comes_gives_the_same(sizes):
    said = (
        b"+OK\r\n" + push(b"message", b"c", b"\r\n$5") + b"$-1\r\n" + b"*2\r\n:1\r\n-ERR x\r\n" + b"%1\r\n+a\r\n:2\r\n"
    )
    pushes: list[Any] = []

    async def main() -> dict[Any, Any]:
        async with connected(pushes.append) as (connection, peer), trio.open_nursery() as nursery:
            calls = Calls(connection, nursery)
            for number in range(4):
                calls.start("C", number, key=number)
                await wait_all_tasks_blocked()
            rest = said
            for size in [*sizes, len(said)]:
                await peer.say(rest[:size])
                rest = rest[size:]
        return calls.replies

    replies = trio.run(main)
    assert pushes == [[b"message", b"c", b"\r\n$5"]]
    assert (replies[0], replies[1], replies[3]) == (b"OK", None, {b"a": 2})
    assert replies[2][0] == 1
    assert str(replies[2][1]) == "the engine refuses: ERR x"


async def test_an_error_reply_is_raised_in_who_asked():
    async with connected() as (connection, peer), trio.open_nursery() as nursery:
        calls = Calls(connection, nursery)
        calls.start("A")
        calls.start("B")
        await peer.commands(2)
        await peer.say(b"-NOPERM no\r\n:2\r\n")
        await wait_all_tasks_blocked()
    (error,) = [reply for reply in calls.replies.values() if reply != 2]
    assert isinstance(error, Refused)
    assert (error.code, error.reply, str(error)) == ("NOPERM", "NOPERM no", "the engine refuses: NOPERM no")


async def test_what_is_sent_in_one_tick_leaves_in_one_write():
    async with connected() as (connection, peer):
        for number in range(100):
            connection.send(lambda reply: None, "C", number)
        await wait_all_tasks_blocked()
        await peer.commands(100)
        assert peer.reads == 1
