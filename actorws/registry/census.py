"""Census: who is in a group, in all of the cluster.

Rule owned here: what other nodes did not say in time is told as ``missing``, never taken for nobody. Must not know how
one becomes a member.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen

from actorws.cluster.engine import Place
from actorws.registry.courier import Courier
from actorws.registry.refs import ActorRef, ref_to
from actorws.registry.table import Members

__all__ = ["ASK_TIMEOUT", "Count", "Member", "MemberList", "answer", "ask_count", "ask_members", "members_here"]

#: Seconds that other nodes have to say who is in a group.
ASK_TIMEOUT = 2.0
#: Questions to other nodes.
COUNT, MEMBERS = b"count", b"members"


@frozen
class Member:
    """One member of a group."""

    ref: ActorRef
    """Reaches it alone."""
    meta: Any
    """What it joined with."""

    @property
    def id(self) -> str:
        """The id of its connection."""
        return self.ref.id


class Count(int):
    """A number of members."""

    missing: int = 0
    """Nodes with members that did not say how many in time."""


class MemberList(list[Member]):
    """Members, those of this node first."""

    missing: int = 0
    """Nodes with members that did not say whom in time."""


def members_here(courier: Courier, members: Members | None) -> MemberList:
    """Those of this node, in the order of joining."""
    entries = () if members is None else members.by_actor.items()
    return MemberList(Member(ActorRef(actor.conn.id, actor, courier), meta) for actor, meta in entries)


async def ask_members(courier: Courier, group: str, here: MemberList, timeout: float) -> MemberList:
    """Those ``here``, then those of other nodes."""
    answers = await courier.engine.ask(group, MEMBERS, timeout)
    here.missing = answers.missing
    for payload in answers.payloads:
        here += _members_elsewhere(courier, payload)
    return here


async def ask_count(courier: Courier, group: str, here: int, timeout: float) -> Count:
    """Those ``here`` and those of other nodes."""
    answers = await courier.engine.ask(group, COUNT, timeout)
    count = Count(here + sum(int.from_bytes(payload, "big") for payload in answers.payloads))
    count.missing = answers.missing
    return count


def answer(courier: Courier, question: bytes, members: Members | None) -> bytes:
    """What another node wants to know of the members here. Raises ``MessageTooLarge`` for more than can be said."""
    if question == COUNT:
        return (0 if members is None else len(members.by_actor)).to_bytes(8, "big")
    entries = () if members is None else members.by_actor.items()
    return courier.encoded([courier.engine.node_id, [[actor.conn.number, meta] for actor, meta in entries]])


def _members_elsewhere(courier: Courier, payload: bytes) -> list[Member]:
    node, entries = courier.decoded(payload)
    return [Member(ref_to(Place(node, number), courier), meta) for number, meta in entries]
