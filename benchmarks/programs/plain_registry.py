"""Plain registry: names and groups as one would write them in an afternoon; the baseline of ``registry``.

Rule owned here: nothing is done that can be left out: no checks of names, no run queue, no end of a member; a message
is a call. So it is what a registry costs at least.
"""

from __future__ import annotations

__all__ = ["PlainActor", "PlainRegistry"]


class PlainActor:
    """Counts what it gets."""

    def __init__(self) -> None:
        self.received = 0

    def receive(self, message: str) -> None:
        self.received += 1


class PlainRegistry:
    """A dict of names, and a dict of sets."""

    def __init__(self) -> None:
        self.names: dict[str, PlainActor] = {}
        self.groups: dict[str, set[PlainActor]] = {}

    def register(self, name: str, actor: PlainActor) -> None:
        if name in self.names:
            raise KeyError(f"{name} is taken")
        self.names[name] = actor

    def unregister(self, name: str) -> bool:
        return self.names.pop(name, None) is not None

    def send(self, name: str, message: str) -> bool:
        actor = self.names.get(name)
        if actor is None:
            return False
        actor.receive(message)
        return True

    def join(self, group: str, actor: PlainActor) -> None:
        self.groups.setdefault(group, set()).add(actor)

    def leave(self, group: str, actor: PlainActor) -> None:
        members = self.groups[group]
        members.discard(actor)
        if not members:
            del self.groups[group]

    def publish(self, group: str, message: str) -> int:
        members = tuple(self.groups.get(group, ()))
        for member in members:
            member.receive(message)
        return len(members)
