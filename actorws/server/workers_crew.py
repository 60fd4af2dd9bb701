"""Crew: the workers of one parent, of which as many as were asked for are there, or on their way.

Rules owned here: a worker that is lost is replaced, later each time, and not for ever; where a worker doesn't accept
connections just now, the others do it for it; one is replaced in good order only by one that accepts already. Must not
know signals, nor what connects the workers.
"""

from __future__ import annotations

import socket as _socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import trio

from actorws.backoff import NEARBY, Waits
from actorws.frames import CloseCode
from actorws.server.workers_link import also, end
from actorws.server.workers_process import Worker

__all__ = ["Crew", "Deaths", "Tell"]

#: Called with a level of logging and a line.
Tell: TypeAlias = Callable[[Literal["info", "warning", "error"], str], None]

#: Deaths of workers that are made good within so many seconds; one more is too many.
MOST_DEATHS, SECONDS_OF_DEATHS = 5, 30.0
#: Seconds for workers to end that were told to end at once.
AT_ONCE = 1.0
#: Exit statuses with which a worker that can't begin has said why: in a traceback, in a line.
SAID_WHY = (1, 2)


class Deaths:
    """How often workers have died lately."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._backoff = Waits(NEARBY)

    def one_more(self, now: float) -> float | None:
        """Seconds until the next try; ``None`` if it is not worth one."""
        held = now - self._times[-1] if self._times else 0.0
        self._times.append(now)
        while self._times[0] < now - SECONDS_OF_DEATHS:
            self._times.popleft()
        return self._backoff.failed(held) if len(self._times) <= MOST_DEATHS else None


class Crew:
    """Workers, by their numbers."""

    def __init__(
        self,
        nursery: trio.Nursery,
        *,
        command: Sequence[str],
        sockets: Mapping[int, Sequence[_socket.socket]],
        cluster: str | None,
        folder: str | None,
        patience: float,
        hang_timeout: float,
        tell: Tell,
        give_up: Callable[[int], None],
    ) -> None:
        """``cluster`` and ``folder`` are those of ``Settings``.

        ``patience``: seconds in which a worker must have ended in good order.
        ``give_up`` is called with an exit status, when it has been told why; then it is for the caller to call ``end``.
        """
        self._nursery = nursery
        self._command = command
        self._sockets = sockets
        self._cluster = cluster
        self._folder = folder
        self._patience = patience
        self._hang_timeout = hang_timeout
        self._tell = tell
        self._give_up = give_up
        #: All that run.
        self._running: set[Worker] = set()
        #: By number, the one that counts: not one that is on its way out, nor one that shall replace it.
        self._current: dict[int, Worker] = {}
        self._deaths = Deaths()
        self._also = also([])
        self._is_up = self._is_ending = False
        self._is_rolling = self._roll_again = False

    # The beginning

    async def begin(self) -> bool:
        """Start all; the first one alone, so that what is wrong with all of them is told once. Whether all accept."""
        numbers = list(self._sockets)
        for some in (numbers[:1], numbers[1:]):
            try:
                workers = [self._start(number) for number in some]
            except OSError as error:
                self._tell("error", f"a process can't be started: {error}")
                self._give_up(1)
                return False
            self._current |= {worker.number: worker for worker in workers}
            for worker in workers:
                await worker.ready.wait()
            if not set(some) <= self._current.keys():
                return False  # one of them has ended, and _lost has given up
        self._is_up = True
        return True

    def _start(self, number: int) -> Worker:
        worker = Worker(self._command, number, self._sockets, self._cluster, self._folder)
        self._running.add(worker)
        self._tell("info", f"{worker} begins")
        self._nursery.start_soon(worker.watch, self._hang_timeout, self._changed)
        return worker

    # What happens to workers

    def _changed(self, worker: Worker) -> None:
        has_ended = worker.ended.is_set()
        if has_ended:
            self._running.discard(worker)
        elif worker.is_hung:
            self._tell(
                "error", f"{worker} hangs: nothing for {self._hang_timeout:g} s; it is killed, its stack follows"
            )
        if self._current.get(worker.number) is worker and (has_ended or worker.is_leaving):
            del self._current[worker.number]
            if not self._is_ending:
                self._lost(worker)
        elif worker.accepts:
            worker.say(self._also)
        self._share()

    def _lost(self, worker: Worker) -> None:
        how = worker.how_it_ended if worker.ended.is_set() else "leaves, asked by somebody else"
        if self._is_up:
            self._make_good(worker.number, f"{worker} {how}")
        elif not worker.is_ready and worker.status in SAID_WHY:
            self._give_up(worker.status)
        else:
            self._tell("error", f"{worker} {how} before all had begun: all stop")
            self._give_up(1)

    def _make_good(self, number: int, what: str) -> None:
        wait = self._deaths.one_more(trio.current_time())
        if wait is None:
            often = f"{MOST_DEATHS + 1} times in {SECONDS_OF_DEATHS:g} s"
            self._tell("error", f"{what}; workers have ended {often}, which is too often: all stop")
            self._give_up(1)
        else:
            self._tell("warning", f"{what}; another one begins in {wait:.2g} s")
            self._nursery.start_soon(self._replace, number, wait)

    async def _replace(self, number: int, wait: float) -> None:
        await trio.sleep(wait)
        if number in self._current or self._is_ending:
            return  # a rolling restart was faster
        try:
            self._current[number] = self._start(number)
        except OSError as error:
            self._make_good(number, f"worker {number} can't be started: {error}")

    def _share(self) -> None:
        """Have the connections of workers that don't accept accepted by those that do."""
        accepting = [worker for worker in self._current.values() if worker.accepts]
        line = also(self._sockets.keys() - {worker.number for worker in accepting})
        if line != self._also:
            self._also = line
            for worker in accepting:
                worker.say(line)

    # The rolling restart

    def roll(self) -> None:
        """Replace each worker, one after the other; once more, if that is being done already."""
        self._roll_again = self._is_up and not self._is_ending
        if self._roll_again and not self._is_rolling:
            self._nursery.start_soon(self._roll)

    async def _roll(self) -> None:
        self._is_rolling = True
        while self._roll_again:
            self._roll_again = False
            self._tell("info", "rolling restart: each worker is replaced")
            for number in self._sockets:
                why = await self._renew(number)
                if self._is_ending:
                    return
                if why is not None:
                    self._tell("error", f"rolling restart: given up, {why}; the workers that there are go on")
                    break
            else:
                self._tell("info", "rolling restart: done")
        self._is_rolling = False

    async def _renew(self, number: int) -> str | None:
        """Replace one worker; why not, if it can't be done."""
        try:
            new = self._start(number)
        except OSError as error:
            return f"a process can't be started: {error}"
        await new.ready.wait()
        if not new.is_ready:
            return f"{new} {new.how_it_ended}"
        if not self._is_ending:
            old, self._current[number] = self._current.get(number), new
            self._changed(new)
            if old is not None:
                old.end(end(CloseCode.SERVICE_RESTART))
                await self._see_off([old], self._patience)
        return None

    # The end

    async def end(self, patience: trio.CancelScope) -> bool:
        """End all in good order, at once when ``patience`` is cancelled; whether it was in good order."""
        self._is_ending = True
        workers = list(self._running)
        for worker in workers:
            worker.end(end(CloseCode.GOING_AWAY))
        with patience:
            await self._see_off(workers, self._patience)
        if patience.cancelled_caught:
            for worker in self._running:
                worker.end_at_once()
            await self._see_off(workers, AT_ONCE)
            return False
        return all(worker.status == 0 or not worker.is_ready for worker in workers)

    async def _see_off(self, workers: Sequence[Worker], patience: float) -> None:
        """Wait for the end of those who were told to end, for a while; then kill them."""
        with trio.move_on_after(patience):
            await _all_ended(workers)
        for worker in workers:
            if not worker.ended.is_set():
                self._tell("error", f"{worker} is not done within {patience:g} s: it is killed")
                worker.kill()
        await _all_ended(workers)


async def _all_ended(workers: Sequence[Worker]) -> None:
    for worker in workers:
        await worker.ended.wait()
