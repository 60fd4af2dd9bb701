"""Redis engine: the contract of ``engine`` on one primary of Redis or Valkey.

Rule owned here: this node acts for names only until ``lease_ends``, which is counted from before the engine was asked.
Must not know actors, or what is said in a session.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from math import inf
from typing import Any

import trio

from actorws.cluster import envelope
from actorws.cluster.address import Address, parse_address
from actorws.cluster.engine import Answers, Engine, Kind, Node, NodeInfo, Place
from actorws.cluster.envelope import pack
from actorws.cluster.inbound import CODES, Inbound
from actorws.cluster.members import Members
from actorws.cluster.names import Names
from actorws.cluster.publisher import Publisher
from actorws.cluster.questions import Questions
from actorws.cluster.replies import Reply, ignore
from actorws.cluster.resp import Argument
from actorws.cluster.sessions import Sessions
from actorws.cluster.subscriptions import Subscriptions
from actorws.cluster.timings import Timings
from actorws.cluster.troubles import sole
from actorws.exceptions import EngineUnavailable

__all__ = ["RedisEngine"]


class RedisEngine(Engine):
    """One node's end of the cluster."""

    def __init__(
        self,
        address: str | Address,
        *,
        name: str | None = None,
        meta: Mapping[str, Any] | None = None,
        timings: Timings | None = None,
        node_id: str | None = None,
    ) -> None:
        """``name`` and ``meta`` are what ``nodes`` shows to others.

        Raises ``ConfigError`` for a bad address, or for a ``meta`` that can't be sent.
        """
        self.address = parse_address(address) if isinstance(address, str) else address
        self.timings = timings or Timings()
        self.node_id = node_id or secrets.token_hex(8)
        self.lease_ends = -inf
        # Channels are the same in all databases of a server.
        database = f"/{self.address.database}" if self.address.database else ""
        self._prefix = f"aw:{{{self.address.app}{database}}}:"
        inbox, everybody = f"{self._prefix}in:{self.node_id}", f"{self._prefix}ctl"
        self._members = Members(NodeInfo(self.node_id, name or f"{socket.gethostname()}:{os.getpid()}", meta or {}))
        self._names = Names(self._prefix, self.node_id, self._lease_lasts)
        self._groups = Subscriptions(self._prefix, [inbox, everybody])
        self._questions = Questions()
        self._inbound = Inbound(
            self._prefix,
            self.node_id,
            self._names,
            self._groups,
            self._members,
            self._questions,
            self._lease_lasts,
            self._answer,
        )
        self._sessions = Sessions(
            self.address,
            self.timings,
            self._prefix,
            self._names,
            self._groups,
            self._members,
            self._questions,
            self._inbound,
            self._renewed,
            self._gave_up,
        )
        self._lease_changed = trio.Event()

    @property
    def malformed(self) -> int:
        """How many messages from other nodes could not be read; they were dropped."""
        return self._inbound.malformed

    @property
    def trouble(self) -> str | None:
        """Why the engine can't be reached now; ``None`` while it is."""
        return self._sessions.trouble if self._sessions.publisher is None else None

    async def run(self, node: Node, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self._inbound.node = node
        failed = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_lease)
                await self._sessions.run(task_status)
        except BaseExceptionGroup as group:
            failed = sole(group)
        if failed is not None:
            raise failed

    # The lease

    def _lease_lasts(self) -> bool:
        return trio.current_time() < self.lease_ends

    def _renewed(self, asked_at: float) -> None:
        self.check_lease()  # It may be over without anybody having been told: if this process stood still.
        # Counted from before the engine was asked: it began to count later.
        self.lease_ends = asked_at + self.timings.lease - self.timings.margin
        self._lease_changed.set()

    def _gave_up(self) -> None:
        self.lease_ends = -inf

    def check_lease(self) -> None:
        if not self._lease_lasts():
            self.lease_ends = -inf
            self._names.lease_ended(self._inbound.node, self._sessions.publisher)

    async def _watch_lease(self) -> None:
        while True:
            if self.lease_ends == -inf:
                self._lease_changed = trio.Event()
                await self._lease_changed.wait()
            await trio.sleep_until(self.lease_ends)
            self.check_lease()

    # Calls

    def flush(self) -> None:
        if self._sessions.publisher is not None:
            self._sessions.publisher.write_now()

    def _up(self) -> Publisher:
        publisher = self._sessions.publisher
        if publisher is None:
            raise EngineUnavailable(f"the cluster's engine can't be reached: {self._sessions.trouble}")
        return publisher

    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        return await self._names.register(self._up(), name, actor, takeover)

    def release(self, name: str, actor: int) -> None:
        self._names.release(name, actor, self._sessions.publisher)

    def fence(self, name: str) -> int | None:
        return self._names.fence(name) if self._lease_lasts() else None

    async def send(self, name: str, payload: bytes) -> bool:
        return await self._names.send(self._up(), name, pack(self.node_id, envelope.Name(name, payload)))

    def send_nowait(self, name: str, payload: bytes) -> None:
        self._names.send_nowait(self._up(), name, pack(self.node_id, envelope.Name(name, payload)))

    async def locate(self, name: str) -> Place | None:
        return await self._names.locate(self._up(), name)

    async def send_to(self, place: Place, payload: bytes) -> bool:
        return bool(await self._up().call(*self._to_node(place.node, envelope.Place(place.actor, payload))))

    def send_to_nowait(self, place: Place, payload: bytes) -> None:
        self._up().send(ignore, *self._to_node(place.node, envelope.Place(place.actor, payload)))

    def _to_node(self, node: str, body: envelope.Body) -> tuple[Argument, ...]:
        return "PUBLISH", f"{self._prefix}in:{node}", pack(self.node_id, body)

    async def join(self, group: str) -> None:
        self._groups.join(group)
        await self._groups.wait_acked(group)

    def join_nowait(self, group: str) -> None:
        self._groups.join(group)

    def leave(self, group: str) -> None:
        self._groups.leave(group)

    async def publish(self, group: str, kind: Kind, payload: bytes) -> int:
        publisher, reply = self._up(), Reply()
        await publisher.wait_for_room()
        publisher.publish(group, CODES[kind], payload, reply, sure=True)
        receivers: int = await reply.wait()
        return max(0, receivers - (group in self._groups))

    def publish_nowait(self, group: str, kind: Kind, payload: bytes) -> None:
        self._up().publish(group, CODES[kind], payload)

    async def ask(self, group: str, question: bytes, timeout: float) -> Answers:
        publisher = self._up()
        with self._questions.open() as opened:
            body = pack(self.node_id, envelope.Ask(opened.number, question))
            return await opened.wait(await publisher.call("PUBLISH", f"{self._prefix}g:{group}", body), timeout)

    def _answer(self, asker: str, number: int, answer: bytes) -> None:
        try:
            self._up().send(ignore, *self._to_node(asker, envelope.Answer(number, answer)))
        except (trio.WouldBlock, EngineUnavailable):
            pass  # who asked counts us as missing

    def nodes(self) -> tuple[NodeInfo, ...]:
        return self._members.all()
