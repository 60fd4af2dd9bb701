"""Timers: many deadlines on one wheel.

Rules owned here: nothing fires before its deadline, nothing later than its grain after it (below), and a
cancelled item is forgotten at once. Scheduling and cancelling are O(1) and make no object per deadline: the
connection itself is the item. Must not know who drives the wheel, nor what an item does when it expires.

A deadline is rounded up to a whole number of *grains*, and everything that falls on the same instant shares a
slot. The grain is 1/1024 s for waits under a second and 1/64 to 1/32 of the wait above::

    wait      up to 1 s   1 to 2 s   2 to 4 s   4 to 8 s   32 to 64 s   64 to 128 s   ...
    grain     1/1024 s    1/32 s     1/16 s     1/8 s      1 s          2 s

So at most 1024 slots are ahead of the clock for short waits and 64 for each doubling above, however many items
come and go. Grains are powers of two, so that dividing by one and multiplying again is exact in floats: a driver
that wakes up at ``next_deadline()`` always finds something due.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import ceil, frexp, inf, ldexp, nextafter
from time import perf_counter
from typing import Any, Protocol, TypeAlias

from attrs import frozen

from actorws.actor.chain import Chain, Link, unlink

__all__ = ["Expirable", "HasTimers", "KeepsTimers", "Timer", "Wheel", "WheelStatistics", "cancel_timers", "grain"]

#: Items that expire before ``advance`` looks at the time.
EXPIRED_IN_A_ROW = 32

#: In order of scheduling.
Slot: TypeAlias = "Chain[Expirable]"


def grain(seconds: float) -> float:
    """The seconds to which a wait of ``seconds`` is rounded up: the bound of its lateness."""
    if seconds < 1.0:
        return 1 / 1024
    return ldexp(1.0, frexp(seconds)[1] - 6)


class Expirable(Link):
    """Something with one deadline. Linked while it is scheduled."""

    __slots__ = ()

    def expire(self, now: float) -> None:
        """Called by ``Wheel.advance`` when the deadline has passed; not called after a cancel.

        The item is not scheduled any more. May schedule and cancel anything, itself included.
        """
        raise NotImplementedError(f"{type(self).__name__} has no expire()")


@frozen
class WheelStatistics:
    """How much a wheel holds."""

    scheduled: int
    """Items waiting for their deadline."""
    slots: int
    """Instants that they share, those included that were emptied and are not pruned yet."""


class Wheel:
    """Holds items until their deadline.

    ``clock`` gives the time in seconds; only differences matter. Whoever drives the wheel sleeps until
    ``next_deadline()``, calls ``advance(clock())``, and is woken by ``on_earlier``.
    """

    __slots__ = ("_clock", "_emptied", "_heap", "_scheduled", "_slots", "on_earlier")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slots: dict[float, Slot] = {}
        self._heap: list[float] = []  # the keys of _slots
        self._scheduled = 0
        self._emptied = 0  # slots, about: one that was filled again counts until it is pruned
        self.on_earlier: Callable[[], None] | None = None
        """Called when a schedule makes ``next_deadline()`` earlier, also from inside ``advance``."""

    def schedule(self, item: Expirable, seconds: float) -> None:
        """Let ``item`` expire in ``seconds``, instead of at its former deadline if it has one.

        Zero or less is due at the next ``advance``. Raises ``ValueError`` if ``seconds`` is infinite or NaN.
        """
        if not seconds < inf:
            raise ValueError(f"seconds must be finite, not {seconds!r}")
        self.cancel(item)
        size = grain(seconds)
        deadline = self._clock() + seconds if seconds > 0 else self._clock()
        instant = ceil(deadline / size) * size
        slot = self._slots.get(instant)
        is_earlier = False
        if slot is None:
            slot = self._slots[instant] = Chain()
            is_earlier = not self._heap or instant < self._heap[0]
            heappush(self._heap, instant)
        slot.add(item)
        self._scheduled += 1
        if is_earlier and self.on_earlier is not None:
            self.on_earlier()

    def cancel(self, item: Expirable) -> bool:
        """Forget ``item``. False if it was not scheduled."""
        if getattr(item, "_after", None) is None:
            return False
        self._scheduled -= 1
        if unlink(item):
            # It stays until its time has come, or too many have: left over from a crowd, each would keep a whole
            # arena of CPython's allocator from being given back to the system.
            self._emptied += 1
            if self._emptied > 8 + len(self._heap) // 2:
                self.prune()
        return True

    def prune(self) -> None:
        """Forget emptied slots."""
        self._slots = {instant: slot for instant, slot in self._slots.items() if slot}
        self._heap = sorted(self._slots)
        self._emptied = 0

    def next_deadline(self) -> float:
        """When ``advance`` has something to do, on the clock's scale; ``inf`` if never."""
        heap = self._heap
        while heap and not self._slots[heap[0]]:
            del self._slots[heappop(heap)]
        return heap[0] if heap else inf

    def advance(self, now: float, seconds: float = inf) -> int:
        """Expire everything that is due at ``now``, and return how many items that was.

        In the order of their slots (deadlines rounded up), within a slot in the order of scheduling. What an
        ``expire`` schedules waits for the next ``advance``, even if it is due; what it cancels does not expire.
        An ``expire`` that raises does not stop the others: everything raised is raised at the end, as one
        ``ExceptionGroup`` (a ``BaseExceptionGroup`` if need be).

        ``seconds`` of real time are spent at most, and a few items more; what is left stays due. (Connections that
        were opened together have their deadlines together, thousands of them in one slot.)
        """
        due: list[tuple[float, Slot]] = []
        while self._heap and self._heap[0] <= now:
            # Taken out before anything expires: nothing can be added to a due slot any more.
            instant = heappop(self._heap)
            due.append((instant, self._slots.pop(instant)))
        until = perf_counter() + seconds
        expired = 0
        failures: list[BaseException] = []
        for _, slot in due:
            while (item := slot.first()) is not None:
                self.cancel(item)
                expired += 1
                try:
                    item.expire(now)
                except BaseException as error:
                    error.add_note(f"raised by the expire() of a {type(item).__name__}")
                    failures.append(error)
                if not expired % EXPIRED_IN_A_ROW and perf_counter() > until:
                    break
            else:
                continue
            break
        self._put_back(due)
        if failures:
            raise BaseExceptionGroup(f"{len(failures)} of {expired} expired items failed", failures)
        return expired

    def _put_back(self, due: list[tuple[float, Slot]]) -> None:
        """Let what was not reached be due again, before what was scheduled meanwhile."""
        for instant, slot in reversed(due):
            if slot:
                while instant in self._slots:
                    instant = nextafter(instant, -inf)
                self._slots[instant] = slot
                heappush(self._heap, instant)

    def statistics(self) -> WheelStatistics:
        """What is waiting now."""
        return WheelStatistics(scheduled=self._scheduled, slots=len(self._slots))

    def __len__(self) -> int:
        return self._scheduled

    def __bool__(self) -> bool:
        return True  # an empty wheel is still a wheel


class KeepsTimers(Protocol):
    """Where timers are kept."""

    timers: set[Timer] | None
    """Those that wait; kept by themselves. ``None`` while there are none: most actors have none."""


class HasTimers(KeepsTimers, Protocol):
    """What a timer needs of its actor."""

    def timer_fired(self, timer: Timer) -> None:
        """Take ``timer.message`` as a server message, without handling it inside this call."""


class Timer(Expirable):
    """A message on its way to an actor's own ``handle_server_message``; made by ``conn.send_after``."""

    __slots__ = ("_wheel", "actor", "message")

    def __init__(self, wheel: Wheel, actor: HasTimers, seconds: float, message: Any) -> None:
        """Start it. Raises ``ValueError`` if ``seconds`` is not a finite number of at least 0."""
        self._wheel = wheel
        self.actor = actor
        self.message = message
        wheel.schedule(self, _checked(seconds))
        if actor.timers is None:
            actor.timers = set()
        actor.timers.add(self)

    @property
    def active(self) -> bool:
        """Whether it waits: neither fired nor cancelled."""
        return self.is_linked

    def cancel(self) -> bool:
        """Take the message back. True once; False if it was cancelled, or has fired (is in the mailbox or past it)."""
        if not self._wheel.cancel(self):
            return False
        self._leave_actor()
        return True

    def expire(self, now: float) -> None:
        """Hand the message over."""
        self._leave_actor()
        self.actor.timer_fired(self)

    def _leave_actor(self) -> None:
        timers = self.actor.timers
        assert timers is not None, "it is one of them"
        timers.remove(self)
        if not timers:
            self.actor.timers = None

    def __repr__(self) -> str:
        return f"<Timer {self.message!r} {'active' if self.active else 'over'}>"


def cancel_timers(actor: KeepsTimers) -> None:
    """Cancel every timer of ``actor``: what ends an actor calls this."""
    for timer in tuple(actor.timers or ()):
        timer.cancel()


def _checked(seconds: object) -> float:
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < inf:
        try:
            return float(seconds)
        except OverflowError:
            pass
    raise ValueError(f"seconds must be a finite number of at least 0, not {seconds!r}")
