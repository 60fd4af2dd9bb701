"""Workers: the tasks that ``async def`` code runs in.

Rule owned here: a task exists while there is work, or is one of a few that wait for the next job; an idle connection
has none. Taking a waiting task costs a third of starting one (measured: 4 against 13 us). Each job can be
cancelled alone, and one that fails costs itself only. Must not know what a job does.
"""

from __future__ import annotations

from typing import Any, Protocol

import trio

from actorws.events import BackgroundCrashed, Emit

__all__ = ["Job", "Worker", "Workers"]

#: Tasks kept waiting for work; those above are let go as soon as they are done.
MAX_WAITING = 64


class Job(Protocol):
    """Something to run in a task."""

    async def work(self) -> None:
        """Do it. Must not raise but for cancellation."""

    def cut(self) -> None:
        """``work`` was cancelled, or failed, before it returned. Called once, then; must not raise."""


class Workers:
    """Runs jobs in the tasks of one nursery."""

    def __init__(self, nursery: trio.Nursery, emit: Emit) -> None:
        self._nursery = nursery
        self.emit = emit
        self.waiting: list[Worker] = []

    def start(self, job: Job) -> Worker:
        """Run ``job`` in a task, soon; returns at once."""
        if self.waiting:
            worker = self.waiting.pop()
            worker.take(job)
        else:
            worker = Worker(self, job)
            self._nursery.start_soon(worker.run, name="actorws worker")
        return worker


class Worker:
    """One task."""

    __slots__ = ("_job", "_scope", "_task", "_workers", "doing")

    def __init__(self, workers: Workers, job: Job) -> None:
        self._workers = workers
        self._job: Job | None = job
        self._scope = trio.CancelScope()
        self._task: trio.lowlevel.Task | None = None
        #: What the job says it is doing, for those who cancel it.
        self.doing = ""

    def take(self, job: Job) -> None:
        """Give a waiting worker its next job."""
        self._job = job
        assert self._task is not None
        trio.lowlevel.reschedule(self._task)
        self._task = None

    def cancel(self) -> None:
        """Cancel the job that runs now."""
        self._scope.cancel()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Run jobs until there is no need for this task any more."""
        try:
            with self._scope:
                while self._job is not None:
                    await self._job.work()
                    self._job = None
                    if len(self._workers.waiting) < MAX_WAITING:
                        await self._wait()
        except Exception as error:
            # A fault of ours, or of a clean-up of the user's: it must not cost more than the job in which it showed.
            self._workers.emit(BackgroundCrashed("worker", error))
        finally:
            # The scope is used up, and so is this task; its job must still come to its end.
            job, self._job = self._job, None
            if job is not None:
                job.cut()

    async def _wait(self) -> None:
        waiting = self._workers.waiting
        waiting.append(self)
        self._task = trio.lowlevel.current_task()

        def abort(_: Any) -> trio.lowlevel.Abort:
            waiting.remove(self)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
