"""Rolling restarts: each worker is replaced by one that serves already, or by none."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from pathlib import Path

import trio

from tests.support.worker_clients import Load, clients_of_all, replaced
from tests.support.workers import gone, serve_with_workers


async def test_sighup_replaces_each_worker_without_losing_a_connection() -> None:
    async with serve_with_workers(2) as run, AsyncExitStack() as stack:
        clients = await clients_of_all(stack, run, 2)
        load = Load(run)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load.ask)
            await load.more(10)
            run.process.send_signal(signal.SIGHUP)
            for client in clients.values():
                nursery.start_soon(replaced, client)
            await run.says("rolling restart: done")
            await load.more(100)
            nursery.cancel_scope.cancel()
        old, new = run.pids()[:2], run.pids()[2:]
        for pid in old:
            await gone(pid)
        assert {await run.which() for _ in range(100)} == set(new)
        assert len(new) == 2
    assert run.process.returncode == 0


async def test_a_restart_with_an_app_that_does_not_begin_leaves_the_old_workers_alone(tmp_path: Path) -> None:
    (tmp_path / "site_.py").write_text("from tests.support.workers import app\n")
    async with serve_with_workers(2, target="site_:app", cwd=tmp_path) as run, AsyncExitStack() as stack:
        clients = await clients_of_all(stack, run, 2)
        (tmp_path / "site_.py").write_text("1 / 0\n")
        run.process.send_signal(signal.SIGHUP)
        await run.says(
            r"rolling restart: given up, worker 1 \[\d+\] ended with status 2; the workers that there are go on"
        )
        for client in clients.values():
            await client.echo("still here")
        (tmp_path / "site_.py").write_text("from tests.support.workers import app\n")
        run.process.send_signal(signal.SIGHUP)
        for client in clients.values():
            await replaced(client)
        await run.says("rolling restart: done")
    assert run.process.returncode == 0
