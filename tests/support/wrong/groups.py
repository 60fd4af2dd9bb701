"""Engines that are wrong about groups, payloads and their order."""

from __future__ import annotations

import trio

from actorws.cluster.engine import Answers, Kind, Place
from tests.support.hub import HubEngine
from tests.support.wrong.broken import breaks

# Groups


@breaks("publish() to a group without members must be 0")
class CountsEverybody(HubEngine):
    async def publish(self, group: str, kind: Kind, payload: bytes) -> int:
        await super().publish(group, kind, payload)
        return len(self.others())


@breaks("join() has returned, so publish() must reach 1 other node")
class JoinsLater(HubEngine):
    async def join(self, group: str) -> None:
        await trio.lowlevel.checkpoint()
        self.join_soon(group, 50)

    def join_soon(self, group: str, turns: int) -> None:
        self.tell(lambda node: self.join_soon(group, turns - 1) if turns else self.join_nowait(group))


@breaks("what publish() sends must be delivered")
class KnowsOneKind(HubEngine):
    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        super().publish_nowait(group, "message", payload)


@breaks("what publish_nowait() sends must be delivered")
class PublishesNothingAtOnce(HubEngine):
    async def publish(self, group: str, kind: Kind, payload: bytes) -> int:
        super().publish_nowait(group, kind, payload)
        return len(self.members(group))

    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        pass


@breaks("ask() must bring the answer of each other node")
class AsksNobody(HubEngine):
    async def ask(self, group: str, question: bytes, timeout: float) -> Answers:
        return Answers((), len(self.members(group)))


@breaks("ask() must count nobody as missing who has answered")
class MissesItself(HubEngine):
    async def ask(self, group: str, question: bytes, timeout: float) -> Answers:
        answers = await super().ask(group, question, timeout)
        return Answers(answers.payloads, len(answers.payloads))


@breaks("what a node publishes must not come back to it")
class HearsItself(HubEngine):
    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        super().publish_nowait(group, kind, payload)
        if self in self.hub.groups.get(group, ()) and self.members(group):
            self.tell(lambda node: node.deliver_group(group, kind, payload))


@breaks("join_nowait() must join")
class JoinsNothingAtOnce(HubEngine):
    async def join(self, group: str) -> None:
        super().join_nowait(group)

    def join_nowait(self, group: str) -> None:
        pass


# Payloads and their order


@breaks("send_to() must take payloads up to 1 MiB")
class TakesLittle(HubEngine):
    async def send_to(self, place: Place, payload: bytes) -> bool:
        return len(payload) < 100_000 and await super().send_to(place, payload)


@breaks("a payload must arrive as it was")
class Decodes(HubEngine):
    def send_to_nowait(self, place: Place, payload: bytes) -> None:
        super().send_to_nowait(place, payload.decode(errors="replace").encode())


@breaks("a group may be called like anything")
class StripsGroups(HubEngine):
    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        for engine in self.members(group):
            engine.tell(lambda node: node.deliver_group(group.strip(), kind, payload))


@breaks("an actor may be called like anything")
class StripsNames(HubEngine):
    def send_nowait(self, name: str, payload: bytes) -> None:
        if name in self.hub.owners:
            self.hub.owners[name][0].tell(lambda node: node.deliver(name.strip(), payload))


@breaks("nothing may be lost while the link is up")
class LosesOne(HubEngine):
    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        if payload != b"42":
            super().publish_nowait(group, kind, payload)


@breaks("nothing may be delivered twice")
class RepeatsOne(HubEngine):
    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        for _ in range(1 + (payload == b"42")):
            super().publish_nowait(group, kind, payload)


@breaks("what one node sends to another must arrive in the order of the calls")
class SendsNamesFirst(HubEngine):
    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        self.tell(lambda node: super(SendsNamesFirst, self).publish_nowait(group, kind, payload))
