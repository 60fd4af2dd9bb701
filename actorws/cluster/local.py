"""Local engine: the contract of ``engine`` for one process alone; nothing is installed, nothing is waited for.

Rule owned here: there is no other node, so there is nobody to reach, and nothing can be lost. Must not know actors.
"""

from __future__ import annotations

import secrets
from itertools import count

import trio

from actorws.cluster.engine import Answers, Engine, Kind, Node, NodeInfo, Place
from actorws.exceptions import NameTaken

__all__ = ["LocalEngine"]


class LocalEngine(Engine):
    """The engine of a runtime that is its own cluster."""

    alone = True

    def __init__(self, *, name: str = "local", node_id: str | None = None) -> None:
        self.node_id = node_id or secrets.token_hex(8)
        self._name = name
        self._owners: dict[str, tuple[int, int]] = {}
        self._fences = count(1)

    async def run(self, node: Node, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep_forever()

    # Unique names

    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        await trio.lowlevel.checkpoint()
        owner, fence = self._owners.get(name, (actor, 0))
        if owner != actor and not takeover:
            raise NameTaken(name)
        if owner != actor or not fence:
            fence = next(self._fences)
            self._owners[name] = actor, fence
        return fence

    def release(self, name: str, actor: int) -> None:
        if self._owners.get(name, (None, 0))[0] == actor:
            del self._owners[name]

    def fence(self, name: str) -> int | None:
        owner = self._owners.get(name)
        return None if owner is None else owner[1]

    async def send(self, name: str, payload: bytes) -> bool:
        await trio.lowlevel.checkpoint()
        return False

    def send_nowait(self, name: str, payload: bytes) -> None:
        """Nobody else has any name."""

    async def locate(self, name: str) -> Place | None:
        await trio.lowlevel.checkpoint()
        owner = self._owners.get(name)
        return None if owner is None else Place(self.node_id, owner[0])

    async def send_to(self, place: Place, payload: bytes) -> bool:
        await trio.lowlevel.checkpoint()
        return False

    def send_to_nowait(self, place: Place, payload: bytes) -> None:
        """There is no other place."""

    # Groups

    async def join(self, group: str) -> None:
        await trio.lowlevel.checkpoint()

    def join_nowait(self, group: str) -> None:
        """There is nobody whose messages could come."""

    def leave(self, group: str) -> None:
        """As ``join_nowait``."""

    async def publish(self, group: str, kind: Kind, payload: bytes) -> int:
        await trio.lowlevel.checkpoint()
        return 0

    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        """There is nobody to send to."""

    async def ask(self, group: str, question: bytes, timeout: float) -> Answers:
        await trio.lowlevel.checkpoint()
        return Answers((), 0)

    # Nodes

    def nodes(self) -> tuple[NodeInfo, ...]:
        return (NodeInfo(self.node_id, self._name),)
