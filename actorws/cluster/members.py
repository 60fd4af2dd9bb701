"""Members: the nodes of the cluster, as last heard of.

Rules owned here: each coming and going is told once; who is not heard of only because the engine has lost its memory
has not gone. Must not know how it is heard of.
"""

from __future__ import annotations

from collections.abc import Sequence

from actorws.cluster.engine import Node, NodeInfo

__all__ = ["Members"]


class Members:
    """Every node, this one first."""

    def __init__(self, this: NodeInfo) -> None:
        self.this = this
        self._others: dict[str, NodeInfo] = {}

    def all(self) -> tuple[NodeInfo, ...]:
        """Every node that lives."""
        return (self.this, *self._others.values())

    def joined(self, info: NodeInfo, node: Node) -> None:
        """One has come, or is known already."""
        if info.id != self.this.id and info.id not in self._others:
            self._others[info.id] = info
            node.node_joined(info)

    def left(self, node_id: str, node: Node) -> None:
        """One has gone, or was not known."""
        info = self._others.pop(node_id, None)
        if info is not None:
            node.node_left(info)

    def are(self, living: Sequence[NodeInfo], node: Node, *, complete: bool) -> None:
        """These live, and if that is ``complete``, no others."""
        if complete:
            ids = {info.id for info in living}
            for gone in [node_id for node_id in self._others if node_id not in ids]:
                self.left(gone, node)
        for info in living:
            self.joined(info, node)
