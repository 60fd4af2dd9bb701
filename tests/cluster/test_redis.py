"""The engine on real servers: what it carries, and in which order."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from actorws.cluster.engine import Answers, Engine, Place
from actorws.cluster.redis import RedisEngine
from actorws.testing import check_engine
from tests.support.nodes import QUICK, running, until
from tests.support.redis import RedisServer
from tests.support.wire import SECONDS

START = Callable[..., RedisServer]
PREFIX = "aw:{actorws}:"


async def test_it_keeps_what_every_engine_promises(server):
    async def lose_link(engine: Engine) -> None:
        server.kill_clients(node=engine.node_id)

    await check_engine(lambda: RedisEngine(server.url), lose_link=lose_link)


async def test_a_publish_reaches_the_other_nodes_that_have_members(server):
    async with (
        running(server.url) as (a, at_a),
        running(server.url) as (b, at_b),
        running(server.url) as (c, at_c),
    ):
        assert await a.publish("g", "message", b"nobody") == 0
        await b.join("g")
        assert await a.publish("g", "message", b"one") == 1
        await a.join("g")
        await c.join("g")
        assert await a.publish("g", "text", b"two") == 2
        assert await b.publish("g", "binary", b"three") == 2
        a.publish_nowait("g", "close", b"four")
        one, two, three, four = (
            ("g", "message", b"one"),
            ("g", "text", b"two"),
            ("g", "binary", b"three"),
            ("g", "close", b"four"),
        )
        assert await at_c.seen("deliver_group", 3) == [two, three, four]
        assert await at_b.seen("deliver_group", 3) == [one, two, four]
        assert await at_a.seen("deliver_group", 1) == [three], "nobody hears what it has sent itself"


async def test_a_join_holds_when_it_returns(server):
    """What another node publishes from then on comes; 100 times, at once."""
    async with running(server.url) as (a, _), running(server.url) as (b, node), trio.open_nursery() as nursery:

        async def join_and_hear(number: int) -> None:
            await b.join(f"g{number}")
            assert await a.publish(f"g{number}", "message", b"%d" % number) == 1

        for number in range(100):
            nursery.start_soon(join_and_hear, number)
        await node.seen("deliver_group", 100)


async def test_without_members_a_node_hears_nothing_after_a_while(server):
    async with running(server.url) as (a, _), running(server.url, timings=QUICK) as (b, node):
        await b.join("g")
        b.leave("g")
        await b.join("g")
        assert await a.publish("g", "message", b"back in time") == 1
        b.leave("g")
        await until(lambda: server.call("PUBSUB", "NUMSUB", f"{PREFIX}g:g")[1] == 0)
        assert await a.publish("g", "message", b"nobody") == 0
        b.join_nowait("g")
        await until(lambda: server.call("PUBSUB", "NUMSUB", f"{PREFIX}g:g")[1] == 1)
        assert node.payloads() == [b"back in time"]


async def test_a_group_may_be_called_like_anything(server):
    heard: list[str] = []
    async with running(server.url) as (a, _), running(server.url) as (b, node):
        for group in ("\xe4 \U0001f600", "a b\r\n", "\0", "ctl", f"in:{b.node_id}", "g:g", "*", "x" * 255):
            await b.join(group)
            assert await a.publish(group, "message", b"") == 1
            heard.append(group)
            assert [what[0] for what in await node.seen("deliver_group", len(heard))] == heard


async def test_what_is_sent_arrives_in_the_order_of_the_calls(server):
    """By group, by name and by place, waiting and not, small and large."""
    choose = random.Random(1)
    async with running(server.url) as (a, _), running(server.url) as (b, node):
        for group in "gh":
            await b.join(group)
        await b.register("x", 1)
        place = Place(b.node_id, 1)
        ways: list[Callable[[bytes], Any]] = [
            partial(a.publish_nowait, "g", "message"),
            partial(a.publish_nowait, "h", "message"),
            partial(a.send_nowait, "x"),
            partial(a.send_to_nowait, place),
            partial(a.publish, "g", "message"),
            partial(a.publish, "h", "message"),
            partial(a.send, "x"),
            partial(a.send_to, place),
        ]
        count = 3000
        for number in range(count):
            payload = b"%d " % number + bytes(choose.choice([0, 0, 0, 100, 40_000]))
            while True:
                try:
                    sent = choose.choice(ways[:4] * 10 + ways[4:])(payload)
                    break
                except trio.WouldBlock:
                    await a._up().wait_for_room()
            if sent is not None:
                await sent
        await until(lambda: len(node.told) >= count)
        arrived = [int(what[-1].split(b" ")[0]) for what in node.told if what[0].startswith("deliver")]
        assert arrived == list(range(count))


async def test_large_payloads_pass(server):
    async with running(server.url) as (a, _), running(server.url) as (b, node):
        await b.join("g")
        payload = random.Random(1).randbytes(8 * 1024 * 1024)
        assert await a.publish("g", "binary", payload) == 1
        await node.seen("deliver_group")
        assert node.payloads() == [payload]


async def test_an_actor_is_reached_where_it_is(server):
    async with running(server.url) as (a, at_a), running(server.url) as (b, at_b):
        assert await a.send_to(Place(b.node_id, 7), b"there") is True
        assert await a.send_to(Place(a.node_id, 8), b"here") is True
        assert await a.send_to(Place("gone", 7), b"nowhere") is False
        a.send_to_nowait(Place(b.node_id, 9), b"there too")
        a.send_to_nowait(Place("gone", 7), b"nowhere")
        assert await at_b.seen("deliver_to", 2) == [(7, b"there"), (9, b"there too")]
        assert await at_a.seen("deliver_to") == [(8, b"here")]


async def test_every_other_node_with_members_is_asked(server):
    async with (
        running(server.url) as (a, at_a),
        running(server.url) as (b, at_b),
        running(server.url) as (c, at_c),
    ):
        at_b.answers = lambda group, question: b"b says " + question
        at_c.answers = lambda group, question: b"c says " + question
        assert await a.ask("g", b"?", 5) == Answers((), 0)
        await a.join("g")
        assert await a.ask("g", b"?", 5) == Answers((), 0)
        await b.join("g")
        await c.join("g")
        answers = await a.ask("g", b"?", 5)
        assert (sorted(answers.payloads), answers.missing) == ([b"b says ?", b"c says ?"], 0)
        assert not at_a.all("answer")
        asked = [partial(a.ask, "g", b"%d" % number, 5) for number in range(20)]
        results: dict[bytes, Answers] = {}

        async def ask(call: Any) -> None:
            results[call.args[1]] = await call()

        async with trio.open_nursery() as nursery:
            for call in asked:
                nursery.start_soon(ask, call)
        for question, found in results.items():
            assert sorted(found.payloads) == [b"b says " + question, b"c says " + question]


async def test_who_does_not_answer_is_missing(server):
    def refuse(group: str, question: bytes) -> bytes:
        raise ValueError("more than can be said")

    async with running(server.url) as (a, _), running(server.url) as (b, at_b), running(server.url) as (c, at_c):
        at_b.answers = refuse
        at_c.answers = lambda group, question: b"c"
        for engine in (b, c):
            await engine.join("g")
        assert await a.ask("g", b"?", 0.2) == Answers((b"c",), 1)
        assert b.malformed == 0


async def test_a_question_ends_with_the_session(server):
    async with running(server.url) as (a, _), running(server.url) as (b, at_b), trio.open_nursery() as nursery:
        at_b.answers = lambda group, question: (_ for _ in ()).throw(ValueError)
        await b.join("g")

        async def ask() -> None:
            with trio.fail_after(SECONDS / 2):
                assert await a.ask("g", b"?", 1000) == Answers((), 1)

        nursery.start_soon(ask)
        await at_b.seen("answer")
        server.kill_clients(node=a.node_id)
