"""Engines that are wrong about names."""

from __future__ import annotations

from actorws.cluster.engine import Place
from tests.support.hub import HubEngine
from tests.support.wrong.broken import breaks, is_first

# Names of one node


@breaks("registering again must give the same fence")
class CountsEveryCall(HubEngine):
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        self.release(name, actor)
        return await super().register(name, actor, takeover=takeover)


@breaks("fence() must be what register() gave")
class KnowsNoFence(HubEngine):
    def fence(self, name: str) -> int | None:
        return None


@breaks("a name was given to two actors of one node")
class AlwaysTakesOver(HubEngine):
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        return await super().register(name, actor, takeover=True)


@breaks("the fence must rise when a name is taken over on its node")
class KeepsTheFence(HubEngine):
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        old = self.fence(name)
        fence = await super().register(name, actor, takeover=takeover)
        if old is not None:
            self.hub.owners[name] = self, actor, old
        return old or fence


@breaks("a former owner's release must not take the name from the new one", wrong="a")
@breaks("the release of who has lost a name must not free it", wrong="b")
class ReleasesAnybodys(HubEngine):
    wrong = ""

    def release(self, name: str, actor: int) -> None:
        if name == self.wrong:
            self.hub.owners.pop(name, None)
        super().release(name, actor)


@breaks("fence() of a name that was given back must be None")
class Remembers(HubEngine):
    def release(self, name: str, actor: int) -> None:
        if actor != 2:
            super().release(name, actor)


@breaks("a name that was given back is still taken on its node")
class GivesBackToItself(HubEngine):
    def release(self, name: str, actor: int) -> None:
        if actor == 2:
            self.hub.owners[name] = HubEngine(self.hub), 0, 0
        super().release(name, actor)


@breaks("the fence must rise with each new owner, also after a release")
class ForgetsTheLastFence(HubEngine):
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        return 1 if actor == 3 else await super().register(name, actor, takeover=takeover)


# Names of two nodes


@breaks("a name was given to actors of two nodes")
class LooksAtHomeOnly(HubEngine):
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        return await super().register(name, actor, takeover=takeover or self.fence(name) is None)


@breaks("send() to a name that another node has must be True")
class NeverKnows(HubEngine):
    async def send(self, name: str, payload: bytes) -> bool:
        await super().send(name, payload)
        return False


@breaks("what send() sends must be delivered")
class SendsNothing(HubEngine):
    async def send(self, name: str, payload: bytes) -> bool:
        return name in self.hub.owners


@breaks("what send_nowait() sends must be delivered")
class SendsNothingAtOnce(HubEngine):
    async def send(self, name: str, payload: bytes) -> bool:
        super().send_nowait(name, payload)
        return name in self.hub.owners

    def send_nowait(self, name: str, payload: bytes) -> None:
        pass


@breaks("send_to() a node that runs must be True")
class NeverReaches(HubEngine):
    async def send_to(self, place: Place, payload: bytes) -> bool:
        return False


@breaks("what send_to() sends must be delivered")
class SendsToNobody(HubEngine):
    async def send_to(self, place: Place, payload: bytes) -> bool:
        return True


@breaks("what send_to_nowait() sends must be delivered")
class SendsToNobodyAtOnce(HubEngine):
    async def send_to(self, place: Place, payload: bytes) -> bool:
        super().send_to_nowait(place, payload)
        return True

    def send_to_nowait(self, place: Place, payload: bytes) -> None:
        pass


@breaks("send_to() a node that there is not must be False")
class ReachesAnybody(HubEngine):
    async def send_to(self, place: Place, payload: bytes) -> bool:
        await super().send_to(place, payload)
        return True


@breaks("takeover=True must take the name over")
class TakesNothingOver(HubEngine):
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        return await super().register(name, actor, takeover=takeover and is_first(self))


@breaks("the fence must rise when another node takes a name over")
class HasFencesOfItsOwn(HubEngine):
    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        fence = await super().register(name, actor, takeover=takeover)
        return fence if is_first(self) else 1


@breaks("who loses a name to another node must be told")
class LosesInSilence(HubEngine):
    def lose(self, name: str, actor: int) -> None:
        pass


@breaks("fence() of a name that another node took over must be None")
class NeverLoses(HubEngine):
    def fence(self, name: str) -> int | None:
        owner = self.hub.owners.get(name)
        return super().fence(name) if owner is None else owner[2]


@breaks("what is sent must go to who took the name over")
class SendsToTheFormerOwner(HubEngine):
    def send_nowait(self, name: str, payload: bytes) -> None:
        if name in self.hub.owners:
            self.hub.engines["node1"].tell(lambda node: node.deliver(name, payload))


@breaks("a name that was given back must be free for other nodes")
class GivesNothingBack(HubEngine):
    def release(self, name: str, actor: int) -> None:
        if is_first(self):
            super().release(name, actor)
