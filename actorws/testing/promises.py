"""Promises: those of ``actorws.cluster.engine`` that engines can be held to, one after the other.

Rule owned here: each has a sentence of its own, which is all that the author of an engine that breaks it gets to read.
Must not know any engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from actorws.cluster.engine import Engine, Kind, Place
from actorws.exceptions import EngineUnavailable, NameTaken
from actorws.testing.recorder import PATIENCE, Recorder

__all__ = [
    "alone",
    "end_of_another",
    "groups",
    "link",
    "names",
    "names_of_two",
    "nodes",
    "order",
    "own_end",
    "payloads",
]

#: Messages whose order is looked at.
MANY = 300
#: As long as messages between actors may be by default.
LONG = 1024 * 1024
KINDS: tuple[Kind, ...] = ("message", "text", "binary", "close")


async def refuses(promise: str, error: type[Exception], call: Awaitable[Any]) -> None:
    """``call`` has to raise ``error``."""
    try:
        await call
    except error:
        return
    raise AssertionError(promise)


async def gets(promise: str, call: Awaitable[int]) -> int:
    """``call`` has to register a name."""
    try:
        return await call
    except NameTaken:
        raise AssertionError(promise) from None


async def becomes_free(promise: str, engine: Engine, name: str) -> None:
    """``name`` can be had, now or soon."""
    with trio.move_on_after(PATIENCE):
        while True:
            try:
                await engine.register(name, 77)
                engine.release(name, 77)
                return
            except NameTaken:
                await trio.sleep(0.01)
    raise AssertionError(promise)


# A node


async def names(engine: Engine) -> None:
    fence = await engine.register("a", 1)
    assert await engine.register("a", 1) == fence, "registering again must give the same fence"
    assert engine.fence("a") == fence, "fence() must be what register() gave"
    await refuses("a name was given to two actors of one node", NameTaken, engine.register("a", 2))
    taken_over = await engine.register("a", 2, takeover=True)
    assert taken_over > fence, "the fence must rise when a name is taken over on its node"
    engine.release("a", 1)
    assert engine.fence("a") == taken_over, "a former owner's release must not take the name from the new one"
    engine.release("a", 2)
    assert engine.fence("a") is None, "fence() of a name that was given back must be None"
    again = await gets("a name that was given back is still taken on its node", engine.register("a", 3))
    assert again > taken_over, "the fence must rise with each new owner, also after a release"
    engine.release("a", 3)


async def alone(engine: Engine, node: Recorder) -> None:
    """What holds whether or not there are others."""
    assert not await engine.send("nobody's", b""), "send() to a name that nobody has must be False"
    assert await engine.locate("nobody's") is None, "locate() of a name that nobody has must be None"
    await engine.register("mine", 7)
    assert await engine.locate("mine") == Place(engine.node_id, 7), "locate() must find this node's own actors"
    engine.release("mine", 7)
    await engine.join("g")
    assert await engine.publish("g", "message", b"x") == 0, "publish() must be 0 where only this node has members"
    answers = await engine.ask("g", b"?", 1.0)
    assert answers.payloads == () and not answers.missing, "ask() must not ask this node"
    engine.leave("g")
    with trio.CancelScope() as scope:
        scope.cancel()
        await engine.register("cancelled", 8)
    assert engine.fence("cancelled") is None, "a cancelled register() must not keep the name"
    assert [info.id for info in engine.nodes()][:1] == [engine.node_id], "nodes() must begin with this node"
    assert engine.lease_ends > trio.current_time(), "lease_ends must be in the future while the engine is reached"
    await engine.register("kept", 9)
    engine.check_lease()
    assert engine.fence("kept") is not None, "check_lease() must do nothing before the lease has ended"
    engine.release("kept", 9)
    told = [what for what in node.told if what[0] != "joined"]
    assert not told, f"a node must not be told of what it does itself; it was told {told[0]!r}"


# Two nodes


async def names_of_two(engine: Engine, node: Recorder, other: Engine, other_node: Recorder) -> None:
    fence = await engine.register("b", 1)
    await refuses("a name was given to actors of two nodes", NameTaken, other.register("b", 9))
    assert await other.send("b", b"hello"), "send() to a name that another node has must be True"
    await node.hears("what send() sends must be delivered", "name", "b", b"hello")
    other.send_nowait("b", b"again")
    await node.hears("what send_nowait() sends must be delivered", "name", "b", b"again")
    place = await other.locate("b")
    assert place == Place(engine.node_id, 1), "locate() must find the actors of other nodes"
    assert await other.send_to(place, b"direct"), "send_to() a node that runs must be True"
    await node.hears("what send_to() sends must be delivered", "place", 1, b"direct")
    other.send_to_nowait(place, b"direct, too")
    await node.hears("what send_to_nowait() sends must be delivered", "place", 1, b"direct, too")
    assert not await other.send_to(Place("nowhere", 1), b""), "send_to() a node that there is not must be False"
    higher = await gets("takeover=True must take the name over", other.register("b", 9, takeover=True))
    assert higher > fence, "the fence must rise when another node takes a name over"
    await node.hears("who loses a name to another node must be told", "lost", "b", 1, "taken")
    assert engine.fence("b") is None, "fence() of a name that another node took over must be None"
    engine.release("b", 1)
    assert await engine.send("b", b"to the new one"), "the release of who has lost a name must not free it"
    await other_node.hears("what is sent must go to who took the name over", "name", "b", b"to the new one")
    other.release("b", 9)
    await becomes_free("a name that was given back must be free for other nodes", engine, "b")
    await becomes_free("a cancelled register() must give back what it got", other, "cancelled")


async def groups(engine: Engine, node: Recorder, other: Engine, other_node: Recorder) -> None:
    assert await engine.publish("h", "message", b"0") == 0, "publish() to a group without members must be 0"
    await other.join("h")
    for kind in KINDS:
        count = await engine.publish("h", kind, b"1")
        assert count == 1, f"join() has returned, so publish() must reach 1 other node; it says {count}"
        await other_node.hears("what publish() sends must be delivered", "group", "h", kind, b"1")
    await engine.join("h")
    assert await engine.publish("h", "message", b"2") == 1, "publish() must not count this node beside others"
    engine.publish_nowait("h", "message", b"3")
    await other_node.hears("what publish_nowait() sends must be delivered", "group", "h", "message", b"3")
    answers = await engine.ask("h", b"all", PATIENCE)
    assert answers.payloads == (b"to all",), f"ask() must bring the answer of each other node; it got {answers!r}"
    assert not answers.missing, f"ask() must count nobody as missing who has answered; it got {answers!r}"
    assert not [what for what in node.told if what[0] == "group"], "what a node publishes must not come back to it"
    engine.leave("h")
    other.leave("h")
    other.join_nowait("later")
    with trio.move_on_after(PATIENCE) as scope:
        while not await engine.publish("later", "message", b"4"):
            await trio.sleep(0.01)
    assert not scope.cancelled_caught, "join_nowait() must join"
    other.leave("later")


async def payloads(engine: Engine, other: Engine, other_node: Recorder) -> None:
    for payload in (b"", bytes(range(256)), b"\xff" * LONG):
        assert await engine.send_to(Place(other.node_id, 3), payload), "send_to() must take payloads up to 1 MiB"
        await other_node.hears("a payload must arrive as it was", "place", 3, payload)
    for name in ("", " \r\n\0", "*", "\xe4\U0001f600", "x" * 255):
        await other.join(name)
        await engine.publish(name, "text", b"any")
        await other_node.hears("a group may be called like anything", "group", name, "text", b"any")
        other.leave(name)
        await other.register(name, 4)
        await engine.send(name, b"any")
        await other_node.hears("an actor may be called like anything", "name", name, b"any")
        other.release(name, 4)


async def order(engine: Engine, other: Engine, other_node: Recorder) -> None:
    await other.register("ordered", 5)
    await other.join("i")
    await other.join("j")
    ways: list[Callable[[bytes], Any]] = [
        lambda payload: engine.publish_nowait("i", "message", payload),
        lambda payload: engine.send("ordered", payload),
        lambda payload: engine.publish_nowait("j", "text", payload),
        lambda payload: engine.send_to_nowait(Place(other.node_id, 5), payload),
        lambda payload: engine.send_nowait("ordered", payload),
        lambda payload: engine.send_to(Place(other.node_id, 5), payload),
        lambda payload: engine.publish("i", "binary", payload),
    ]
    before = len(other_node.told)
    for number in range(MANY):
        sending = ways[number % len(ways)](b"%d" % number)
        if sending is not None:
            await sending
    await other_node.until("nothing may be lost while the link is up", lambda: len(other_node.told) >= before + MANY)
    numbers = [int(what[-1]) for what in other_node.told[before:]]
    assert len(numbers) == len(set(numbers)), "nothing may be delivered twice"
    assert numbers == sorted(numbers), "what one node sends to another must arrive in the order of the calls"
    other.release("ordered", 5)


async def nodes(engine: Engine, node: Recorder, other: Engine, other_node: Recorder) -> None:
    await node.hears("a node must be told of one that comes after it", "joined", other.node_id)
    await other_node.hears("a node must be told of those that are there already", "joined", engine.node_id)
    for which, both in ((engine, [engine, other]), (other, [other, engine])):
        found = [info.id for info in which.nodes()]
        assert found == [one.node_id for one in both], f"nodes() must be this node and the others; it is {found!r}"


# A link that is lost


async def link(engine: Engine, node: Recorder, other: Engine, lose: Callable[[Engine], Awaitable[None]]) -> None:
    """``engine`` loses it, while ``other`` goes on publishing."""
    fence = await engine.register("through it all", 6)
    await engine.join("k")
    number = 0

    async def publish_until(condition: Callable[[], bool]) -> None:
        nonlocal number
        with trio.move_on_after(PATIENCE):
            while not condition():
                number += 1
                await other.publish("k", "message", b"%d" % number)
                await trio.sleep(0.005)

    def gaps() -> list[int]:
        return [at for at, what in enumerate(node.told) if what[0] == "gap"]

    await publish_until(lambda: number == 10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lose, engine)
        await publish_until(lambda: bool(gaps()))
    assert gaps(), "a loss of the link must be told as a gap"
    gap = node.told[gaps()[0]][1]
    assert gap.seconds >= 0 and gap.reason, f"a gap must say for how long and why; it is {gap!r}"
    before = number
    await publish_until(lambda: any(int(what[-1]) > before for what in heard(node, "k")))
    numbers = [int(what[-1]) for what in heard(node, "k")]
    assert numbers and numbers[-1] > before, "memberships must come back with the link"
    assert numbers == sorted(set(numbers)), "after a loss of the link, nothing may come twice or out of order"
    first = [int(what[-1]) for what in node.told[: gaps()[0]] if what[:2] == ("group", "k")]
    assert first == list(range(1, len(first) + 1)), "what is missing must not be missing before the gap is told"
    assert engine.fence("through it all") == fence, "a name must outlive a short loss of the link"
    assert await other.send("through it all", b"still?"), "others must find a name that outlived a loss of the link"
    engine.leave("k")
    engine.release("through it all", 6)


def heard(node: Recorder, group: str) -> list[tuple[Any, ...]]:
    """What has come through ``group``."""
    return [what for what in node.told if what[:2] == ("group", group)]


# The end


async def end_of_another(engine: Engine, node: Recorder, other: Engine) -> None:
    """``other`` has ended in order; it had "goes with it" and was in "left"."""
    await node.hears("a node must be told when another one ends", "left", other.node_id)
    assert [info.id for info in engine.nodes()] == [engine.node_id], "nodes() must not show a node that has ended"
    await gets("the names of a node that ended in order must be free at once", engine.register("goes with it", 1))
    assert await engine.publish("left", "message", b"") == 0, "a node that has ended must not be a member any more"
    assert engine.fence("left behind") is not None, "the end of one node must not cost another its names"


async def own_end(engine: Engine) -> None:
    """``engine`` has ended."""
    assert engine.lease_ends <= trio.current_time(), "lease_ends must not be in the future when the engine has ended"
    await refuses(
        "after its end, publish() must raise EngineUnavailable",
        EngineUnavailable,
        engine.publish("left", "message", b""),
    )
    await refuses(
        "after its end, register() must raise EngineUnavailable", EngineUnavailable, engine.register("too late", 1)
    )
    engine.release("goes with it", 2)
    engine.leave("left")
