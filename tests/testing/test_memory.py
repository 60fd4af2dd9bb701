"""The memory streams behave as TCP does."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actorws.testing.memory import memory_streams


@pytest.mark.parametrize("method", ["receive_some", "send_all"])
async def test_closing_an_end_wakes_what_waits_on_it(method):
    one, _other = memory_streams(1)
    await one.send_all(b"x")
    arguments = (b"y",) if method == "send_all" else ()
    async with trio.open_nursery() as nursery:

        async def wait():
            with pytest.raises(trio.ClosedResourceError):
                await getattr(one, method)(*arguments)

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await one.aclose()


async def test_waiting_for_room():
    one, other = memory_streams(1)
    await one.wait_send_all_might_not_block()
    await one.send_all(b"x")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(one.wait_send_all_might_not_block)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        assert await other.receive_some() == b"x"


async def test_a_direction_holds_its_capacity_and_then_the_sender_waits(autojump_clock):
    one, other = memory_streams(10)
    await one.send_all(b"0123456789")
    with trio.move_on_after(1) as scope:
        await one.send_all(b"abc")
    assert scope.cancelled_caught
    assert await other.receive_some(4) == b"0123"
    await one.send_all(b"ABC")
    assert await other.receive_some() == b"456789ABC"


async def test_a_cancelled_send_has_sent_a_part(autojump_clock):
    one, other = memory_streams(10)
    with trio.move_on_after(1):
        await one.send_all(b"0123456789abc")
    assert await other.receive_some() == b"0123456789"


async def test_a_close_leaves_what_was_sent():
    one, other = memory_streams()
    await one.send_all(b"last words")
    await one.aclose()
    assert await other.receive_some() == b"last words"
    assert await other.receive_some() == b""
    with pytest.raises(trio.BrokenResourceError):
        await other.send_all(b"x")


async def test_a_reset_takes_everything_with_it():
    one, other = memory_streams()
    await one.send_all(b"lost")
    one.reset()
    with pytest.raises(trio.BrokenResourceError):
        await other.receive_some()
    with pytest.raises(trio.ClosedResourceError):
        await one.receive_some()


async def test_the_directions_are_independent():
    one, other = memory_streams()
    await one.send_eof()
    assert await other.receive_some() == b""
    await other.send_all(b"still")
    assert await one.receive_some() == b"still"
    with pytest.raises(trio.ClosedResourceError):
        await one.send_all(b"x")


async def test_a_closed_end_says_so_whatever_is_asked_of_it():
    one, other = memory_streams()
    await one.aclose()
    await one.aclose()
    for call in (one.send_eof, one.receive_some, lambda: one.send_all(b"x")):
        with pytest.raises(trio.ClosedResourceError):
            await call()
    await one.wait_send_all_might_not_block()
    assert await other.receive_some() == b""
