"""Engines that are wrong about who comes and goes, and about what happens then."""

from __future__ import annotations

import trio

from actorws.cluster.engine import Kind, Node, NodeInfo
from actorws.notices import Gap
from tests.support.hub import HubEngine
from tests.support.wrong.broken import breaks

# Nodes


@breaks("a node must be told of one that comes after it", deaf="node1")
@breaks("a node must be told of those that are there already", deaf="node2")
class SeesNobodyCome(HubEngine):
    deaf = ""

    async def run(self, node: Node, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        if self.node_id == self.deaf:
            node.node_joined = lambda node: None  # type: ignore[method-assign]
        await super().run(node, task_status=task_status)


@breaks("nodes() must be this node and the others")
class CountsTwice(HubEngine):
    def nodes(self) -> tuple[NodeInfo, ...]:
        return super().nodes() + super().nodes()[1:]


# A link that is lost


@breaks("a loss of the link must be told as a gap")
class TellsNoGap(HubEngine):
    async def lose_link(self) -> None:
        self.node.gap = lambda gap: None  # type: ignore[method-assign]
        await super().lose_link()


@breaks("a gap must say for how long and why")
class SaysNotWhy(HubEngine):
    async def lose_link(self) -> None:
        self.tell(lambda node: node.gap(Gap(0.1, "")))


@breaks("memberships must come back with the link")
class ForgetsItsGroups(HubEngine):
    async def lose_link(self) -> None:
        await super().lose_link()
        self.leave("k")


@breaks("after a loss of the link, nothing may come twice or out of order")
class DeliversAgain(HubEngine):
    async def lose_link(self) -> None:
        await super().lose_link()
        self.tell(lambda node: node.deliver_group("k", "message", b"3"))


@breaks("what is missing must not be missing before the gap is told")
class TellsTheGapLate(HubEngine):
    async def lose_link(self) -> None:
        self.leave("k")
        await trio.sleep(0.1)
        self.join_nowait("k")
        await trio.sleep(0.1)
        await super().lose_link()


@breaks("a name must outlive a short loss of the link")
class LosesItsNames(HubEngine):
    async def lose_link(self) -> None:
        await super().lose_link()
        self.release("through it all", 6)


@breaks("others must find a name that outlived a loss of the link")
class IsNotFoundAgain(HubEngine):
    async def send(self, name: str, payload: bytes) -> bool:
        return name != "through it all" and await super().send(name, payload)


# The end


@breaks("a node must be told when another one ends")
class EndsInSilence(HubEngine):
    def end(self) -> None:
        for engine in self.others():
            engine.node.node_left = lambda node: None  # type: ignore[method-assign]
        super().end()


@breaks("nodes() must not show a node that has ended")
class ShowsTheDead(HubEngine):
    def nodes(self) -> tuple[NodeInfo, ...]:
        return super().nodes() if self.others() else (*super().nodes(), NodeInfo("node2", ""))


@breaks("the names of a node that ended in order must be free at once")
class LeavesItsNames(HubEngine):
    def end(self) -> None:
        owners = self.hub.owners
        super().end()
        self.hub.owners = owners


@breaks("a node that has ended must not be a member any more")
class StaysAMember(HubEngine):
    def members(self, group: str) -> list[HubEngine]:
        return [engine for engine in self.hub.groups.get(group, ()) if engine is not self]

    def end(self) -> None:
        groups = {group: set(members) for group, members in self.hub.groups.items()}
        super().end()
        self.hub.groups = groups


@breaks("the end of one node must not cost another its names")
class TakesAllAlong(HubEngine):
    def end(self) -> None:
        super().end()
        self.hub.owners.clear()


@breaks("lease_ends must not be in the future when the engine has ended")
class KeepsItsLease(HubEngine):
    def end(self) -> None:
        lease_ends = self.lease_ends
        super().end()
        self.lease_ends = lease_ends


@breaks("after its end, publish() must raise EngineUnavailable")
class PublishesWithoutRunning(HubEngine):
    async def publish(self, group: str, kind: Kind, payload: bytes) -> int:
        return await super().publish(group, kind, payload) if self.node_id in self.hub.engines else 0


@breaks("after its end, register() must raise EngineUnavailable")
class RegistersWithoutRunning(HubEngine):
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        running = self.node_id in self.hub.engines
        return await super().register(name, actor, takeover=takeover) if running else 1
