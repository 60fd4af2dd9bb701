"""A stream of numbers through a group while subscriptions are cut: what is missing is covered by a gap."""

from __future__ import annotations

from itertools import pairwise

import trio

from actorws.exceptions import EngineUnavailable
from tests.support.nodes import QUICK, Recorder, running

KILLS = 5


def uncovered(told):
    """The holes without a gap, and what came twice or too late: pairs of what came and what had come before."""
    found, last, covered = [], -1, False
    for call, *arguments in told:
        if call == "gap":
            covered = True
        if call == "deliver_group":
            number = int(arguments[-1])
            if number <= last or (number > last + 1 and not covered):
                found.append((number, last))
            last, covered = number, False
    return found


def holes(told):
    return uncovered([what for what in told if what[0] != "gap"])


def number(value):
    return "deliver_group", "g", "message", b"%d" % value


def test_the_check_finds_what_must_not_be():
    gap = ("gap", None)
    assert uncovered([number(0), number(1), gap, number(5), number(6)]) == []
    assert uncovered([number(0), number(2)]) == [(2, 0)]
    assert uncovered([number(0), gap, number(2), number(4)]) == [(4, 2)]
    assert uncovered([number(0), number(1), gap, number(1)]) == [(1, 1)]
    assert uncovered([number(0), number(2), gap]) == [(2, 0)], "a gap that is told too late"


async def stream(engine, node):
    """Publish numbers; what the engine takes is written down between what ``node`` is told."""
    count = 0
    while True:
        try:
            engine.publish_nowait("g", "message", b"%d" % count)
            node.told.append(("sent", count))
            count += 1
        except (EngineUnavailable, trio.WouldBlock):
            pass
        await trio.sleep(0.001)


async def heard_more(node: Recorder) -> None:
    await node.seen("deliver_group", len(node.all("deliver_group")) + 20)


async def test_every_hole_is_covered_by_a_gap(new_server):
    """The operator kills connections of the node that listens, again and again."""
    async with trio.open_nursery() as nursery:
        for subscribed, count in (True, 1), (False, 1), (None, 2):
            nursery.start_soon(kill, await new_server(), subscribed, count)


async def kill(server, subscribed, count):
    async with (
        running(server.url) as (a, at_a),
        running(server.url, timings=QUICK) as (b, node),
        trio.open_nursery() as nursery,
    ):
        await b.join("g")
        nursery.start_soon(stream, a, at_a)
        for kill in range(1, KILLS + 1):
            await heard_more(node)
            assert server.kill_clients(node=b.node_id, subscribed=subscribed) == count
            await node.seen("gap", kill)
        await heard_more(node)
        nursery.cancel_scope.cancel()
    assert len(node.all("gap")) == KILLS
    assert uncovered(node.told) == []
    assert len(holes(node.told)) == KILLS, "something was missing each time, so there was something to cover"


async def test_what_is_lost_with_the_link_of_who_publishes_is_told_to_it(new_server):
    """Nobody else could know. What comes is in order, and nothing comes twice."""
    server = await new_server()
    async with (
        running(server.url, timings=QUICK) as (a, at_a),
        running(server.url) as (b, node),
        trio.open_nursery() as nursery,
    ):
        await b.join("g")
        nursery.start_soon(stream, a, at_a)
        for kill in range(1, KILLS + 1):
            await heard_more(node)
            assert server.kill_clients(node=a.node_id, subscribed=False) == 1
            await at_a.seen("gap", kill)
        await heard_more(node)
        nursery.cancel_scope.cancel()
    assert node.all("gap") == []
    first_after = {after[1] for gap, after in pairwise(at_a.told) if gap[0] == "gap" and after[0] == "sent"}
    assert len(first_after) == KILLS
    assert all(number > last and number in first_after for number, last in uncovered(node.told))
