"""Sessions: what this node says in each session with the engine, from its first word to its last.

Rules owned here: the order in which a session begins (give up, subscribe, lease, assert, tell of the gap, only then
deliver); nothing of the session before may come after what this one sends; the last words are said while there still is
a session. Must not know how the link is made, or who calls.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import trio

from actorws.cluster import envelope, scripts
from actorws.cluster.address import Address
from actorws.cluster.engine import NodeInfo
from actorws.cluster.envelope import pack, pack_info, unpack_info
from actorws.cluster.inbound import Inbound
from actorws.cluster.link import Link, Session
from actorws.cluster.members import Members
from actorws.cluster.names import Names
from actorws.cluster.publisher import Publisher
from actorws.cluster.questions import Questions
from actorws.cluster.replies import Refused, Reply
from actorws.cluster.resp import Argument
from actorws.cluster.subscriptions import Subscriptions
from actorws.cluster.timings import Timings
from actorws.cluster.upkeep import Upkeep
from actorws.exceptions import ConfigError, MalformedMessage, UnsendableMessage
from actorws.notices import Gap

__all__ = ["Sessions"]

#: Seconds for our last words.
FAREWELL = 1.0


class Sessions:
    """The sessions of one node, one after the other."""

    def __init__(
        self,
        address: Address,
        timings: Timings,
        prefix: str,
        names: Names,
        groups: Subscriptions,
        members: Members,
        questions: Questions,
        inbound: Inbound,
        renewed: Callable[[float], None],
        gave_up: Callable[[], None],
    ) -> None:
        """``renewed`` is called with when the lease was asked for that we have got, ``gave_up`` before we give it back.

        Raises ``ConfigError`` if what the node says of itself can't be sent.
        """
        self._timings = timings
        self._prefix = prefix
        self._node_id = members.this.id
        self._info = _packed(members.this)
        self._names = names
        self._groups = groups
        self._members = members
        self._questions = questions
        self._inbound = inbound
        self._renewed = renewed
        self._gave_up = gave_up
        self._link = Link(address, timings, f"actorws-{self._node_id}", inbound.on_push, self._serve)
        #: Of the session, when it has begun.
        self.publisher: Publisher | None = None
        #: Until when nothing can have been lost; ``None`` before the first session.
        self._whole_until: float | None = None
        self._started: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
        self._session: trio.CancelScope | None = None
        self._stopping = False
        self._numbers = count(1)
        #: The server of the session before, and the id of its connection for commands.
        self._former: tuple[str, int] | None = None
        self._work = trio.CancelScope(shield=True)

    @property
    def trouble(self) -> str:
        """Why the last try failed, or the last session ended."""
        return self._link.trouble

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Hold one session after the other until cancelled. ``task_status`` is told when the first one has begun."""
        self._started = task_status
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_stopped)
            with self._work:
                await self._link.run()
            nursery.cancel_scope.cancel()

    async def _until_stopped(self) -> None:
        """When we are cancelled, the connections have to outlive that: see ``_serve``."""
        try:
            await trio.sleep_forever()
        finally:
            self._stopping = True
            self._work.deadline = trio.current_time() + FAREWELL
            (self._session or self._work).cancel()

    async def _serve(self, session: Session) -> None:
        publisher = Publisher(session.commands, self._prefix, self._node_id, next(self._numbers))
        try:
            with trio.CancelScope() as self._session:
                try:
                    await self._attend(session, publisher)
                finally:
                    self._end(session)
            # Only `_until_stopped` cancels it.
            self._gave_up()
            await self._run_script(publisher, scripts.DETACH, self._node_id, pack(self._node_id, envelope.Left()))
        finally:
            self._session = None
            if self._stopping:
                self._work.cancel()

    async def _attend(self, session: Session, publisher: Publisher) -> None:
        upkeep = Upkeep(session, publisher, self._prefix, self._node_id, self._timings)
        self._inbound.hold()
        async with trio.open_nursery() as nursery:
            await self._end_former(session, publisher)
            await _load_scripts(publisher)
            await self._groups.begin(session.pushes, self._timings.request)
            await self._attach(session, publisher)
            nursery.start_soon(upkeep.beat, self._renewed)
            for name, actor in await self._names.assert_again(publisher):
                self._inbound.node.name_lost(name, actor, "taken")
            await self._look_around(publisher)
            joined = pack(self._node_id, envelope.Joined(self._info))
            await publisher.call("PUBLISH", f"{self._prefix}ctl", joined)
            self._begun(publisher)
            nursery.start_soon(upkeep.probe)
            nursery.start_soon(upkeep.look_around, lambda: self._look_around(publisher))
            nursery.start_soon(upkeep.drop_idle, self._groups)
            nursery.start_soon(upkeep.sweep, self._names)
            nursery.start_soon(upkeep.give_back, self._names)

    async def _end_former(self, session: Session, publisher: Publisher) -> None:
        """What was sent in the session before, and is still on its way, must not come after what this one sends."""
        former, self._former = self._former, (session.server, session.id)
        if former is not None and former[0] == session.server:
            try:
                await publisher.call("CLIENT", "KILL", "ID", former[1])
            except Refused:
                pass  # it has gone; or we may not, and names are safe all the same (see `scripts`)
        # Not to begin the lease: that comes when all is prepared.
        await publisher.call("SET", f"{self._prefix}L:{self._node_id}", publisher.session, "XX", "KEEPTTL")

    async def _attach(self, session: Session, publisher: Publisher) -> None:
        # Before the lease, with which they would come to life again.
        await self._names.give_back_all(publisher)
        lease, marker = round(self._timings.lease * 1000), scripts.marker(self._prefix)
        was_used = await publisher.call("SCRIPT", "EXISTS", marker.sha) != [0]
        asked_at = trio.current_time()
        of_server = session.server, self._info, session.history, "" if was_used else session.uptime
        await self._run_script(publisher, scripts.ATTACH, self._node_id, publisher.session, lease, *of_server)
        self._renewed(asked_at)
        await publisher.call("SCRIPT", "LOAD", marker.source)

    def _begun(self, publisher: Publisher) -> None:
        self._link.begun()
        now, node = trio.current_time(), self._inbound.node
        if self._whole_until is not None:
            node.gap(Gap(now - self._whole_until, self._link.lost))
        elif self._inbound.has_dropped:
            node.gap(Gap(0.0, "too much came before the session had begun"))
        first, self._whole_until = self._whole_until is None, now
        self.publisher = publisher
        self._inbound.release()
        if first:
            self._started.started()

    def _end(self, session: Session) -> None:
        if self.publisher is not None:
            self._whole_until = session.pushes.last_heard
        self.publisher = None
        self._inbound.hold()
        self._groups.end()
        self._questions.end()

    async def _look_around(self, publisher: Publisher) -> None:
        complete, *infos = await self._run_script(publisher, scripts.NODES)
        living: list[NodeInfo] = []
        for info in infos:
            try:
                living.append(unpack_info(info))
            except MalformedMessage:
                self._inbound.malformed += 1
        self._members.are(living, self._inbound.node, complete=complete == 1)

    async def _run_script(self, publisher: Publisher, script: scripts.Script, *arguments: Argument) -> Any:
        return await publisher.call(*script.command(self._prefix, *arguments))


async def _load_scripts(publisher: Publisher) -> None:
    replies = []
    for script in scripts.ALL:
        replies.append(Reply())
        publisher.send(replies[-1], "SCRIPT", "LOAD", script.source)
    for reply in replies:
        await reply.wait()


def _packed(info: NodeInfo) -> bytes:
    try:
        return pack_info(info)
    except UnsendableMessage as error:
        raise ConfigError(str(error)) from None
