"""Workers: the tasks that ``async def`` code runs in.

Rule owned here: a job runs in one task from its begin to its end, and can be cancelled alone; one that fails costs
itself only. One worker at a time is on duty: it begins the jobs that wait, one after the other, as long as each comes
to its end without waiting for anything; when one does wait, another worker goes on with the rest. So a callback that
awaits nothing costs no switch of tasks, and one that does delays nobody. A few workers are kept for what comes next; an
idle connection has none. Must not know what a job does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Protocol

import trio

from actorws.events import BackgroundCrashed, Emit

__all__ = ["Assignment", "Job", "Workers"]

#: Tasks kept waiting for work; those above are let go as soon as they are done.
MAX_WAITING = 64
#: Jobs that a worker on duty sees to before it lets other tasks run, if none of them waits for anything.
JOBS_IN_A_ROW = 64


class Job(Protocol):
    """Something to run in a task."""

    async def work(self) -> None:
        """Do it. Must not raise but for cancellation."""

    def cut(self) -> None:
        """``work`` was cancelled, or failed, before it returned. Called once, then; must not raise."""


class Assignment:
    """One job that was given to the workers."""

    __slots__ = ("_scope", "doing", "is_cancelled", "job")

    def __init__(self, job: Job) -> None:
        self.job = job
        #: What the job says it is doing, for those who cancel it.
        self.doing = ""
        self._scope: trio.CancelScope | None = None
        self.is_cancelled = False

    def begin(self, scope: trio.CancelScope) -> None:
        """It is being done, inside ``scope``."""
        self._scope = scope
        if self.is_cancelled:
            scope.cancel()

    def cancel(self) -> None:
        """Cancel the job. Not for one that is over: its task may be at another by now."""
        self.is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()


class Workers:
    """Runs jobs in the tasks of one nursery."""

    def __init__(self, nursery: trio.Nursery, emit: Emit) -> None:
        self._nursery = nursery
        self.emit = emit
        #: What no worker has begun yet.
        self.jobs: deque[Assignment] = deque()
        #: Whether a worker will begin what is in ``jobs``.
        self.on_duty = False
        self.waiting: list[Worker] = []

    def start(self, job: Job) -> Assignment:
        """Run ``job`` in a task, soon; returns at once."""
        assignment = Assignment(job)
        self.jobs.append(assignment)
        if not self.on_duty:
            self.call()
        return assignment

    def call(self) -> None:
        """Have a worker go on duty."""
        self.on_duty = True
        if self.waiting:
            self.waiting.pop().wake()
        else:
            self._nursery.start_soon(Worker(self).run, name="actorws worker")


class Worker:
    """One task. It is on duty whenever it wakes up."""

    __slots__ = ("_at", "_on_duty", "_scope", "_task", "_workers")

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._scope = trio.CancelScope()
        self._task: trio.lowlevel.Task | None = None
        self._on_duty = True
        #: What it is doing.
        self._at: Assignment | None = None

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Run jobs until there is no need for this task any more."""
        try:
            with self._scope:
                while True:
                    await self._see_to_jobs()
                    if len(self._workers.waiting) >= MAX_WAITING:
                        break
                    await self._wait()
                    self._on_duty = True
        except Exception as error:
            # A fault of ours, or of a clean-up of the user's: it must not cost more than the job in which it showed.
            self._workers.emit(BackgroundCrashed("worker", error))
        finally:
            # The scope is used up, and so is this task; its job must still come to its end, and others must begin.
            assignment, self._at = self._at, None
            self._hand_over()
            if assignment is not None:
                assignment.job.cut()

    async def _see_to_jobs(self) -> None:
        workers = self._workers
        jobs = workers.jobs
        done = 0
        while jobs and (self._on_duty or not workers.on_duty):
            workers.on_duty = self._on_duty = True
            self._at = assignment = jobs.popleft()
            assignment.begin(self._scope)
            await _drive(assignment.job.work(), self._hand_over)
            self._at = None
            if assignment.is_cancelled:
                break  # and so is this task, at its next checkpoint
            done += 1
            if not done % JOBS_IN_A_ROW:
                await trio.lowlevel.checkpoint()
        self._hand_over()

    def _hand_over(self) -> None:
        """Be on duty no more: what waits is another's to begin."""
        if self._on_duty:
            self._on_duty = self._workers.on_duty = False
            if self._workers.jobs:
                self._workers.call()

    async def _wait(self) -> None:
        waiting = self._workers.waiting
        waiting.append(self)
        self._task = trio.lowlevel.current_task()

        def abort(_: Any) -> trio.lowlevel.Abort:
            waiting.remove(self)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def wake(self) -> None:
        """Have a worker that waits, and was taken from those, go on."""
        assert self._task is not None
        trio.lowlevel.reschedule(self._task)
        self._task = None


@coroutine
def _drive(work: Coroutine[Any, Any, None], waits: Callable[[], None]) -> Generator[Any, Any, None]:
    """Await ``work``; when it first waits for something, which may be never, call ``waits``."""
    try:
        trap = work.send(None)
        waits()
        while True:
            try:
                answer = yield trap
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:
                trap = work.throw(error)
            else:
                trap = work.send(answer)
    except StopIteration:
        return
