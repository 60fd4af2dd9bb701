"""Workers that die or hang: others take their place, as long as that is of use."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from typing import Any

import trio

from actorws.server.workers_crew import MOST_DEATHS, SECONDS_OF_DEATHS, Deaths
from tests.support.wire import SECONDS, open_client
from tests.support.worker_clients import Load, clients_of_all
from tests.support.workers import gone, serve_with_workers

# Deaths


async def test_a_worker_that_dies_is_replaced_and_no_connection_is_refused_or_lost() -> None:
    async with serve_with_workers(3) as run, AsyncExitStack() as stack:
        clients = await clients_of_all(stack, run, 3)
        victim, *others = clients
        load = Load(run)
        os.kill(victim, signal.SIGSTOP)  # so that connections wait for it, but none is in its hands when it dies
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(load.ask)
            await load.more(30)
            os.kill(victim, signal.SIGKILL)
            await run.says(rf"\[{victim}\] was killed by SIGKILL; another one begins")
            await load.more(100)
            await run.says("begins$", 4)
            with trio.fail_after(SECONDS):
                while await run.which() != run.pids()[-1]:
                    pass
            nursery.cancel_scope.cancel()
        for pid in others:
            await clients[pid].echo("after")
    assert run.process.returncode == 0


async def test_a_worker_that_somebody_else_ends_is_replaced_while_it_says_goodbye() -> None:
    async with serve_with_workers(2) as run, AsyncExitStack() as stack:
        clients = await clients_of_all(stack, run, 2)
        victim, client = next(iter(clients.items()))
        os.kill(victim, signal.SIGTERM)
        assert (await client.closed())[0] == 1001
        await run.says(rf"\[{victim}\] leaves, asked by somebody else; another one begins")
        await gone(victim)
        await run.says("begins$", 3)
    assert run.process.returncode == 0


async def test_workers_that_die_again_and_again_end_it_all() -> None:
    async with serve_with_workers(2) as run, AsyncExitStack() as stack:
        clients = await clients_of_all(stack, run, 2)
        survivor, victim = clients
        for deaths in range(MOST_DEATHS + 1):
            os.kill(victim, signal.SIGKILL)
            await run.says("was killed by SIGKILL", deaths + 1)
            if deaths < MOST_DEATHS:
                await run.says("begins$", deaths + 3)
                victim = run.pids()[-1]
        assert await clients[survivor].closed() == (1001, "")
        assert await run.ends() == 1
    assert await run.says("workers have ended 6 times in 30 s, which is too often: all stop$")


def test_deaths_are_forgotten_after_a_while() -> None:
    deaths = Deaths()
    waits = [deaths.one_more(now) for now in range(MOST_DEATHS)]
    assert None not in waits
    assert deaths.one_more(SECONDS_OF_DEATHS + 1) is not None
    assert deaths.one_more(SECONDS_OF_DEATHS + 1) is None


def test_the_next_worker_begins_later_after_each_death() -> None:
    deaths = Deaths()
    waits: list[Any] = [deaths.one_more(0.1 * number) for number in range(MOST_DEATHS)]
    assert all(0.025 * 2**i <= wait <= 0.05 * 2**i for i, wait in enumerate(waits))


# Hanging


async def test_a_worker_that_hangs_is_replaced_while_the_others_serve_everybody() -> None:
    async with serve_with_workers(2, "--worker-timeout", "4") as run, AsyncExitStack() as stack:
        clients = await clients_of_all(stack, run, 2)
        async with open_client(run.port, "/spinning") as spinning:
            hung = int(await spinning.message())
            await spinning.text("go")
            load = Load(run)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(load.ask)
                await load.more(30)
                assert not any("hangs" in line for line in run.err), "until then half of the connections were its"
                nursery.cancel_scope.cancel()
            await run.says(rf"\[{hung}\] hangs: nothing for 4 s; it is killed, its stack follows")
            await run.says(" in spin$")
            await run.says(rf"\[{hung}\] was killed by SIGABRT; another one begins")
            await run.says("begins$", 3)
        for pid in clients.keys() - {hung}:
            await clients[pid].echo("still here")
    assert run.process.returncode == 0


async def test_a_worker_that_stood_still_for_a_moment_lives_on() -> None:
    async with serve_with_workers(2) as run:
        slow, other = run.pids()
        os.kill(slow, signal.SIGSTOP)
        load = Load(run)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.ask)
            await load.more(30)
            os.kill(slow, signal.SIGCONT)
            with trio.fail_after(SECONDS):
                while await run.which() != slow:
                    pass
            nursery.cancel_scope.cancel()
        assert run.pids() == [slow, other]
    assert run.process.returncode == 0
