"""Turns: a whole run.

Rule owned here: contenders take turns, in each round all of them (A B C A B C), so that what the machine does beside
it meets all alike. In a turn one server answers all cases, warmed up before the first, except those that want one that
has done nothing yet; who fails in a case has a new server for the next, and is asked that case no more. Servers have a
core of their own, and so has the load, where there are two. Must not know how cases are measured or shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from attrs import frozen

from benchmarks import machine
from benchmarks.measuring import measure_load, measure_program
from benchmarks.processes import CannotBeDone, RunFailed, Server
from benchmarks.question import Case, Drives, Program, Question
from benchmarks.report.answers import Answers

__all__ = ["Cores", "Plan", "Watches", "run"]

#: Seconds for which a new server is driven before the first case counts: for those who compile what is busy.
WARMING = 0.2


@frozen
class Cores:
    """Which cores servers and loads are kept on; ``None``: wherever the system puts them."""

    server: tuple[int, ...] | None = None
    load: tuple[int, ...] | None = None

    @classmethod
    def of_this_machine(cls) -> Cores:
        """One for each where there are two."""
        ours = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        return cls((ours[0],), (ours[1],)) if len(ours) >= 2 else cls()


@frozen
class Plan:
    """What is to be run."""

    questions: Sequence[Question]
    """With the cases that are asked, and no others."""
    servers: Mapping[str, Sequence[str]]
    """What starts each contender; the port is added."""
    ours: str
    """The Python that has actorws, for programs."""
    rounds: int = 3
    seconds: float = 0.4
    """Of each case in each round."""
    cores: Cores = Cores()


class Watches(Protocol):
    """Is told how far a run is."""

    def __call__(self, turn: str, case: str, done: int, total: int) -> None:
        """``turn``: whose it is, in which round; ``case``: what is measured next."""


def run(plan: Plan, watch: Watches) -> Answers:
    """Measure all of it."""
    return _Run(plan, watch).all()


@frozen
class _Job:
    question: Question
    case: Case
    by: Drives | Program
    who: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.question.name, self.case.name, self.who


class _Run:
    def __init__(self, plan: Plan, watch: Watches) -> None:
        self._plan, self._watch = plan, watch
        self._answers = Answers()
        self._turn, self._done = "", 0
        cases = [(question, case) for question in plan.questions for case in question.cases]
        self._programs = [_Job(q, c, c.by, who) for q, c in cases if isinstance(c.by, Program) for who in c.by.variants]
        self._loads = {
            who: [
                _Job(question, case, case.by, who)
                for question, case in cases
                if not isinstance(case.by, Program) and (case.contenders is None or who in case.contenders)
            ]
            for who in plan.servers
        }
        self._total = plan.rounds * (len(self._programs) + sum(map(len, self._loads.values())))

    def all(self) -> Answers:
        for number in range(1, self._plan.rounds + 1):
            for who, jobs in self._loads.items():
                self._turn = f"round {number} of {self._plan.rounds}: {who}"
                self._ask(who, self._open(jobs))
            self._turn = f"round {number} of {self._plan.rounds}: programs"
            for job in self._open(self._programs):
                with self._answering(job):
                    self._note(job, self._run_program(job))
        return self._answers

    def _open(self, jobs: list[_Job]) -> list[_Job]:
        """Those that are to be measured still."""
        found = [job for job in jobs if not self._answers.is_settled(*job.key)]
        self._done += len(jobs) - len(found)
        return found

    def _ask(self, who: str, jobs: list[_Job]) -> None:
        left = [job for job in jobs if not job.case.fresh]
        while left:
            left = self._serve(who, left)
        for job in jobs:
            if job.case.fresh:
                self._serve(who, [job])

    def _serve(self, who: str, jobs: list[_Job]) -> list[_Job]:
        """Start a server, have it answer until a case fails; returns the cases after that."""
        try:
            with machine.on_cores(self._plan.cores.server):
                server = Server(who, self._plan.servers[who])
            with server:
                server.wait_listening()
                return self._drive(server, jobs)
        except RunFailed as error:
            for job in jobs:
                self._answers.fail(*job.key, str(error))
            self._done += len(jobs)
            return []

    def _drive(self, server: Server, jobs: list[_Job]) -> list[_Job]:
        is_warm = jobs[0].case.fresh
        for position, job in enumerate(jobs, start=1):
            with self._answering(job):
                if not is_warm:
                    self._measure(server, job, min(WARMING, self._plan.seconds))
                    is_warm = True
                self._note(job, self._measure(server, job, self._plan.seconds))
            if self._answers.has_failed(*job.key):
                return jobs[position:]
        return []

    def _measure(self, server: Server, job: _Job, seconds: float) -> dict[str, float]:
        assert not isinstance(job.by, Program)
        return measure_load(job.by, server, seconds, self._plan.cores.load, memory=job.question.figure == "bytes")

    def _run_program(self, job: _Job) -> dict[str, float]:
        assert isinstance(job.by, Program)
        seconds = self._plan.seconds
        command = [part.format(ours=self._plan.ours, seconds=f"{seconds:g}") for part in job.by.variants[job.who]]
        return measure_program(job.who, command, seconds, self._plan.cores.server)

    @contextmanager
    def _answering(self, job: _Job) -> Iterator[None]:
        """What goes wrong inside is told for this case, and ends nothing else."""
        self._watch(self._turn, f"{job.question.name}, {job.case.name}", self._done, self._total)
        try:
            yield
        except CannotBeDone as reason:
            self._answers.leave_out(*job.key, str(reason))
        except RunFailed as error:
            self._answers.fail(*job.key, str(error))
        self._done += 1

    def _note(self, job: _Job, figures: Mapping[str, float]) -> None:
        if job.question.figure not in figures:
            raise RunFailed(f"there is no figure {job.question.figure!r} in what was found: {', '.join(figures)}")
        self._answers.add(*job.key, figures)
