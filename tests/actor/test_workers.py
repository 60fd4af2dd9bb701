"""Workers: jobs run in tasks that are kept for the next one; each can be cancelled alone."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actorws.actor.workers import MAX_WAITING, Workers
from actorws.events import BackgroundCrashed


class Job:
    def __init__(self, *, hangs=False, fails=None):
        self.hangs = hangs
        self.fails = fails
        self.task = None
        self.did = []

    async def work(self):
        self.task = trio.lowlevel.current_task()
        self.did.append("began")
        if self.hangs:
            await trio.sleep_forever()
        if self.fails is not None:
            raise self.fails
        self.did.append("done")

    def cut(self):
        self.did.append("cut")


async def test_a_task_is_kept_for_the_next_job(nursery):
    workers = Workers(nursery, print)
    first, second = Job(), Job()
    workers.start(first)
    await wait_all_tasks_blocked()
    workers.start(second)
    await wait_all_tasks_blocked()
    assert first.task is second.task
    assert first.did == second.did == ["began", "done"]
    nursery.cancel_scope.cancel()


async def test_a_job_is_cancelled_alone_and_told_once(nursery):
    workers = Workers(nursery, print)
    hanging, other = Job(hangs=True), Job(hangs=True)
    worker = workers.start(hanging)
    workers.start(other)
    await wait_all_tasks_blocked()
    worker.cancel()
    await wait_all_tasks_blocked()
    assert (hanging.did, other.did) == (["began", "cut"], ["began"])
    nursery.cancel_scope.cancel()


async def test_a_job_that_was_cancelled_before_it_began_is_told_too(nursery):
    workers = Workers(nursery, print)
    job = Job(hangs=True)
    workers.start(job).cancel()
    await wait_all_tasks_blocked()
    assert job.did[-1] == "cut"
    nursery.cancel_scope.cancel()


async def test_no_more_tasks_are_kept_than_the_bound(nursery):
    workers = Workers(nursery, print)
    for _ in range(MAX_WAITING + 20):
        workers.start(Job())
    await wait_all_tasks_blocked()
    assert len(nursery.child_tasks) == len(workers.waiting) == MAX_WAITING
    nursery.cancel_scope.cancel()


async def test_the_end_of_the_nursery_ends_the_jobs():
    job = Job(hangs=True)
    async with trio.open_nursery() as nursery:
        workers = Workers(nursery, print)
        workers.start(Job())
        workers.start(job)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert job.did == ["began", "cut"]
    assert workers.waiting == []


async def test_a_job_that_fails_is_told_and_costs_nobody_else(nursery):
    told = []
    workers = Workers(nursery, told.append)
    error = MemoryError()
    failing, hanging = Job(fails=error), Job(hangs=True)
    workers.start(hanging)
    workers.start(failing)
    await wait_all_tasks_blocked()
    assert (failing.did, hanging.did) == (["began", "cut"], ["began"])
    assert told == [BackgroundCrashed("worker", error)]
    assert told[0].exception is error
    nursery.cancel_scope.cancel()
