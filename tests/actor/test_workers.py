"""Workers: jobs run in tasks that are kept for the next one; each can be cancelled alone."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws.actor.workers import JOBS_IN_A_ROW, MAX_WAITING, Workers, _drive
from actorws.events import BackgroundCrashed


class Job:
    def __init__(self, *, waits=None, hangs=False, fails=None):
        self.waits = waits
        self.hangs = hangs
        self.fails = fails
        self.task = None
        self.did = []

    async def work(self):
        self.task = trio.lowlevel.current_task()
        self.did.append("began")
        if self.waits is not None:
            await self.waits.wait()
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
    end = trio.Event()
    for _ in range(MAX_WAITING + 20):
        workers.start(Job(waits=end))
    await wait_all_tasks_blocked()
    assert len(nursery.child_tasks) == MAX_WAITING + 20
    end.set()
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


async def test_jobs_that_wait_for_nothing_share_a_task(nursery):
    workers = Workers(nursery, print)
    jobs = [Job() for _ in range(5)]
    for job in jobs:
        workers.start(job)
    await wait_all_tasks_blocked()
    assert len({job.task for job in jobs}) == len(nursery.child_tasks) == 1
    nursery.cancel_scope.cancel()


async def test_a_job_that_waits_holds_up_nobody_and_ends_in_its_own_task(nursery):
    workers = Workers(nursery, print)
    event = trio.Event()
    waiting, others = Job(waits=event), [Job(), Job(hangs=True), Job()]
    for job in [waiting, *others]:
        workers.start(job)
    await wait_all_tasks_blocked()
    assert waiting.did == ["began"]
    assert [job.did[-1] for job in others] == ["done", "began", "done"]
    event.set()
    await wait_all_tasks_blocked()
    assert waiting.did == ["began", "done"]
    nursery.cancel_scope.cancel()


async def test_what_a_job_awaits_gives_it_its_results_and_errors(nursery):
    workers = Workers(nursery, print)
    send, receive = trio.open_memory_channel(0)
    got = []

    class Receiving(Job):
        async def work(self):
            got.append(await receive.receive())
            try:
                await receive.receive()
            except trio.EndOfChannel as error:
                got.append(error)
            with trio.move_on_after(0):
                await trio.sleep_forever()
            got.append("late")

    workers.start(Receiving())
    await send.send(1)
    await send.aclose()
    await wait_all_tasks_blocked()
    assert [got[0], type(got[1]), got[2]] == [1, trio.EndOfChannel, "late"]
    nursery.cancel_scope.cancel()


async def test_a_job_that_cancels_itself_and_waits_for_nothing_cancels_no_other(nursery):
    workers = Workers(nursery, print)

    class Cancelling(Job):
        async def work(self):
            self.assignment.cancel()
            self.did.append("done")

    first, second = Cancelling(), Job(waits=(event := trio.Event()))
    first.assignment = workers.start(first)
    workers.start(second)
    await wait_all_tasks_blocked()
    event.set()
    await wait_all_tasks_blocked()
    assert (first.did, second.did) == (["done"], ["began", "done"])
    nursery.cancel_scope.cancel()


async def test_jobs_behind_one_that_fails_are_begun(nursery):
    told = []
    workers = Workers(nursery, told.append)
    failing, other = Job(fails=MemoryError()), Job()
    workers.start(failing)
    workers.start(other)
    await wait_all_tasks_blocked()
    assert (failing.did, other.did, len(told)) == (["began", "cut"], ["began", "done"], 1)
    nursery.cancel_scope.cancel()


async def test_jobs_that_make_more_jobs_let_other_tasks_run(nursery):
    workers = Workers(nursery, print)
    turns, goes_on = [], [True]

    class Endless(Job):
        async def work(self):
            turns.append(self)
            if goes_on:
                workers.start(Endless())

    workers.start(Endless())
    for _ in range(5):
        await trio.lowlevel.checkpoint()
    goes_on.clear()
    assert 0 < len(turns) <= 6 * JOBS_IN_A_ROW
    nursery.cancel_scope.cancel()


async def test_jobs_that_were_not_begun_when_the_nursery_ended_are_told():
    jobs = [Job(hangs=True) for _ in range(JOBS_IN_A_ROW + 2)]
    async with trio.open_nursery() as nursery:
        workers = Workers(nursery, print)
        for job in jobs:
            workers.start(job)
        nursery.cancel_scope.cancel()
    assert all(job.did == ["began", "cut"] for job in jobs)


class Trap:
    def __await__(self):
        return (yield "trap")


def test_what_is_thrown_into_a_task_reaches_what_its_job_awaits():
    """As trio does with who yields what it doesn't know."""
    got = []

    async def work():
        try:
            await Trap()
        except ValueError as error:
            got.append(error)
        got.append(await Trap())

    driven = _drive(work(), lambda: got.append("waits"))
    assert driven.send(None) == "trap"
    error = ValueError()
    assert driven.throw(error) == "trap"
    with pytest.raises(StopIteration):
        driven.send("answer")
    assert got == ["waits", error, "answer"]


def test_a_job_that_is_given_up_in_the_middle_is_closed():
    """As CPython does with what is left when it ends."""
    got = []

    async def work():
        try:
            await Trap()
        finally:
            got.append("closed")

    driven = _drive(work(), lambda: None)
    driven.send(None)
    driven.close()
    assert got == ["closed"]
