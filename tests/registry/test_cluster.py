"""Names and groups of two nodes, on an engine in memory: what one sends, the other gets, or says why not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws.cluster.engine import Place
from actorws.cluster.messages import Messages
from actorws.exceptions import ConnectionEnded, EngineUnavailable
from actorws.frames import Close
from actorws.registry.arrivals import Arrivals
from actorws.registry.courier import Courier
from actorws.registry.group import Group
from actorws.registry.refs import ref_to
from actorws.registry.table import FRAME, MESSAGE
from actorws.registry.unique import Unique
from tests.support.hub import Hub, HubEngine


class Unreachable(HubEngine):
    """Can lose its link."""

    is_up = True

    def check(self) -> None:
        if not self.is_up:
            raise EngineUnavailable("the link is down")

    def publish_nowait(self, group: str, kind: Any, payload: bytes) -> None:
        self.check()
        super().publish_nowait(group, kind, payload)


class Registry:
    """What one node has."""

    def __init__(self, hub: Hub, outbox: Any) -> None:
        self.outbox = outbox
        self.engine = Unreachable(hub)
        self.courier = Courier(outbox, self.engine, Messages(max_size=1000))
        self.unique = Unique(self.courier, lambda actor, name: None)
        self.group = Group(self.courier)
        self.lost: list[tuple[Any, str, str]] = []
        self.events: list[Any] = []
        gaps: list[Any] = []
        self.arrivals = Arrivals(
            self.courier,
            self.unique,
            self.group,
            self.events.append,
            lambda *what: self.lost.append(what),
            gaps.append,
        )

    def got(self) -> list[tuple[int, Any]]:
        """What its actors will get, or their clients."""
        return [(kind, payload) for kind, _, payload, _ in self.outbox.posts]

    def malformed(self) -> int:
        return sum(type(event).__name__ == "MessageMalformed" for event in self.events)


@pytest.fixture
async def nodes(new_actor: Any, outbox: Any) -> AsyncIterator[tuple[Registry, Registry]]:
    hub = Hub()
    both = Registry(hub, outbox), Registry(hub, type(outbox)())
    async with trio.open_nursery() as nursery:
        for node in both:
            await nursery.start(node.engine.run, node.arrivals)
        yield both
        nursery.cancel_scope.cancel()


def test_without_a_form_for_messages_there_is_nothing_to_send_to_others(outbox: Any) -> None:
    with pytest.raises(ValueError, match="messages between nodes have to be encoded"):
        Courier(outbox, HubEngine(Hub()))


# Names


async def test_to_have_a_name_already_costs_nothing(nodes: Any, new_actor: Any) -> None:
    one, _ = nodes
    ann = new_actor()
    await one.unique.register("ann", ann)
    one.engine.is_up = False
    await one.unique.register("ann", ann)
    assert one.unique.names_of(ann) == {"ann"}


async def test_two_tasks_of_one_actor_may_want_the_same_name(nodes: Any, new_actor: Any) -> None:
    one, _ = nodes
    ann = new_actor()
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(one.unique.register, "ann", ann)
    assert one.unique.owner("ann") is ann


async def test_who_ends_while_the_engine_is_asked_leaves_no_name(nodes: Any, new_actor: Any, monkeypatch: Any) -> None:
    one, other = nodes
    ann = new_actor()
    register = one.engine.register

    async def end_meanwhile(*arguments: Any, **options: Any) -> int:
        ann.has_ended = True
        return await register(*arguments, **options)

    monkeypatch.setattr(one.engine, "register", end_meanwhile)
    with pytest.raises(ConnectionEnded):
        await one.unique.register("ann", ann)
    await other.unique.register("ann", new_actor())


async def test_a_name_that_was_given_back_is_free_everywhere(nodes: Any, new_actor: Any) -> None:
    one, other = nodes
    ann = new_actor()
    await one.unique.register("ann", ann)
    assert one.unique.unregister_nowait("ann", ann)
    await other.unique.register("ann", new_actor())


async def test_who_sends_without_waiting_reaches_the_other_node(nodes: Any, new_actor: Any) -> None:
    one, other = nodes
    ann = new_actor()
    await other.unique.register("ann", ann)
    assert one.unique.send_message_nowait("ann", "by name")
    ref = await one.unique.whereis("ann")
    assert ref.send_nowait("by place")
    await wait_all_tasks_blocked()
    assert other.outbox.posts == [(MESSAGE, (ann,), "by name", None), (MESSAGE, (ann,), "by place", None)]


async def test_a_place_on_its_own_node_is_reached_without_the_engine(nodes: Any, new_actor: Any) -> None:
    _, other = nodes
    ann = new_actor()
    await other.unique.register("ann", ann)
    other.engine.is_up = False
    assert ref_to(Place(other.engine.node_id, ann.conn.number), other.courier).send_nowait("x")
    assert not ref_to(Place(other.engine.node_id, 99), other.courier).send_nowait("x")
    assert other.outbox.posts == [(MESSAGE, (ann,), "x", None)]


async def test_what_comes_for_who_is_gone_or_can_not_be_read_goes_nowhere(nodes: Any, new_actor: Any) -> None:
    _, other = nodes
    ann = new_actor()
    await other.unique.register("ann", ann)
    other.arrivals.deliver("nobody", other.courier.encoded("x"))
    other.arrivals.deliver_to(99, other.courier.encoded("x"))
    other.arrivals.deliver("ann", b"\xc1 is no message")
    assert other.malformed() == 1
    ann.has_ended = True
    other.arrivals.deliver("ann", other.courier.encoded("x"))
    assert other.outbox.posts == []


async def test_only_who_has_a_name_can_lose_it(nodes: Any, new_actor: Any) -> None:
    _, other = nodes
    ann = new_actor()
    await other.unique.register("ann", ann)
    other.arrivals.name_lost("ann", 99, "taken")
    other.arrivals.name_lost("nobody", ann.conn.number, "taken")
    assert (other.lost, other.unique.owner("ann")) == ([], ann)
    other.arrivals.name_lost("ann", ann.conn.number, "taken")
    assert (other.lost, other.unique.owner("ann")) == ([(ann, "ann", "taken")], None)


# Groups


async def test_without_waiting_messages_and_frames_reach_the_members_of_both_nodes(nodes: Any, new_actor: Any) -> None:
    one, other = nodes
    for node in nodes:
        node.group.join_nowait("g", new_actor())
    assert one.group.publish_nowait("g", "message") == 1
    assert one.group.broadcast_nowait("g", "text") == 1
    assert one.group.broadcast_nowait("g", b"binary") == 1
    assert one.group.broadcast_nowait("g", Close(4000, "close")) == 1
    await wait_all_tasks_blocked()
    assert one.got() == [(MESSAGE, "message"), (FRAME, "text"), (FRAME, b"binary"), (FRAME, Close(4000, "close"))]
    assert other.got() == one.got()


async def test_where_nobody_is_a_member_only_others_get_it(nodes: Any, new_actor: Any) -> None:
    one, other = nodes
    other.group.join_nowait("g", new_actor())
    assert await one.group.publish("g", "waiting") == 1, "the other node"
    assert one.group.publish_nowait("g", "not waiting") == 0
    await wait_all_tasks_blocked()
    assert one.got() == []
    assert other.got() == [(MESSAGE, "waiting"), (MESSAGE, "not waiting")]


SENDING: list[Callable[[Group], Any]] = [
    lambda group: group.publish_nowait("g", "x"),
    lambda group: group.broadcast_nowait("g", "x"),
]


@pytest.mark.parametrize("send", SENDING, ids=["publish", "broadcast"])
async def test_without_a_link_those_here_get_it_and_the_sender_is_told(nodes: Any, new_actor: Any, send: Any) -> None:
    one, other = nodes
    for node in nodes:
        node.group.join_nowait("g", new_actor())
    one.engine.is_up = False
    with pytest.raises(EngineUnavailable, match="the link is down"):
        send(one.group)
    await wait_all_tasks_blocked()
    assert [payload for _, payload in one.got()] == ["x"]
    assert other.got() == []


async def test_what_comes_for_a_group_without_members_or_can_not_be_read_goes_nowhere(
    nodes: Any, new_actor: Any
) -> None:
    _, other = nodes
    other.arrivals.deliver_group("nobody's", "message", b"\xc1")
    assert other.malformed() == 0
    other.group.join_nowait("g", new_actor())
    for kind, payload in (("message", b"\xc1"), ("text", b"\xff"), ("close", b"\x0f\xa0\xff"), ("close", b"")):
        other.arrivals.deliver_group("g", kind, payload)
    assert other.malformed() == 4
    assert other.got() == []


async def test_more_members_than_can_be_said_are_an_error_of_the_answer(nodes: Any, new_actor: Any) -> None:
    _, other = nodes
    for _ in range(20):
        other.group.join_nowait("g", new_actor(), "x" * 100)
    with pytest.raises(ValueError, match="bytes"):
        other.arrivals.answer("g", b"members")
    assert other.arrivals.answer("g", b"count") == (20).to_bytes(8, "big")
