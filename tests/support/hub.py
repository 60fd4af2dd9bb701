"""An engine in memory whose nodes are all in this process: as short as one can be that keeps every promise.

Tests of ``check_engine`` break it, one promise at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from math import inf
from typing import Any

import trio

from actorws.cluster.engine import Answers, Engine, Kind, Node, NodeInfo, Place
from actorws.exceptions import EngineUnavailable, NameTaken
from actorws.notices import Gap

__all__ = ["Hub", "HubEngine", "Owner", "lose_link"]

#: Engine, actor and fence.
Owner = tuple["HubEngine", int, int]


class Hub:
    """What the nodes of a cluster share."""

    def __init__(self) -> None:
        self.engines: dict[str, HubEngine] = {}
        self.owners: dict[str, Owner] = {}
        self.groups: dict[str, set[HubEngine]] = {}
        self.fences = count(1)
        self.ids = count(1)


class HubEngine(Engine):
    """One node."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.node_id = f"node{next(hub.ids)}"
        self.lease_ends = -inf
        self.node: Node
        self._send, self._receive = trio.open_memory_channel[Callable[[], Any]](inf)

    # What nodes are told, from a task of the engine

    async def run(self, node: Node, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.node, self.lease_ends = node, inf
        self.hub.engines[self.node_id] = self
        for engine in self.others():
            engine.tell(lambda node: node.node_joined(NodeInfo(self.node_id, "")))
            self.tell(lambda node, engine=engine: node.node_joined(NodeInfo(engine.node_id, "")))
        try:
            task_status.started()
            async for tell in self._receive:
                tell()
        finally:
            self.end()

    def end(self) -> None:
        self.lease_ends = -inf
        del self.hub.engines[self.node_id]
        self.hub.owners = {name: owner for name, owner in self.hub.owners.items() if owner[0] is not self}
        for members in self.hub.groups.values():
            members.discard(self)
        for engine in self.others():
            engine.tell(lambda node: node.node_left(NodeInfo(self.node_id, "")))

    def tell(self, call: Callable[[Any], Any]) -> None:
        self._send.send_nowait(lambda: call(self.node))

    def others(self) -> list[HubEngine]:
        return [engine for engine in self.hub.engines.values() if engine is not self]

    def check(self) -> None:
        if self.node_id not in self.hub.engines:
            raise EngineUnavailable("it does not run")

    async def lose_link(self) -> None:
        """For a moment nothing comes."""
        groups = [group for group, members in self.hub.groups.items() if self in members]
        for group in groups:
            self.hub.groups[group].discard(self)
        await trio.sleep(0.1)
        self.tell(lambda node: node.gap(Gap(0.1, "lost")))
        for group in groups:
            self.hub.groups[group].add(self)

    # Unique names

    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        await trio.lowlevel.checkpoint()
        self.check()
        owner = self.hub.owners.get(name)
        if owner is not None and owner[:2] == (self, actor):
            return owner[2]
        if owner is not None and not takeover:
            raise NameTaken(name)
        fence = next(self.hub.fences)
        self.hub.owners[name] = self, actor, fence
        if owner is not None and owner[0] is not self:
            owner[0].lose(name, owner[1])
        return fence

    def lose(self, name: str, actor: int) -> None:
        self.tell(lambda node: node.name_lost(name, actor, "taken"))

    def release(self, name: str, actor: int) -> None:
        owner = self.hub.owners.get(name)
        if owner is not None and owner[:2] == (self, actor):
            del self.hub.owners[name]

    def fence(self, name: str) -> int | None:
        owner = self.hub.owners.get(name)
        return owner[2] if owner is not None and owner[0] is self else None

    async def send(self, name: str, payload: bytes) -> bool:
        await trio.lowlevel.checkpoint()
        self.check()
        self.send_nowait(name, payload)
        return name in self.hub.owners

    def send_nowait(self, name: str, payload: bytes) -> None:
        if name in self.hub.owners:
            self.hub.owners[name][0].tell(lambda node: node.deliver(name, payload))

    async def locate(self, name: str) -> Place | None:
        await trio.lowlevel.checkpoint()
        owner = self.hub.owners.get(name)
        return None if owner is None else Place(owner[0].node_id, owner[1])

    async def send_to(self, place: Place, payload: bytes) -> bool:
        await trio.lowlevel.checkpoint()
        self.send_to_nowait(place, payload)
        return place.node in self.hub.engines

    def send_to_nowait(self, place: Place, payload: bytes) -> None:
        engine = self.hub.engines.get(place.node)
        if engine is not None:
            engine.tell(lambda node: node.deliver_to(place.actor, payload))

    # Groups

    async def join(self, group: str) -> None:
        await trio.lowlevel.checkpoint()
        self.join_nowait(group)

    def join_nowait(self, group: str) -> None:
        self.hub.groups.setdefault(group, set()).add(self)

    def leave(self, group: str) -> None:
        self.hub.groups.get(group, set()).discard(self)

    def members(self, group: str) -> list[HubEngine]:
        """The other nodes that have some."""
        return [engine for engine in self.others() if engine in self.hub.groups.get(group, ())]

    async def publish(self, group: str, kind: Kind, payload: bytes) -> int:
        await trio.lowlevel.checkpoint()
        self.check()
        self.publish_nowait(group, kind, payload)
        return len(self.members(group))

    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        for engine in self.members(group):
            engine.tell(lambda node: node.deliver_group(group, kind, payload))

    async def ask(self, group: str, question: bytes, timeout: float) -> Answers:
        await trio.lowlevel.checkpoint()
        return Answers(tuple(engine.node.answer(group, question) for engine in self.members(group)), 0)

    # Nodes

    def nodes(self) -> tuple[NodeInfo, ...]:
        return tuple(NodeInfo(engine.node_id, "") for engine in (self, *self.others()))


async def lose_link(engine: Engine) -> None:
    """For ``check_engine``."""
    assert isinstance(engine, HubEngine)
    await engine.lose_link()
