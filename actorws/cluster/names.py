"""Names: those that this node's actors have, and their way through leases lost, links lost and takeovers.

Rules owned here: this node acts for a name only while its lease lasts by its own clock; what a session didn't carry out
is carried out in the next one; whoever is told late that a name was taken over is not told of a later owner. Must not
know how a session is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Any, TypeVar

import trio
from attrs import frozen

from actorws.cluster import scripts
from actorws.cluster.engine import Node, Place
from actorws.cluster.publisher import Publisher
from actorws.cluster.replies import OnReply, ignore
from actorws.cluster.resp import Argument
from actorws.exceptions import EngineUnavailable, NameTaken

__all__ = ["Names"]

#: Names of one script call: longer ones would hold up everybody else at the engine.
BATCH = 500
#: Entries that a sweep looks at.
SWEEP = 500

T = TypeVar("T")


@frozen
class Held:
    """Who has a name."""

    actor: int
    fence: int


class _Attempt:
    """A name that is being registered."""

    __slots__ = ("_over", "taken_by")

    def __init__(self) -> None:
        #: The fence of who took it over meanwhile: that can be heard of before the reply.
        self.taken_by = 0
        self._over: trio.Event | None = None

    def end(self) -> None:
        if self._over is not None:
            self._over.set()

    async def wait_over(self) -> None:
        if self._over is None:
            self._over = trio.Event()
        await self._over.wait()


class Names:
    """The names of one node."""

    def __init__(self, prefix: str, node_id: str, lease_lasts: Callable[[], bool]) -> None:
        self._prefix = prefix
        self._node_id = node_id
        self._lease_lasts = lease_lasts
        self._held: dict[str, Held] = {}
        self._attempts: dict[str, _Attempt] = {}
        #: Names to be given back and their actors: not done yet, as far as we know. With a ticket, because what was
        #: given back and wanted again may be unwanted again before the first reply.
        self._unwanted: dict[str, dict[int, int]] = {}
        self._tickets = count()

    def fence(self, name: str) -> int | None:
        """The fence of a name that this node has."""
        held = self._held.get(name)
        return None if held is None else held.fence

    # Registering

    async def register(self, publisher: Publisher, name: str, actor: int, takeover: bool) -> int:
        """See ``Engine.register``."""
        known = self._known(name, actor, takeover)
        if known is not None or name in self._attempts:
            await trio.lowlevel.checkpoint()
            # One after the other: what became of one decides what the next may do.
            while (attempt := self._attempts.get(name)) is not None:
                await attempt.wait_over()
            known = self._known(name, actor, takeover)
        if isinstance(known, NameTaken):
            raise known
        return known if known is not None else await self._attempt(publisher, name, actor, takeover)

    async def _attempt(self, publisher: Publisher, name: str, actor: int, takeover: bool) -> int:
        self._is_wanted(name, actor)
        for other in list(self._unwanted.get(name, ())):
            self._send_back(publisher, [(name, other)], sure=True)
        attempt = self._attempts[name] = _Attempt()
        try:
            fence = await self._ask(publisher, name, actor, takeover)
            if not self._lease_lasts():
                raise EngineUnavailable("this node's lease has run out")
            if attempt.taken_by > fence:
                raise NameTaken(name)
        except NameTaken:
            raise
        except BaseException:
            # Whether we have it is unknown: if so, we don't want it any more.
            held = self._held.get(name)
            if held is None or held.actor != actor:
                self._give_back(publisher, name, actor)
            raise
        finally:
            del self._attempts[name]
            attempt.end()
        self._held[name] = Held(actor, fence)
        return fence

    def _known(self, name: str, actor: int, takeover: bool) -> int | NameTaken | None:
        """What needs no asking."""
        held = self._held.get(name)
        if held is None or not self._lease_lasts():
            return None
        if held.actor == actor:
            return held.fence
        return None if takeover else NameTaken(name)

    async def _ask(self, publisher: Publisher, name: str, actor: int, takeover: bool) -> int:
        while True:
            held = self._held.get(name)
            command = self._run_ours(scripts.REGISTER, publisher)
            match await publisher.call_together(
                command, name, actor, int(takeover), "" if held is None else held.actor
            ):
                case [b"FENCE", fence]:
                    return int(fence)
                case [b"TAKEN"]:
                    raise NameTaken(name)
                case [b"WAIT", milliseconds]:
                    # The engine may have forgotten who has it: every former owner gets the time to say so.
                    with trio.move_on_after(int(milliseconds) / 1000 + 0.001):
                        await publisher.wait_over()
                case _:
                    raise EngineUnavailable("this node's lease has run out")

    # Giving back

    def release(self, name: str, actor: int, publisher: Publisher | None) -> None:
        """See ``Engine.release``."""
        held = self._held.get(name)
        if held is not None and held.actor == actor:
            del self._held[name]
        self._give_back(publisher, name, actor)

    def _give_back(self, publisher: Publisher | None, name: str, actor: int) -> None:
        self._unwanted.setdefault(name, {})[actor] = next(self._tickets)
        if publisher is not None:
            try:
                done, arguments = self._giving_back([(name, actor)])
                publisher.send_together(done, self._run_ours(scripts.RELEASE, publisher), *arguments)
            except (trio.WouldBlock, EngineUnavailable):
                pass  # done later: see `give_back_all`

    def _send_back(self, publisher: Publisher, pairs: list[tuple[str, int]], *, sure: bool = False) -> None:
        if pairs:
            done, arguments = self._giving_back(pairs)
            publisher.send(done, *self._run_ours(scripts.RELEASE, publisher, *arguments), sure=sure)

    def _giving_back(self, pairs: list[tuple[str, int]]) -> tuple[OnReply, list[Argument]]:
        """What is to be done with the reply, and the arguments of the script."""
        tickets = [(name, actor, self._unwanted[name][actor]) for name, actor in pairs]

        def done(reply: Any) -> None:
            if not isinstance(reply, Exception):
                for name, actor, ticket in tickets:
                    self._is_wanted(name, actor, ticket)

        return done, [item for name, actor in pairs for item in (name, actor, self._instead_of(name, actor))]

    def _instead_of(self, name: str, actor: int) -> str:
        """Who has it, for the engine, if ``actor`` was to take it over on this node and whether it did is unknown."""
        held = self._held.get(name)
        return "" if held is None or held.actor == actor else f"{held.actor}|{held.fence}"

    def _is_wanted(self, name: str, actor: int, ticket: int | None = None) -> None:
        """Not to be given back, or done."""
        actors = self._unwanted.get(name)
        if actors is not None and actor in actors and ticket in (None, actors[actor]):
            del actors[actor]
            if not actors:
                del self._unwanted[name]

    async def give_back_all(self, publisher: Publisher) -> None:
        """Give back what could not be given back before. What was lost or given up while there was no link must not
        come to life again with the lease."""
        pairs = [(name, actor) for name, actors in self._unwanted.items() for actor in actors]
        for batch in _batches(pairs):
            await publisher.wait_for_room()
            # Some may have been given back since, or are wanted again.
            self._send_back(
                publisher, [pair for pair in batch if pair[1] in self._unwanted.get(pair[0], ())], sure=True
            )

    # Sessions and leases

    async def assert_again(self, publisher: Publisher) -> list[tuple[str, int]]:
        """Tell the engine, which may have lost its memory, what we have; returns what others have instead."""
        lost: list[tuple[str, int]] = []
        for batch in _batches(list(self._held.items())):
            arguments = [argument for name, held in batch for argument in (name, held.actor, held.fence)]
            for found in await publisher.call(*self._run_ours(scripts.REASSERT, publisher, *arguments)):
                name = found.decode()
                held = self._held.pop(name, None)
                if held is not None:
                    lost.append((name, held.actor))
        return lost

    def taken(self, name: str, fence: int) -> int | None:
        """Another node took ``name`` over, with ``fence``; returns the actor that had it here until now."""
        attempt = self._attempts.get(name)
        if attempt is not None:
            attempt.taken_by = max(attempt.taken_by, fence)
        held = self._held.get(name)
        if held is None or held.fence >= fence:
            return None
        del self._held[name]
        return held.actor

    def lease_ended(self, node: Node, publisher: Publisher | None) -> None:
        """The lease is over by our clock: act for none of them any more, and give them back."""
        held, self._held = self._held, {}
        for name, owner in held.items():
            # At once, if there is a link: the next heartbeat may bring the lease back to life, and the names with it.
            self._give_back(publisher, name, owner.actor)
        for name, owner in held.items():
            node.name_lost(name, owner.actor, "lease")

    # Others' names

    async def send(self, publisher: Publisher, name: str, envelope: bytes) -> bool:
        """See ``Engine.send``."""
        reached = await publisher.call(*self._run(scripts.SEND, name, envelope))
        if reached == 0:
            raise EngineUnavailable(f"the node of {name!r} has lost its link to the engine")
        return bool(reached > 0)

    def send_nowait(self, publisher: Publisher, name: str, envelope: bytes) -> None:
        """See ``Engine.send_nowait``."""
        publisher.send(ignore, *self._run(scripts.SEND, name, envelope))

    async def locate(self, publisher: Publisher, name: str) -> Place | None:
        """See ``Engine.locate``."""
        found = await publisher.call(*self._run(scripts.LOCATE, name))
        return Place(found[0].decode(errors="replace"), int(found[1])) if found else None

    async def sweep(self, publisher: Publisher, cursor: bytes) -> bytes:
        """Forget some names of nodes that are gone, and of actors that are gone here; returns where to go on.

        The engine may have gone back to an older memory of its own, in which they were still had.
        """
        goes_on: bytes
        goes_on, *own = await publisher.call(*self._run(scripts.SWEEP, self._node_id, cursor, SWEEP))
        for name, actor in zip(own[::2], own[1::2], strict=True):
            self._give_back_unless_had(publisher, name.decode(errors="replace"), int(actor))
        return goes_on

    def _give_back_unless_had(self, publisher: Publisher, name: str, actor: int) -> None:
        held = self._held.get(name)
        if (held is None or held.actor != actor) and name not in self._attempts:
            self._give_back(publisher, name, actor)

    def _run_ours(self, script: scripts.Script, publisher: Publisher, *arguments: Argument) -> tuple[Argument, ...]:
        return self._run(script, self._node_id, publisher.session, *arguments)

    def _run(self, script: scripts.Script, *arguments: Argument) -> tuple[Argument, ...]:
        return script.command(self._prefix, *arguments)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
