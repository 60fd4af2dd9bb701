"""Groups: names that many actors share, to reach them (publish) or their clients (broadcast) all at once.

Rule owned here: who is reached: on this node the members at the instant of the call, without those who leave before the
delivery; on other nodes the members when it arrives. Must not know how a frame is encoded or delivered.

Each call has two forms. ``X_nowait`` acts and returns. ``X`` does the same between two checkpoints: cancelled
on entry it has done nothing; once it has acted it can't be cancelled any more. In a cluster ``X`` also waits for the
engine: what is for members of this node is done before that, also if it then raises ``EngineUnavailable`` or is
cancelled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from trio.lowlevel import cancel_shielded_checkpoint, checkpoint_if_cancelled

from actorws.cluster.engine import Kind
from actorws.conn import Conn
from actorws.exceptions import EngineUnavailable, MalformedMessage, MessageTooLarge
from actorws.frames import Frame
from actorws.registry import census
from actorws.registry.broadcasts import checked, frame_of, payload_of
from actorws.registry.census import ASK_TIMEOUT, Count, Member, MemberList
from actorws.registry.courier import Courier
from actorws.registry.refs import ActorRef
from actorws.registry.table import FRAME, MESSAGE, Actor, Groups, check_name

__all__ = ["FrameFor", "Group"]

#: Gives each member's frame for a broadcast, from its conn and ``meta``; ``None`` leaves the member out.
FrameFor: TypeAlias = Callable[[Conn, Any], Frame | None]


class Group:
    """The groups of one runtime. ``courier`` takes what is sent."""

    __slots__ = ("_courier", "_groups")

    def __init__(self, courier: Courier) -> None:
        self._groups = Groups()
        self._courier = courier

    # Membership

    async def join(self, group: str, actor: Actor, meta: Any = None) -> None:
        """Make ``actor`` a member of ``group``; ``members`` shows ``meta``. Joining again replaces ``meta``.

        In a cluster it returns when what other nodes publish from now on will come; if the engine can't be reached
        now, at once: what is missed until it can is told as a ``Gap``. Raises ``ConnectionEnded`` if ``actor`` has
        ended, ``TypeError`` or ``ValueError`` for a bad name, ``UnsendableMessage`` for a ``meta`` that other nodes
        can't be told.
        """
        await checkpoint_if_cancelled()
        if self._courier.alone:
            self.join_nowait(group, actor, meta)
            await cancel_shielded_checkpoint()
        else:
            self._add(group, actor, meta)
            await self._courier.engine.join(group)

    def join_nowait(self, group: str, actor: Actor, meta: Any = None) -> None:
        """As ``join``, without waiting: what other nodes publish in the next moments may not come yet."""
        self._add(group, actor, meta)
        if not self._courier.alone:
            self._courier.engine.join_nowait(group)

    def _add(self, group: str, actor: Actor, meta: Any) -> None:
        if not self._courier.alone:
            self._courier.encoded(meta)
            self._courier.publish_number(actor)
        self._groups.add(check_name("group", group), actor, meta)

    async def leave(self, group: str, actor: Actor | None) -> bool:
        """End a membership; what was published and not delivered yet no longer reaches ``actor``.

        False if ``actor`` is no member.
        """
        await checkpoint_if_cancelled()
        was_member = self.leave_nowait(group, actor)
        await cancel_shielded_checkpoint()
        return was_member

    def leave_nowait(self, group: str, actor: Actor | None) -> bool:
        """As ``leave``, without waiting."""
        check_name("group", group)
        if actor is None or not self._groups.remove(group, actor):
            return False
        self._left(group)
        return True

    def _left(self, group: str) -> None:
        if not self._courier.alone and self._groups.members(group) is None:
            self._courier.engine.leave(group)

    def forget(self, actor: Actor) -> None:
        """End every membership of ``actor``; called in the step that decides its end."""
        groups = tuple(actor.groups or ())
        self._groups.forget(actor)
        if not self._courier.alone:
            for group in groups:
                self._left(group)

    # Sending

    async def publish(self, group: str, message: Any, exclude: Conn | ActorRef | None = None) -> int:
        """Send ``message`` to ``handle_server_message`` of every member, the sender included when it is one.

        ``exclude`` leaves one out. Returns how many members of this node it goes to, and in a cluster other nodes that
        have members besides; never raises for one that is closing. Raises ``UnsendableMessage`` and
        ``MessageTooLarge`` for a message that can't be sent.
        """
        await checkpoint_if_cancelled()
        courier = self._courier
        if courier.alone:
            count = self.publish_nowait(group, message, exclude)
            await cancel_shielded_checkpoint()
            return count
        excluded, data = _excluded(exclude), courier.encoded(message)
        count = self._post_arrived(check_name("group", group), message, data, excluded)
        return count + await courier.engine.publish(group, "message", data)

    def publish_nowait(self, group: str, message: Any, exclude: Conn | ActorRef | None = None) -> int:
        """As ``publish``, without waiting; returns how many members of this node it goes to.

        In a cluster it raises ``trio.WouldBlock`` when too much waits for the engine already, and has done nothing.
        """
        check_name("group", group)
        courier, excluded = self._courier, _excluded(exclude)
        if courier.alone:
            return self._post(MESSAGE, group, courier.copied(message), excluded)
        data = courier.encoded(message)
        unreachable = self._to_others(group, "message", data)
        count = self._post_arrived(group, message, data, excluded)
        if unreachable is not None:
            raise unreachable
        return count

    async def broadcast(self, group: str, frame: Frame | FrameFor, exclude: Conn | ActorRef | None = None) -> int:
        """Send ``frame`` straight to the client of every member: no callback runs, and it is encoded once.

        ``frame`` may be a function of ``(conn, meta)``, called for each member at the delivery, that returns the
        member's frame or ``None``. ``exclude`` leaves one member out. Returns as ``publish``. In a cluster a
        function, and ``Ping`` and ``Pong``, are a ``TypeError``: they mean nothing on other nodes.
        Raises ``TypeError`` for anything else than a frame or a function, ``ValueError`` for text with a lone
        surrogate. Bytes-like frames that can change are copied.
        """
        await checkpoint_if_cancelled()
        if self._courier.alone:
            count = self.broadcast_nowait(group, frame, exclude)
            await cancel_shielded_checkpoint()
            return count
        sendable, excluded = checked(frame), _excluded(exclude)
        kind, payload = self._for_others(sendable)
        count = self._post(FRAME, check_name("group", group), sendable, excluded)
        return count + await self._courier.engine.publish(group, kind, payload)

    def broadcast_nowait(self, group: str, frame: Frame | FrameFor, exclude: Conn | ActorRef | None = None) -> int:
        """As ``broadcast``, without waiting; returns and raises as ``publish_nowait``."""
        check_name("group", group)
        sendable, excluded, unreachable = checked(frame), _excluded(exclude), None
        if not self._courier.alone:
            unreachable = self._to_others(group, *self._for_others(sendable))
        count = self._post(FRAME, group, sendable, excluded)
        if unreachable is not None:
            raise unreachable
        return count

    def _for_others(self, frame: object) -> tuple[Kind, bytes]:
        kind, payload = payload_of(frame)
        if len(payload) > (limit := self._courier.max_size):
            raise MessageTooLarge(f"the frame has {len(payload)} bytes; in a cluster at most {limit} can be broadcast")
        return kind, payload

    def _to_others(self, group: str, kind: Kind, payload: bytes) -> EngineUnavailable | None:
        """Publish to other nodes; what is to be raised when those here have it."""
        try:
            self._courier.engine.publish_nowait(group, kind, payload)
        except EngineUnavailable as error:
            return error
        return None

    def _post_arrived(self, group: str, message: Any, data: bytes, excluded: Actor | None) -> int:
        """As ``_post``, of a message that was encoded as ``data``; where nobody is, it need not be decoded."""
        if self._groups.members(group) is None:
            return 0
        return self._post(MESSAGE, group, self._courier.arrived(message, data), excluded)

    def _post(self, kind: int, group: str, payload: object, excluded: Actor | None) -> int:
        members = self._groups.members(group)
        if members is None:
            return 0
        targets = members.targets(excluded)
        if targets:
            self._courier.outbox.post(kind, targets, payload, members)
        return len(targets)

    # Who is in it

    async def members(self, group: str, timeout: float = ASK_TIMEOUT) -> MemberList:
        """The members of ``group`` in the cluster: those of this node in the order of joining, then the others.

        Other nodes have ``timeout`` seconds to answer; ``missing`` in the result says how many didn't.
        """
        here = census.members_here(self._courier, self._groups.members(check_name("group", group)))
        if self._courier.alone:
            await checkpoint_if_cancelled()
            await cancel_shielded_checkpoint()
            return here
        return await census.ask_members(self._courier, group, here, timeout)

    def members_nowait(self, group: str) -> list[Member]:
        """The members of ``group`` on this node."""
        return census.members_here(self._courier, self._groups.members(check_name("group", group)))

    async def count(self, group: str, timeout: float = ASK_TIMEOUT) -> Count:
        """How many members ``group`` has in the cluster. ``timeout`` and ``missing`` as for ``members``."""
        here = self.count_nowait(group)
        if self._courier.alone:
            await checkpoint_if_cancelled()
            await cancel_shielded_checkpoint()
            return Count(here)
        return await census.ask_count(self._courier, group, here, timeout)

    def count_nowait(self, group: str) -> int:
        """How many members ``group`` has on this node."""
        members = self._groups.members(check_name("group", group))
        return 0 if members is None else len(members.by_actor)

    def is_member(self, group: str, actor: Actor | None) -> bool:
        """Whether ``actor`` is a member of ``group``."""
        check_name("group", group)
        return actor is not None and actor.groups is not None and group in actor.groups

    def groups_of(self, actor: Actor | None) -> frozenset[str]:
        """The groups that ``actor`` is a member of."""
        return frozenset() if actor is None or actor.groups is None else frozenset(actor.groups)

    def names(self) -> list[str]:
        """The groups of this runtime that have members."""
        return list(self._groups)

    # From other nodes

    def arrived(self, group: str, kind: Kind, payload: bytes) -> None:
        """Another node has sent something to the members here. Raises ``MalformedMessage`` for what can't be read."""
        members = self._groups.members(group)
        if members is None:
            return
        if kind == "message":
            self._courier.outbox.post(MESSAGE, members.targets(), self._courier.decoded(payload), members)
            return
        try:
            frame = frame_of(kind, payload)
        except ValueError as error:
            raise MalformedMessage(f"a frame from another node can't be read: {error}") from None
        self._courier.outbox.post(FRAME, members.targets(), frame, members)

    def answer(self, group: str, question: bytes) -> bytes:
        """What another node wants to know of the members here. Raises ``MessageTooLarge`` for more than can be said."""
        return census.answer(self._courier, question, self._groups.members(group))


def _excluded(exclude: object) -> Actor | None:
    if exclude is None:
        return None
    if isinstance(exclude, Conn | ActorRef):
        return exclude._actor
    raise TypeError(f"exclude must be a Conn, an ActorRef or None, not {exclude!r}")
