"""Servers that don't keep to ``actorws.v1``: the wire ends with 1002, and nothing hangs."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actorws import Close, Error, Remote
from actorws import events as e
from actorws.exceptions import ConnectError, ConnectTimeout, NotWebsocket, Unreachable
from tests.support.outbound_sessions import Scripted, greeting, open_outbound, scripted, talk
from tests.support.session_client import control

GOOD = greeting()


async def good(wire: Scripted) -> None:
    await talk(wire, GOOD, Close(1001))


async def hang(wire: Scripted) -> None:
    await trio.sleep_forever()


bad_greetings = pytest.mark.parametrize(
    "said",
    [
        "a message",
        "",
        "\0\0a message",
        "\0",
        "\0{",
        "\0" + "[" * 2000,
        "\0" + " " * 2048 + GOOD[1:],
        control(ack=0),
        control(pong=1),
        control(new=True),
        greeting(received=True),
        greeting(received=-1),
        greeting(received=1 << 54),
        greeting(resumed="yes"),
        greeting(more=1),
        greeting(lost=1),
        greeting(subprotocol=1),
        greeting(subprotocol="not-offered"),
        greeting(7),  # type: ignore[arg-type]
        greeting(""),
        greeting("a.b.c"),
        greeting("../..?a=1.1.x"),
        greeting("n" * 65 + ".1.x"),
        greeting("nöde.1.x"),
    ],
)


@bad_greetings
@pytest.mark.parametrize("is_new", [True, False])
async def test_what_is_no_greeting_ends_the_wire(said: str, is_new: bool, autojump_clock: Any) -> None:
    codes: list[Any] = []

    async def bad(wire: Scripted) -> None:
        await talk(wire, said)
        codes.append(await wire.closed())

    async with open_outbound() as world, trio.open_nursery() as nursery:
        if is_new:
            with pytest.raises(NotWebsocket, match=r"keep to actorws\.v1"):
                await world.connect(open_stream=scripted(nursery, bad))
        else:
            await world.connect(open_stream=scripted(nursery, good, bad, hang))
            await world.until(lambda: world.ours.now.reasons)
            assert [type(reason) for reason in world.ours.now.reasons] == [Error]
        await world.until(lambda: codes)
        assert [code for code, _ in codes] == [1002]
        assert len(world.told(e.ProtocolViolated)) == 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "said",
    [
        greeting(resumed=True, received=2),  # one was sent
        greeting("node.1.other", resumed=True),
        greeting("node.01.secret", resumed=True),
    ],
)
async def test_a_session_that_goes_on_is_the_one_that_was_asked_for(said: str, autojump_clock: Any) -> None:
    codes: list[Any] = []

    async def bad(wire: Scripted) -> None:
        await talk(wire, said)
        codes.append(await wire.closed())

    async with open_outbound() as world, trio.open_nursery() as nursery:
        await world.connect(open_stream=scripted(nursery, good, bad, hang))
        await world.until(lambda: codes and world.ours.now.reasons)
        assert codes[0][0] == 1002
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "frames",
    [
        [GOOD],
        [control(ack=2)],
        [control(ack=1), control(ack=0)],
        [control(pong=1)],
        [control(new=True)],
        ["\0x"],
        ["\0"],
    ],
)
async def test_a_violation_later_ends_the_actor_and_what_came_before_is_handled(
    frames: list[str], autojump_clock: Any
) -> None:
    codes: list[Any] = []

    async def bad(wire: Scripted) -> None:
        await talk(wire, GOOD)
        assert await wire.hear() == "hello"
        await wire.say("before", *frames, "behind")
        codes.append(await wire.closed())

    async with open_outbound() as world, trio.open_nursery() as nursery:
        await world.connect(open_stream=scripted(nursery, bad, hang))
        await world.until(lambda: codes and world.ours.now.reasons)
        assert codes[0][0] == 1002
        assert world.ours.now.heard == ["before"] and type(world.ours.now.reasons[0]) is Error
        nursery.cancel_scope.cancel()


async def test_one_behind_the_greeting_counts_as_well(autojump_clock: Any) -> None:
    async def bad(wire: Scripted) -> None:
        await talk(wire, GOOD, "one", control(ack=7))

    async with open_outbound() as world, trio.open_nursery() as nursery:
        await world.connect(open_stream=scripted(nursery, bad, hang))
        await world.until(lambda: world.ours.now.reasons)
        assert world.ours.now.heard == ["one"]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_greeting_has_its_time(is_new: bool, autojump_clock: Any) -> None:
    codes: list[Any] = []

    async def silent(wire: Scripted) -> None:
        await wire.accept()
        await wire.hear()
        began = trio.current_time()
        codes.append(await wire.closed())
        assert trio.current_time() - began == pytest.approx(3, abs=0.1)

    async with open_outbound() as world, trio.open_nursery() as nursery:
        options = {"handshake_timeout": 3, "restart": "temporary" if is_new else "transient"}
        if is_new:
            with pytest.raises(ConnectTimeout, match="greeting did not come after 3 s"):
                await world.connect(open_stream=scripted(nursery, silent), **options)
        else:
            back = greeting(resumed=True, received=0)
            await world.connect(open_stream=scripted(nursery, good, silent, lambda wire: talk(wire, back)), **options)
            await world.until(lambda: world.told(e.SessionResumed))
            assert len(world.ours.lives) == 1
        await world.until(lambda: codes)
        assert codes[0][0] == 1002


@pytest.mark.parametrize(
    ("code", "error", "is_final"), [(1001, Unreachable, False), (1013, Unreachable, False), (1008, ConnectError, True)]
)
async def test_a_close_instead_of_the_first_greeting_is_an_error(
    code: int, error: Any, is_final: bool, autojump_clock: Any
) -> None:
    async def closes(wire: Scripted) -> None:
        await talk(wire, Close(code, "why"))

    async with open_outbound() as world, trio.open_nursery() as nursery:
        with pytest.raises(error, match="why") as caught:
            await world.connect(open_stream=scripted(nursery, closes), restart="temporary")
        assert caught.value.is_final is is_final and world.ours.lives == []


@pytest.mark.parametrize("code", [1001, 1012, 1013])
async def test_a_server_that_has_no_time_for_a_greeting_is_asked_again(code: int, autojump_clock: Any) -> None:
    async def closes(wire: Scripted) -> None:
        await talk(wire, Close(code))

    async def cuts(wire: Scripted) -> None:
        await wire.accept()
        await wire.stream.aclose()

    async with open_outbound() as world, trio.open_nursery() as nursery:
        back = greeting(resumed=True, received=0)
        await world.connect(open_stream=scripted(nursery, good, closes, cuts, lambda wire: talk(wire, back, "back")))
        await world.until(lambda: world.ours.now.heard == ["back"])
        assert len(world.ours.lives) == 1


@pytest.mark.parametrize("code", [1000, 1008, 4500])
async def test_any_other_close_instead_of_a_greeting_is_the_end_of_the_session(code: int, autojump_clock: Any) -> None:
    async def closes(wire: Scripted) -> None:
        await talk(wire, Close(code, "why"))

    async with open_outbound() as world, trio.open_nursery() as nursery:
        connector = await world.connect(open_stream=scripted(nursery, good, closes, hang))
        await world.until(lambda: world.ours.now.reasons == [Remote(code, "why")])
        if code != 1008:
            assert await connector.wait_ended() == Remote(code, "why")
        nursery.cancel_scope.cancel()


async def test_a_close_right_behind_the_greeting_and_messages_comes_after_them(autojump_clock: Any) -> None:
    async def hasty(wire: Scripted) -> None:
        await talk(wire, GOOD, "one", "\0\0two", Close(4001, "bye"))

    async with open_outbound() as world, trio.open_nursery() as nursery:
        await world.connect(open_stream=scripted(nursery, hasty, hang))
        await world.until(lambda: world.ours.now.reasons)
        assert world.ours.now.heard == ["one", "\0two"] and world.ours.now.reasons == [Remote(4001, "bye")]
        nursery.cancel_scope.cancel()


async def test_a_server_that_reads_nothing_has_no_acknowledgements_piled_up_for_it(autojump_clock: Any) -> None:
    """They are what it can make us say without an end."""

    async def floods(wire: Scripted) -> None:
        await talk(wire, GOOD)
        await wire.hear()
        for _ in range(20):
            await wire.say(*["x"] * 1000)
            await trio.sleep(1)

    async with open_outbound() as world, trio.open_nursery() as nursery:
        connector = await world.connect(
            open_stream=scripted(nursery, floods), high_water_mark=4096, session_buffer_bytes=1 << 26
        )
        world.ours.now.say(*["x" * 10_000] * 100)
        await world.until(lambda: len(world.ours.now.heard) > 1000)
        session: Any = connector.conn._actor.transport  # type: ignore[union-attr]
        before = session.carrier.buffered
        await world.until(lambda: len(world.ours.now.heard) == 20_000)
        assert before > 0 and session.carrier.buffered <= before + 1000
        nursery.cancel_scope.cancel()
