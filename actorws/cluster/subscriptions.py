"""Subscriptions: the groups that have members on this node, as the engine knows them.

Rules owned here: who joins waits until what others publish will come; a group is subscribed to from its first member on
and for a while after its last (``linger``), so that coming and going costs the engine nothing; what changes in one tick
leaves in one command. Must not know members.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import trio

from actorws.cluster.resp import Connection
from actorws.exceptions import EngineUnavailable

__all__ = ["CHUNK", "Subscriptions"]

#: Channels of one SUBSCRIBE.
CHUNK = 1000


class _Group:
    # One per group: no event that nobody waits for (its set alone has 200 bytes).
    __slots__ = ("acked", "waited_for")

    def __init__(self) -> None:
        #: Whether the engine has confirmed it in this session.
        self.acked = False
        self.waited_for: trio.Event | None = None

    def go_on(self) -> None:
        if self.waited_for is not None:
            self.waited_for.set()
            self.waited_for = None


class Subscriptions:
    """The groups of one node. ``own`` are the channels that it listens to in any case."""

    def __init__(self, prefix: str, own: Sequence[str]) -> None:
        self._prefix = prefix + "g:"
        self._own = tuple(own)
        #: Channels of a new session that are still to be confirmed.
        self._awaited: set[str] = set()
        self._all_acked = trio.Event()
        self._groups: dict[str, _Group] = {}
        #: Those without members, and when the last one left; who left first is the first.
        self._idle: dict[str, float] = {}
        #: Groups that the engine is to be told of: those in ``_groups`` are subscribed to, the others are not.
        self._changed: dict[str, None] = {}
        self._connection: Connection | None = None

    def __len__(self) -> int:
        return len(self._groups)

    def __contains__(self, group: str) -> bool:
        """Whether the engine sends us what is published to ``group``."""
        entry = self._groups.get(group)
        return entry is not None and entry.acked

    def join(self, group: str) -> None:
        """There is a member."""
        if group in self._groups:
            self._idle.pop(group, None)
        else:
            self._groups[group] = _Group()
            self._change(group)

    async def wait_acked(self, group: str) -> None:
        """Wait until what others publish will come. Returns at once where there is nothing to wait for: acked already,
        or no link. A checkpoint in any case."""
        entry = self._groups.get(group)
        if entry is None or entry.acked or self._connection is None:
            await trio.lowlevel.checkpoint()
            return
        if entry.waited_for is None:
            entry.waited_for = trio.Event()
        await entry.waited_for.wait()

    def leave(self, group: str) -> None:
        """No member any more."""
        if group in self._groups:
            self._idle.setdefault(group, trio.current_time())

    def drop_idle(self, linger: float) -> None:
        """Unsubscribe from what has had no member for ``linger`` seconds."""
        before = trio.current_time() - linger
        for name in list(takewhile(lambda name: self._idle[name] <= before, self._idle)):
            # Those that aren't confirmed yet have to stay: two confirmations on their way could not be told apart.
            if self._groups[name].acked:
                del self._groups[name], self._idle[name]
                self._change(name)

    def _change(self, group: str) -> None:
        if self._connection is not None:
            self._changed[group] = None
            self._connection.wake()

    def _flush(self) -> None:
        """Tell the engine of what has changed."""
        changed, self._changed = list(self._changed), {}
        self._send("SUBSCRIBE", [self._prefix + group for group in changed if group in self._groups])
        self._send("UNSUBSCRIBE", [self._prefix + group for group in changed if group not in self._groups])

    def _send(self, command: str, channels: list[str]) -> None:
        if self._connection is not None:
            for start in range(0, len(channels), CHUNK):
                self._connection.subscribe(command, *channels[start : start + CHUNK])

    # Sessions

    async def begin(self, connection: Connection, patience: float) -> None:
        """Subscribe to everything, and wait until that holds.

        Raises ``EngineUnavailable`` when nothing comes for ``patience`` seconds.
        """
        for name in self._idle:
            del self._groups[name]
        self._idle.clear()
        self._connection = connection
        channels = [*self._own, *(self._prefix + name for name in self._groups)]
        self._awaited, self._all_acked = set(channels), trio.Event()
        self._send("SUBSCRIBE", channels)
        connection.before_write = self._flush
        while not self._all_acked.is_set():
            heard = connection.last_heard
            with trio.move_on_after(patience):
                await self._all_acked.wait()
            if not self._all_acked.is_set() and connection.last_heard == heard:
                raise EngineUnavailable(f"the engine did not confirm the subscriptions within {patience:g} s")

    def acked(self, channel: str) -> None:
        """The engine has confirmed a channel."""
        if self._awaited:
            self._awaited.discard(channel)
            if not self._awaited:
                self._all_acked.set()
        if channel.startswith(self._prefix):
            entry = self._groups.get(channel[len(self._prefix) :])
            if entry is not None:
                entry.acked = True
                entry.go_on()

    def end(self) -> None:
        """The session is over. Who waits for a group goes on: what is missed until the next one is told as a gap."""
        self._connection = None
        self._changed = {}
        self._awaited = set()
        for entry in self._groups.values():
            entry.acked = False
            entry.go_on()
