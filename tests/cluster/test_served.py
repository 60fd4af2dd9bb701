"""Two served nodes on one real server: what behaviours see of a cluster, and of its faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import frozen

from actorws import App, Close, Replaced, Websocket
from actorws.cluster.redis import RedisEngine
from actorws.events import ActorEnded, LinkLost, NodeJoined, NodeLeft
from actorws.exceptions import EngineUnavailable, MessageTooLarge, NameTaken, UnsendableMessage, UsageError
from actorws.notices import Gap, NameLost
from actorws.reasons import LeaseLost
from actorws.testing import MemoryServer, open_app
from tests.support.nodes import QUICK, until
from tests.support.redis import RedisServer


@frozen
class Said:
    """What members say to each other."""

    who: str
    text: str


class Member(Websocket):
    """Has the name of its path, is in the room, and says what it is sent; a frame ``a:b`` sends ``b`` to ``a``."""

    messages = (Said,)
    receive_gaps = True

    async def init(self, conn: Any) -> Any:
        name = conn.path.removeprefix("/")
        await conn.register(name, on_conflict="takeover" if "force" in conn.query else "reject")
        await conn.join("room", meta={"name": name})
        return name, [f"fence {conn.fence(name) is not None}"]

    async def handle_client_message(self, name: str, conn: Any, frame: Any) -> Any:
        whom, _, text = frame.partition(":")
        if whom == "room":
            return name, [f"published to {await conn.publish('room', Said(name, text), exclude=conn)}"]
        return name, [f"sent {await conn.send_message(whom, Said(name, text))}"]

    def handle_server_message(self, name: str, conn: Any, message: Any) -> Any:
        match message:
            case Said(who, text):
                return name, [f"{who} says {text}"]
            case Gap():
                return name, ["gap"]
            case NameLost(lost):
                return name, [f"lost {lost}"]
        return name, [repr(message)]


class Informed(Member):
    """Goes on without its name."""

    on_lease_lost = "inform"


def app(behaviour: type[Websocket] = Member) -> App:
    made = App()
    made.websocket("/{name}", behaviour)
    return made


@pytest.fixture
def node(server: RedisServer) -> Callable[..., Any]:
    """Opens nodes on one server."""

    @asynccontextmanager
    async def opened(behaviour: type[Websocket] = Member) -> AsyncIterator[MemoryServer]:
        engine = RedisEngine(server.url, timings=QUICK)
        async with open_app(app(behaviour), engine=engine) as served:
            yield served

    return opened


async def test_names_and_groups_reach_across_nodes(node: Callable[..., Any]) -> None:
    async with node() as one, node() as other:
        anna, ben = await one.connect("/anna"), await other.connect("/ben")
        assert [await anna.receive(), await ben.receive()] == ["fence True"] * 2
        await anna.send("ben:hello")
        assert await ben.receive() == "anna says hello"
        assert await anna.receive() == "sent True"
        await anna.send("nobody:hello")
        assert await anna.receive() == "sent False"
        await ben.send("room:hi all")
        assert await anna.receive() == "ben says hi all"
        assert await ben.receive() == "published to 1"


async def test_messages_of_every_kind_arrive_as_they_were_sent(node: Callable[..., Any]) -> None:
    async with node() as one, node() as other:
        ben = await other.connect("/ben")
        await ben.receive()
        for message in ({"a": [1, 2.5, None, b"x"]}, "text", 7, None, True):
            assert await one.runtime.unique.send_message("ben", message)
            assert await ben.receive() == repr(message)
        with pytest.raises(UnsendableMessage):
            await one.runtime.group.publish("room", {1, 2})


async def test_broadcast_goes_to_the_clients_of_other_nodes(node: Callable[..., Any]) -> None:
    async with node() as one, node() as other:
        ben = await other.connect("/ben")
        await ben.receive()
        group = one.runtime.group
        assert await group.broadcast("room", "text") == 1
        group.broadcast_nowait("room", b"bytes")
        assert [await ben.receive(), await ben.receive()] == ["text", b"bytes"]
        with pytest.raises(TypeError, match="can't be broadcast in a cluster"):
            await group.broadcast("room", lambda conn, meta: "made")
        await group.broadcast("room", Close(4000, "all out"))
        assert await ben.wait_closed() is not None and ben.closed_with.code == 4000


async def test_what_is_too_large_for_other_nodes_reaches_nobody(node: Callable[..., Any]) -> None:
    """Not even those of this node: else it would depend on where a client happens to be."""
    async with node() as one, node() as other:
        anna = await one.connect("/anna")
        await anna.receive()
        group = one.runtime.group
        for frame in (bytes(2**20 + 1), "x" * (2**20 + 1)):
            with pytest.raises(MessageTooLarge, match="has 1048577 bytes; in a cluster at most 1048576"):
                await group.broadcast("room", frame)
            with pytest.raises(MessageTooLarge):
                group.broadcast_nowait("room", frame)
            with pytest.raises(MessageTooLarge):
                group.publish_nowait("room", frame)
        await other.runtime.group.broadcast("room", bytes(2**20))
        assert await anna.receive() == bytes(2**20)


async def test_a_name_is_one_actor_s_in_the_whole_cluster(node: Callable[..., Any]) -> None:
    async with node() as one, node() as other:
        anna = await one.connect("/anna")
        assert await anna.receive() == "fence True"
        async with open_app(app()) as alone:
            assert (await (await alone.connect("/anna")).receive()) == "fence False", (
                "without a cluster there is no fence"
            )
        usurper = await other.connect("/anna?force=1")
        assert await usurper.receive() == "fence True"
        assert (await anna.wait_closed()).code == 4500
        (ended,) = one.all(ActorEnded) if hasattr(one, "all") else [e for e in one.events if isinstance(e, ActorEnded)]
        assert ended.reason == Replaced("anna")
        with pytest.raises(NameTaken):
            await one.runtime.unique.register("anna", _actor_of(await one.connect("/other")))


def _actor_of(client: Any) -> Any:
    return client.conn._actor


async def test_register_nowait_says_what_to_do_instead(node: Callable[..., Any]) -> None:
    async with node() as one:
        anna = await one.connect("/anna")
        await anna.receive()
        with pytest.raises(UsageError, match=r"await conn\.register"):
            anna.conn.register_nowait("second")


async def test_members_and_counts_are_those_of_all_nodes(node: Callable[..., Any]) -> None:
    async with node() as one, node() as other:
        for server, name in ((one, "anna"), (other, "ben"), (other, "cora")):
            await (await server.connect(f"/{name}")).receive()
        group = one.runtime.group
        count = await group.count("room")
        assert (count, count.missing, group.count_nowait("room")) == (3, 0, 1)
        members = await group.members("room")
        assert [member.meta["name"] for member in members] == ["anna", "ben", "cora"] and not members.missing
        assert await members[2].ref.send("direct")
        ref = await one.runtime.unique.whereis("ben")
        assert ref is not None and ref == members[1].ref
        assert await one.runtime.unique.whereis("nobody") is None


async def test_nodes_come_and_go(node: Callable[..., Any]) -> None:
    async with node() as one:
        async with node() as other:
            await until(lambda: len(one.runtime.nodes()) == 2)
            assert {info.id for info in one.runtime.nodes()} == {one.runtime.id, other.runtime.id}
            ben = await other.connect("/ben")
            await ben.receive()
        await until(lambda: any(isinstance(event, NodeLeft) for event in one.events))
        assert any(isinstance(event, NodeJoined) for event in one.events)
        assert await (await one.connect("/ben")).receive() == "fence True", "its names are free at once"


async def test_a_lost_link_is_a_gap_and_costs_nobody_the_connection(
    node: Callable[..., Any], server: RedisServer
) -> None:
    async with node() as one, node() as other:
        anna, ben = await one.connect("/anna"), await other.connect("/ben")
        await anna.receive(), await ben.receive()
        server.call("CLIENT", "KILL", "TYPE", "pubsub")
        server.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert [await anna.receive(), await ben.receive()] == ["gap"] * 2
        assert any(isinstance(event, LinkLost) for event in one.events)
        await anna.send("ben:still there?")
        assert await ben.receive() == "anna says still there?"


@pytest.mark.parametrize(
    ("kind", "behaviour", "told"), [("redis", Member, None), ("valkey", Informed, "lost anna")], indirect=["kind"]
)
async def test_without_the_engine_for_too_long_nobody_acts_for_a_name(
    node: Callable[..., Any], server: RedisServer, behaviour: type[Websocket], told: str | None
) -> None:
    async with node(behaviour) as one:
        anna = await one.connect("/anna")
        await anna.receive()
        server.freeze()
        try:
            if told is None:
                assert (await anna.wait_closed()).code == 1012
                await until(lambda: any(isinstance(event, ActorEnded) for event in one.events))
                assert [e.reason for e in one.events if isinstance(e, ActorEnded)] == [LeaseLost("anna")]
            else:
                assert await anna.receive() == told
                assert not anna.conn.names
            with pytest.raises(EngineUnavailable):
                await one.runtime.unique.send_message("anna", "x")
        finally:
            server.thaw()


async def test_an_engine_that_can_not_be_reached_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actorws.runtime.START_PATIENCE", 0.2)
    with pytest.raises((EngineUnavailable, ExceptionGroup)) as caught:
        async with open_app(app(), engine=RedisEngine("unix:///nowhere/redis.sock", timings=QUICK)):
            pass
    assert "not reached" in repr(caught.value)
