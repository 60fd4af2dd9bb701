"""Arrivals: what comes from other nodes, through the engine, for actors of this one.

Rule owned here: whatever comes, and however late, finds the actor that it is for or nobody, and what can't be read
costs nobody anything but itself. Must not know engines, nor how an actor is ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from actorws.cluster.engine import Kind, NodeInfo
from actorws.events import Emit, MessageMalformed, NodeJoined, NodeLeft
from actorws.exceptions import MalformedMessage, MessageTooLarge
from actorws.notices import Gap
from actorws.registry.courier import Courier
from actorws.registry.group import Group
from actorws.registry.unique import Unique

__all__ = ["Arrivals"]


class Arrivals:
    """What an engine tells its node (``engine.Node``).

    ``on_lost(actor, name, why)`` is called when an actor has lost a name; ``on_gap`` with each gap.
    """

    def __init__(
        self,
        courier: Courier,
        unique: Unique,
        group: Group,
        emit: Emit,
        # Any: whoever ends actors knows more of them than the registry does.
        on_lost: Callable[[Any, str, str], None],
        on_gap: Callable[[Gap], None],
    ) -> None:
        self._courier = courier
        self._unique = unique
        self._group = group
        self._emit = emit
        self._on_lost = on_lost
        self._on_gap = on_gap

    def deliver(self, name: str, payload: bytes) -> None:
        """A message for the actor that has ``name`` here."""
        self._post(self._unique.owner(name), payload)

    def deliver_to(self, actor: int, payload: bytes) -> None:
        """A message for one actor."""
        self._post(self._courier.actors.get(actor), payload)

    def _post(self, actor: Any, payload: bytes) -> None:
        if actor is None or actor.has_ended:
            return
        try:
            self._courier.post(actor, self._courier.decoded(payload))
        except MalformedMessage as error:
            self._emit(MessageMalformed(str(error)))

    def deliver_group(self, group: str, kind: Kind, payload: bytes) -> None:
        """Something for the members of ``group`` here."""
        try:
            self._group.arrived(group, kind, payload)
        except MalformedMessage as error:
            self._emit(MessageMalformed(str(error)))

    def answer(self, group: str, question: bytes) -> bytes:
        """Another node asks about ``group``. Raises ``ValueError`` for more than can be said."""
        try:
            return self._group.answer(group, question)
        except MessageTooLarge as error:
            raise ValueError(str(error)) from None

    def name_lost(self, name: str, actor: int, why: Literal["lease", "taken"]) -> None:
        """``actor`` has ``name`` no more."""
        loser = self._unique.lost(name, actor)
        if loser is not None:
            self._on_lost(loser, name, why)

    def gap(self, gap: Gap) -> None:
        """Messages may have been lost."""
        self._on_gap(gap)

    def node_joined(self, node: NodeInfo) -> None:
        """Another node has come."""
        self._emit(NodeJoined(node))

    def node_left(self, node: NodeInfo) -> None:
        """Another node has gone."""
        self._emit(NodeLeft(node))
