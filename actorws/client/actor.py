"""The actor behind an outbound connection: as any other, and whoever looks after it is told of its end.

Rule owned here: they are told last, when its names are free and ``terminate`` has returned. Must not know who they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from actorws.actor.actor import Actor
from actorws.reasons import Reason

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.conn import Conn
    from actorws.transports.contract import ActorTransport

__all__ = ["OutboundActor"]


class OutboundActor(Actor):
    """One outbound connection's."""

    __slots__ = ("_on_end",)

    def __init__(self, kind: Kind, conn: Conn, transport: ActorTransport, on_end: Callable[[Reason], None]) -> None:
        super().__init__(kind, conn, transport)
        self._on_end = on_end

    def ended(self) -> None:
        reason = self.reason
        assert reason is not None
        super().ended()
        self._on_end(reason)
