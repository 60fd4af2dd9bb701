"""What comes in: whatever foreigners publish harms nobody, and what comes too early is bounded."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import trio

from actorws.cluster.engine import Place
from actorws.cluster.envelope import Answer, Ask, Group, Name, Probe, pack
from actorws.cluster.envelope import Place as ToPlace
from actorws.cluster.redis import RedisEngine
from tests.support.nodes import Recorder, running, until
from tests.support.redis import RedisServer

START = Callable[..., RedisServer]
PREFIX = "aw:{actorws}:"


def numbers(node: Recorder) -> list[int]:
    return [int(payload) for payload in node.payloads()]


async def test_what_can_not_be_read_is_counted_and_harms_nobody(server):
    async with running(server.url) as (a, node), running(server.url) as (b, _):
        await a.join("g")
        inbox, group, everybody = f"{PREFIX}in:{a.node_id}", f"{PREFIX}g:g", f"{PREFIX}ctl"
        good = pack("other", Group(b"\0", [b"fine"]))
        bad: list[tuple[str, bytes]] = [
            (channel, data)
            for channel in (inbox, group, everybody)
            for data in (
                b"",
                b"hello",
                bytes(1000),
                b"\x91" * 5000,
                good[:-1],
                msgspec.msgpack.encode([1, 4, "other", ["x", float("inf")]]),
                msgspec.msgpack.encode([1, 7, "other", [b"no node"]]),
                msgspec.msgpack.encode([1, 0, "other", [b"\x09", [b"of a kind to come"]]]),
                msgspec.msgpack.encode([2, 0, "other", [b"\0", [b""]]]),
            )
        ]
        bad += [(inbox, good), (everybody, good)]
        for channel, data in bad:
            server.call("PUBLISH", channel, data)
        server.call("PUBLISH", group, good)
        assert await node.seen("deliver_group") == [("g", "message", b"fine")]
        await until(lambda: a.malformed == len(bad))
        assert b.malformed == 10, "of what all nodes got"
        assert node.all("gap") == []
        for kind in (9, 255):
            server.call("PUBLISH", inbox, msgspec.msgpack.encode([1, kind, "other", [1]]))
        assert await b.send_to(Place(a.node_id, 1), b"") is True
        await node.seen("deliver_to")
        assert a.malformed == len(bad), "what a later version adds is no fault"


async def test_random_bytes_on_every_channel_harm_nobody(server):
    choose = random.Random(7)
    bases = [pack("other", body) for body in (Group(b"\0\1", [b"a", b"b"]), Name("x", b"y"), ToPlace(1, b"z"))]
    async with running(server.url) as (a, node):
        await a.join("g")
        for _ in range(1500):
            data = bytearray(choose.choice(bases))
            for _ in range(choose.randrange(4)):
                data[choose.randrange(len(data))] = choose.randrange(256)
            channel = choose.choice([f"in:{a.node_id}", "g:g", "ctl"])
            server.call("PUBLISH", PREFIX + channel, bytes(data))
        assert await a.send_to(Place(a.node_id, 1), b"end") is True
        await until(lambda: node.told and node.told[-1] == ("deliver_to", 1, b"end"))
        assert a.malformed > 100
        assert node.all("gap") == []


async def test_what_comes_while_a_session_begins_is_bounded(server, monkeypatch):
    """What is too much counts as lost; the gap that is told covers it. But who lost a name must know."""
    from actorws.cluster import inbound
    from actorws.cluster.envelope import Taken

    monkeypatch.setattr(inbound, "MAX_HELD", 10)
    async with running(server.url) as (a, node):
        fence = await a.register("x", 1)
        a._inbound.hold()
        channel = f"{PREFIX}g:g".encode()
        push = [b"message", channel, pack("other", Taken("x", fence + 1))]
        a._inbound.on_push(push)
        a._inbound.on_push([b"message", channel, b"garbage"])
        for number in range(25):
            a._inbound.on_push([b"message", channel, pack("other", Group(b"\0", [b"%d" % number]))])
        a._inbound.on_push([b"message", channel, b"garbage"])
        assert len(a._inbound._held or []) <= 10
        assert a._inbound.has_dropped
        a._inbound.release()
        assert node.all("name_lost") == [("x", 1, "taken")]
        assert numbers(node) == list(range(25))[-len(numbers(node)) :]
        assert a.malformed == 2


async def test_what_was_too_much_before_the_first_session_had_begun_is_told_as_a_gap(server, monkeypatch):
    engine, node = RedisEngine(server.url), Recorder()
    begun = engine._sessions._begun

    def drop(publisher: Any) -> None:
        engine._inbound.has_dropped = True
        begun(publisher)

    monkeypatch.setattr(engine._sessions, "_begun", drop)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run, node)
        assert len(node.all("gap")) == 1
        nursery.cancel_scope.cancel()


async def test_what_comes_when_nobody_waits_for_it_any_more_is_nothing():
    """Answers to a question that is closed, a question of our own that comes back late, somebody's probe."""
    engine, node = RedisEngine("redis://host"), Recorder()
    engine._inbound.node = node
    engine._inbound.release()
    for sender, body in ((engine.node_id, Ask(1, b"")), ("other", Answer(1, b"")), ("other", Probe())):
        engine._inbound.on_push([b"message", f"{PREFIX}g:g".encode(), pack(sender, body)])
    assert (node.told, engine.malformed) == ([], 0)


async def test_who_asks_while_there_is_no_link_to_answer_by_has_to_do_without():
    engine, node = RedisEngine("redis://host"), Recorder()
    engine._inbound.node = node
    engine._inbound.release()
    engine._inbound.on_push([b"message", f"{PREFIX}g:g".encode(), pack("other", Ask(1, b"?"))])
    assert node.told == [("answer", "g", b"?")]
