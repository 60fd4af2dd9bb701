"""Publishing: what follows each other to one group shares an envelope; the order of the calls holds in any case."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actorws.cluster.envelope import Group, unpack
from actorws.cluster.publisher import MAX_BYTES, MAX_CALLS, MAX_PAYLOADS, Publisher
from actorws.exceptions import EngineUnavailable
from tests.support.resp import Peer, connected

MESSAGE = 0


def groups(commands: list[list[bytes]]) -> list[tuple[bytes, list[bytes]]]:
    """The channels and payloads of what was published; other commands as they are."""
    found: list[Any] = []
    for command in commands:
        if command[0] == b"PUBLISH":
            source, body = unpack(command[2])
            assert source == "me"
            assert isinstance(body, Group)
            found.append((command[1], body.payloads))
        else:
            found.append(command)
    return found


async def sent(peer: Peer, end: bytes = b"END") -> list[list[bytes]]:
    """What the server gets, up to a command of the test."""
    commands: list[list[bytes]] = []
    while (command := await peer.command()) != [end]:
        commands.append(command)
    return commands


def ignore(reply: Any) -> None:
    pass


async def test_payloads_of_one_tick_for_one_group_share_an_envelope_and_a_write():
    async with connected() as (connection, peer):
        publisher = Publisher(connection, "p:", "me")
        for number in range(5):
            publisher.publish("g", MESSAGE, b"%d" % number)
        await wait_all_tasks_blocked()
        publisher.publish("g", MESSAGE, b"next tick")
        publisher.send(ignore, "END")
        commands = await sent(peer)
    assert groups(commands) == [(b"p:g:g", [b"0", b"1", b"2", b"3", b"4"]), (b"p:g:g", [b"next tick"])]


async def test_what_is_sent_in_between_begins_a_new_envelope():
    async with connected() as (connection, peer):
        publisher = Publisher(connection, "p:", "me")
        publisher.publish("a", MESSAGE, b"1")
        publisher.publish("b", MESSAGE, b"2")
        publisher.publish("a", MESSAGE, b"3")
        publisher.send(ignore, "COMMAND")
        publisher.publish("a", MESSAGE, b"4")
        publisher.send(ignore, "END")
        commands = await sent(peer)
    assert groups(commands) == [
        (b"p:g:a", [b"1"]),
        (b"p:g:b", [b"2"]),
        (b"p:g:a", [b"3"]),
        [b"COMMAND"],
        (b"p:g:a", [b"4"]),
    ]


@given(st.lists(st.sampled_from(["a", "b", "command", "together", "tick"]), max_size=40))
def test_the_order_of_the_calls_holds(calls):
    async def main() -> list[Any]:
        async with connected() as (connection, peer):
            publisher = Publisher(connection, "", "me")
            for number, call in enumerate(calls):
                if call == "tick":
                    await wait_all_tasks_blocked()
                elif call == "command":
                    publisher.send(ignore, "COMMAND", number)
                elif call == "together":
                    publisher.send_together(ignore, ("TOGETHER",), number)
                else:
                    publisher.publish(call, MESSAGE, b"%d" % number)
            publisher.send(ignore, "END")
            return groups(await sent(peer))

    arrived: list[Any] = []
    for what in trio.run(main):
        if isinstance(what, tuple):
            arrived += [(what[0].decode().removeprefix("g:"), int(payload)) for payload in what[1]]
        else:
            arrived += [(what[0].decode().lower(), int(number)) for number in what[1:]]
    assert arrived == [(call, number) for number, call in enumerate(calls) if call != "tick"]


async def test_calls_of_one_script_share_a_command_and_each_gets_its_reply():
    replies: list[Any] = []
    async with connected() as (connection, peer), trio.open_nursery() as nursery:
        publisher = Publisher(connection, "", "me")

        async def call(*command: Any) -> None:
            replies.append(await publisher.call_together(("RUN", "it"), *command))

        nursery.start_soon(call, "a", 1)
        await wait_all_tasks_blocked()
        assert await peer.command() == [b"RUN", b"it", b"a", b"1"]
        for number in (2, 3):
            publisher.send_together(replies.append, ("RUN", "it"), "b", number)
        publisher.publish("g", MESSAGE, b"")
        publisher.send_together(replies.append, ("RUN", "it"), "c", 4)
        publisher.send_together(replies.append, ("RUN", "another"), "d", 5)
        publisher.send(ignore, "END")
        together, (channel, _), *others = groups(await sent(peer))
        assert (together, channel) == ([b"RUN", b"it", b"b", b"2", b"b", b"3"], b"g:g")
        assert others == [[b"RUN", b"it", b"c", b"4"], [b"RUN", b"another", b"d", b"5"]]
        await peer.say(b"*1\r\n:10\r\n" + b"*2\r\n:20\r\n:30\r\n" + b":0\r\n" + b":7\r\n" + b"-NO\r\n")
        await wait_all_tasks_blocked()
    *those, for_all, refused, first = replies
    assert (first, those, for_all) == (10, [20, 30], 7)
    assert isinstance(refused, EngineUnavailable)


async def test_calls_that_share_a_command_are_bounded():
    async with connected() as (connection, peer):
        publisher = Publisher(connection, "", "me")
        for _ in range(2 * MAX_CALLS + 1):
            publisher.send_together(ignore, ("RUN",), "x")
        publisher.send(ignore, "END")
        assert [len(command) - 1 for command in await sent(peer)] == [MAX_CALLS, MAX_CALLS, 1]


async def test_an_envelope_is_bounded():
    async with connected(max_output=10 * MAX_BYTES) as (connection, peer):
        publisher = Publisher(connection, "", "me")
        for _ in range(2 * MAX_PAYLOADS):
            publisher.publish("many", MESSAGE, b"")
        for _ in range(4):
            publisher.publish("big", MESSAGE, bytes(MAX_BYTES // 2))
        publisher.send(ignore, "END")
        sizes = [(channel, len(payloads)) for channel, payloads in groups(await sent(peer))]
    assert sizes == [(b"g:many", MAX_PAYLOADS)] * 2 + [(b"g:big", 2)] * 2


async def test_everyone_in_an_envelope_hears_how_many_it_went_to():
    replies: list[Any] = []
    async with connected() as (connection, peer):
        publisher = Publisher(connection, "", "me")
        for _ in range(3):
            publisher.publish("g", MESSAGE, b"", replies.append)
        publisher.publish("g", MESSAGE, b"")
        await peer.command()
        await peer.say(b":7\r\n")
        await wait_all_tasks_blocked()
    assert replies == [7, 7, 7]


async def test_what_no_write_has_taken_yet_is_told_of_the_end():
    """It was accepted, and the connection went over in the same tick."""
    replies: list[Any] = []
    async with connected() as (connection, _):
        publisher = Publisher(connection, "", "me")
        publisher.publish("g", MESSAGE, b"", replies.append)
        connection._over(EngineUnavailable("gone"))
        with pytest.raises(EngineUnavailable, match="gone"):
            publisher.publish("g", MESSAGE, b"", replies.append)
        with pytest.raises(EngineUnavailable, match="gone"):
            publisher.publish("g", MESSAGE, b"", replies.append, sure=True)
    assert [str(reply) for reply in replies] == ["gone"]


async def test_a_new_envelope_needs_room_before_the_old_one_is_closed():
    """Closing it takes the last place; who publishes now has been let in all the same."""
    async with connected(max_in_flight=2) as (connection, peer):
        publisher = Publisher(connection, "", "me")
        publisher.send(ignore, "FIRST")
        publisher.publish("a", MESSAGE, b"1")
        publisher.publish("b", MESSAGE, b"2")
        publisher.publish("b", MESSAGE, b"3")
        with pytest.raises(trio.WouldBlock):
            publisher.publish("c", MESSAGE, b"4")
        with pytest.raises(trio.WouldBlock):
            publisher.send(ignore, "SECOND")
        assert groups(await peer.commands(3)) == [[b"FIRST"], (b"g:a", [b"1"]), (b"g:b", [b"2", b"3"])]


async def test_a_call_goes_behind_everything_that_was_published():
    async with connected() as (connection, peer), trio.open_nursery() as nursery:
        publisher = Publisher(connection, "", "me")
        publisher.publish("g", MESSAGE, b"1")
        nursery.start_soon(publisher.call, "COMMAND")
        assert groups(await peer.commands(2)) == [(b"g:g", [b"1"]), [b"COMMAND"]]
        await peer.say(b":1\r\n:1\r\n")
