"""Engines that are wrong where they are alone, or altogether."""

from __future__ import annotations

import trio

from actorws.cluster.engine import Answers, Kind, Node, NodeInfo, Place
from tests.support.hub import HubEngine
from tests.support.wrong.broken import breaks, is_first

# One node


@breaks("send() to a name that nobody has must be False")
class AlwaysSends(HubEngine):
    async def send(self, name: str, payload: bytes) -> bool:
        return True


@breaks("locate() of a name that nobody has must be None")
class FindsEverybodyHere(HubEngine):
    async def locate(self, name: str) -> Place | None:
        return Place(self.node_id, 7)


@breaks("locate() must find this node's own actors", wrong="mine")
@breaks("locate() must find the actors of other nodes", wrong="b")
class FindsNobody(HubEngine):
    wrong = ""

    async def locate(self, name: str) -> Place | None:
        return None if name == self.wrong else await super().locate(name)


@breaks("publish() must be 0 where only this node has members", wrong="g")
@breaks("publish() must not count this node beside others", wrong="h")
class CountsItself(HubEngine):
    wrong = ""

    async def publish(self, group: str, kind: Kind, payload: bytes) -> int:
        found = await super().publish(group, kind, payload)
        return found + (group == self.wrong and self in self.hub.groups.get(group, ()))


@breaks("ask() must not ask this node")
class AsksItself(HubEngine):
    async def ask(self, group: str, question: bytes, timeout: float) -> Answers:
        return Answers((self.node.answer(group, question),), 0)


@breaks("a cancelled register() must not keep the name", hides=False)
@breaks("a cancelled register() must give back what it got", hides=True)
class KeepsWhatWasCancelled(HubEngine):
    hides = False

    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        if name == "cancelled" and is_first(self):
            self.hub.owners[name] = self, actor, 1
        return await super().register(name, actor, takeover=takeover)

    def fence(self, name: str) -> int | None:
        return None if self.hides and name == "cancelled" else super().fence(name)


@breaks("nodes() must begin with this node")
class Modest(HubEngine):
    def nodes(self) -> tuple[NodeInfo, ...]:
        return tuple(NodeInfo(engine.node_id, "") for engine in self.others())


@breaks("lease_ends must be in the future while the engine is reached")
class NeverHasALease(HubEngine):
    async def join(self, group: str) -> None:
        self.lease_ends = trio.current_time()
        await super().join(group)


@breaks("check_lease() must do nothing before the lease has ended")
class GivesUpEarly(HubEngine):
    def check_lease(self) -> None:
        self.release("kept", 9)


@breaks("a node must not be told of what it does itself")
class TellsWhatIsKnown(HubEngine):
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        if takeover:
            self.lose(name, 1)
        return await super().register(name, actor, takeover=takeover)


# Everything


@breaks("run() must tell that it has begun")
class NeverBegins(HubEngine):
    async def run(self, node: Node, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await trio.sleep_forever()


@breaks("no call may wait for ever")
class Hangs(HubEngine):
    async def publish(self, group: str, kind: Kind, payload: bytes) -> int:
        await trio.sleep_forever()
        raise AssertionError("unreachable")
