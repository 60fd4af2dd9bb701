"""Courier: what the registry sends with: the runtime's run queue to actors here, the engine to those elsewhere.

Rule owned here: a message arrives the same whether its receiver is on this node or another (so it is encoded and
decoded even where nobody else is, unless ``messages`` is ``None``). Must not know names or groups.
"""

from __future__ import annotations

from typing import Any

from actorws.cluster.engine import Engine
from actorws.cluster.local import LocalEngine
from actorws.cluster.messages import Messages
from actorws.registry.table import MESSAGE, Actor, Outbox

__all__ = ["Courier"]


class Courier:
    """Shared by everything in one registry."""

    __slots__ = ("actors", "engine", "messages", "outbox")

    def __init__(self, outbox: Outbox, engine: Engine | None = None, messages: Messages | None = None) -> None:
        """Raises ``ValueError`` where there are other nodes and no ``messages`` to write to them."""
        self.outbox = outbox
        self.engine = engine or LocalEngine()
        self.messages = messages
        if messages is None and not self.engine.alone:
            raise ValueError("messages between nodes have to be encoded")
        #: Those that other nodes may know of, by number; empty where there are none.
        self.actors: dict[int, Actor] = {}

    @property
    def alone(self) -> bool:
        """Whether there is no other node."""
        return self.engine.alone

    def copied(self, message: Any) -> Any:
        """The message as it arrives. Raises ``UnsendableMessage`` and ``MessageTooLarge``."""
        return message if self.messages is None else self.messages.copy(message)

    def encoded(self, message: Any) -> bytes:
        """The message for other nodes. Raises as ``copied``."""
        assert self.messages is not None
        return self.messages.encode(message)

    def arrived(self, message: Any, data: bytes) -> Any:
        """As ``copied``, of a message that was encoded as ``data``."""
        assert self.messages is not None
        return self.messages.arrived(message, data)

    def decoded(self, data: bytes) -> Any:
        """A message from another node. Raises ``MalformedMessage``."""
        assert self.messages is not None
        return self.messages.decode(data)

    @property
    def max_size(self) -> int:
        """Bytes of what may be sent to other nodes, at most."""
        assert self.messages is not None
        return self.messages.max_size

    def post(self, actor: Actor, message: Any) -> None:
        """Send to one actor here."""
        self.outbox.post(MESSAGE, (actor,), message, None)

    # Actors that others may know of

    def publish_number(self, actor: Actor) -> int:
        """Others may send to the actor from now on."""
        number = actor.conn.number
        self.actors[number] = actor
        return number

    def forget(self, actor: Actor) -> None:
        """The actor has ended."""
        if self.actors:
            self.actors.pop(actor.conn.number, None)
