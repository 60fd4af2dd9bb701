"""Line: tasks that wait, first come, first served.

Rule owned here: what is handed to a task is its own from that moment on, even if it is cancelled before it runs: so
nothing that was handed out is lost, and nobody who came later is before it. Must not know what is waited for.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

import trio

__all__ = ["Line"]

B = TypeVar("B")
G = TypeVar("G")


class Line(Generic[B, G]):
    """Tasks, what each has brought (a ``B``), and what each gets for it (a ``G``)."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        # A place is a list: what was brought, and then what is got, if it was handed out.
        self._places: OrderedDict[trio.lowlevel.Task, list[B | G]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    async def wait(self, brought: B) -> G:
        """Wait to be handed something. Cancelled, one was never here.

        (A task that was rescheduled isn't cancelled before its next checkpoint: that is for trio to keep.)
        """
        task = trio.lowlevel.current_task()
        place = self._places[task] = [brought]

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._places[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)
        return place[0]  # type: ignore[return-value]

    def first(self) -> B:
        """What the first one has brought. Raises ``StopIteration`` if there is none."""
        return next(iter(self._places.values()))[0]  # type: ignore[return-value]

    def hand(self, what: G) -> None:
        """Hand something to the first one. Raises ``KeyError`` if there is none."""
        task, place = self._places.popitem(last=False)
        place[0] = what
        trio.lowlevel.reschedule(task)

    def hand_all(self, what: G) -> None:
        """Hand the same to everyone."""
        while self._places:
            self.hand(what)
