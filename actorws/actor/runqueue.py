"""Run queue: messages between actors, on their way.

Rules owned here: a message is never delivered inside the sender's callback, but appended to one FIFO of
(targets, payload), which gives the order of each pair of sender and receiver for free and needs no entry per
member; delivery keeps to a time budget and goes on where it stopped, if need be in the middle of a group; who has
left a group since the message was published is skipped. Must not know wires or tasks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from actorws.events import BackgroundCrashed, Emit, SlowCallback
from actorws.frames import Close
from actorws.protocol.encoder import encode
from actorws.reasons import Error

if TYPE_CHECKING:
    from actorws.actor.actor import Actor
    from actorws.registry.table import Members

__all__ = ["END", "FRAME", "MESSAGE", "RunQueue", "Shared"]

#: Kinds of entries: for ``handle_server_message``, or straight to the client.
MESSAGE: Final = 0
FRAME: Final = 1
#: Not a message: the target ends for the reason that is the payload.
END: Final = 2

#: Entries with the same targets that are delivered together.
MAX_RUN: Final = 64

#: What no actor returns. (``None`` won't do: ``[None]`` must be a crash, not a frame that is known already.)
_NO_FRAME: Final = object()

#: Kind, targets, payload, the group whose members the targets are, and its version at the time.
Entry: TypeAlias = "tuple[int, Sequence[Actor], Any, Members | None, int]"


class Shared:
    """A frame that many actors return for the same message, and its bytes: it is encoded once.

    One per message and delivery. Looking whether an actor returned the very object that the one before it did is
    enough to catch ``return state, [message]`` in 500 actors.
    """

    __slots__ = ("chunk", "compressed", "frame")

    def __init__(self) -> None:
        self.frame: object = _NO_FRAME
        self.chunk = b""
        #: The same for clients that have it compressed, by how: see ``actorws.transports.deflated``.
        self.compressed: dict[Any, Any] | None = None


class RunQueue:
    """The FIFO and its delivery."""

    __slots__ = ("_emit", "_entries", "_index", "_run", "group")

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._entries: deque[Entry] = deque()
        #: The entries that are being delivered, which are still in the queue, and to how many targets they were.
        self._run: list[Entry] = []
        self._index = 0
        #: The group to which is being delivered: an actor that lets a message wait asks for it.
        self.group: Members | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def post(self, kind: int, targets: Sequence[Actor], payload: Any, group: Members | None) -> None:
        """Append an entry. Never delivers inside the call."""
        self._entries.append((kind, targets, payload, group, 0 if group is None else group.version))

    def drain(self, seconds: float) -> None:
        """Deliver what is there and what comes of it, until nothing is left or ``seconds`` have passed."""
        entries = self._entries
        deadline = perf_counter() + seconds
        while entries:
            if not self._run:
                self._run = self._next_run()
            if not self._deliver_guarded(self._run, deadline):
                return
            for _ in self._run:
                entries.popleft()
            self._run = []
            self._index = 0
            # Here too: actors that answer each other with short entries would never let go.
            if perf_counter() > deadline:
                return

    def _next_run(self) -> list[Entry]:
        """The entries at the head with the same kind and targets, such as a burst to one group.

        Each target gets all of them at once. The order of every pair is kept, and what belongs to a target is
        touched once: a burst of 4 to 500 members costs half as much a delivery as one message after the other.
        """
        entries = self._entries
        first = entries[0]
        run = [first]
        if len(entries) == 1 or _stands_alone(first):
            return run
        for entry in entries:
            if entry is first:
                continue
            if entry[1] is not first[1] or entry[0] != first[0] or len(run) == MAX_RUN or _stands_alone(entry):
                break
            run.append(entry)
        return run

    def _deliver_guarded(self, run: list[Entry], deadline: float) -> bool:
        """As ``_deliver``. A fault of ours (no memory) costs the target in which it showed, not the server.

        Where it came before the first target, it would come again: that costs the entries.
        """
        before = self._index
        try:
            return self._deliver(run, deadline)
        except Exception as error:
            self._emit(BackgroundCrashed("delivery", error))
            if self._index == before:
                return True
            targets = run[0][1]
            targets[self._index - 1].stop(Error(error))
            return self._index == len(targets)

    def _deliver(self, run: list[Entry], deadline: float) -> bool:
        """Deliver a run to its targets from ``_index`` on; False when the time was up first."""
        kind, targets, payload, group, _ = run[0]
        self.group = group
        if kind == MESSAGE:
            return self._deliver_messages(run, targets, group, deadline)
        if kind == END:
            targets[0].stop(payload)
            return True
        if _stands_alone(run[0]):
            return self._deliver_made(targets, payload, group, deadline)
        return self._deliver_frames(run, targets, group, deadline)

    def _rest(self, targets: Sequence[Actor]) -> Sequence[Actor]:
        return targets[self._index :] if self._index else targets

    def _deliver_messages(
        self, run: list[Entry], targets: Sequence[Actor], group: Members | None, deadline: float
    ) -> bool:
        everything = [(entry[2], Shared()) for entry in run]
        version, index = run[0][4], self._index
        before = perf_counter()
        try:
            for actor in self._rest(targets):
                index += 1
                messages = everything
                if group is not None and group.version != version:
                    messages = [
                        item for item, entry in zip(everything, run, strict=True) if _is_wanted(actor, group, entry)
                    ]
                    if not messages:
                        continue
                conn = actor.conn
                actor.deliver(messages)
                now = perf_counter()
                if now - before > actor.kind.slow:
                    self._emit(SlowCallback(conn, "handle_server_message", now - before))
                if now > deadline and index < len(targets):
                    self._index = index
                    return False
                before = now
        except Exception:
            self._index = index
            raise
        return True

    def _deliver_frames(
        self, run: list[Entry], targets: Sequence[Actor], group: Members | None, deadline: float
    ) -> bool:
        """Frames, encoded once for all."""
        frames = [entry[2] for entry in run]
        chunks = [encode(frame) for frame in frames]
        # Mostly nothing stands in the way of handing all of them on as one.
        together = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        # What they are compressed, by how, for the clients that have them so: of all together, and one by one.
        compressed: dict[Any, Any] = {}
        each: list[dict[Any, Any]] = []
        version, index = run[0][4], self._index
        try:
            for actor in self._rest(targets):
                index += 1
                if group is not None and group.version != version:
                    each = each or [{} for _ in run]
                    for entry, chunk, alone in zip(run, chunks, each, strict=True):
                        if _is_wanted(actor, group, entry):
                            actor.deliver_frames((entry[2],), (chunk,), chunk, alone)
                elif actor.status:
                    actor.deliver_frames(frames, chunks, together, compressed)
                else:
                    actor.transport.send_encoded(frames, chunks, together, compressed)
                if not index & 31 and perf_counter() > deadline and index < len(targets):
                    self._index = index
                    return False
        except Exception:
            self._index = index
            raise
        return True

    def _deliver_made(self, targets: Sequence[Actor], made: Any, group: Members | None, deadline: float) -> bool:
        """A ``Close``, or a frame that a function makes for each member."""
        index = self._index
        for actor in self._rest(targets):
            index += 1
            if not actor.has_ended and group is not None and actor in group.by_actor:
                try:
                    frame = made if type(made) is Close else made(actor.conn, group.by_actor[actor])
                    if frame is not None:
                        actor.deliver_made(frame)
                except Exception as error:
                    # The function's fault, not the member's: the others still get theirs.
                    self._emit(BackgroundCrashed(f"broadcast to {group.name!r}", error))
            if perf_counter() > deadline and index < len(targets):
                self._index = index
                return False
        return True


def _stands_alone(entry: Entry) -> bool:
    return entry[0] == FRAME and (type(entry[2]) is Close or callable(entry[2]))


def _is_wanted(actor: Actor, group: Members, entry: Entry) -> bool:
    """Whether the actor is still a member, or was not asked to be one for longer than this entry is old."""
    return group.version == entry[4] or actor in group.by_actor
