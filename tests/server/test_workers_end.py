"""The end of several processes: all of them, in good order, whoever asks for it or is killed."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.support.wire import open_client
from tests.support.worker_clients import clients_of_all
from tests.support.workers import gone, run_command, serve_with_workers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["terminal", "service-manager"])
async def test_a_signal_to_all_processes_counts_once_and_ends_them_in_good_order(number: signal.Signals) -> None:
    async with serve_with_workers(2) as run, AsyncExitStack() as stack:
        clients = await clients_of_all(stack, run, 2)
        os.killpg(run.process.pid, number)
        for client in clients.values():
            assert await client.closed() == (1001, "")
            await client.stream.aclose()
        assert await run.ends() == 0
    assert not any("Traceback" in line or "KeyboardInterrupt" in line for line in run.err), run.err
    await run.says(r"terminated Shutdown\(\)", 2)
    assert len(run.pids()) == 2


async def test_ctrl_c_while_workers_begin_leaves_nothing_behind() -> None:
    async with run_command("tests.support.workers:app", "--port", "0", "--workers", "2", "--cluster", "none") as run:
        await run.says("begins$")
        os.killpg(run.process.pid, signal.SIGINT)
        assert await run.ends() == 0
    assert run.out == []
    assert not any("Traceback" in line or "KeyboardInterrupt" in line for line in run.err)


async def test_ctrl_c_before_a_worker_knows_what_it_is_does_not_hit_it(tmp_path: Path) -> None:
    source = "import os, signal\nif 'ACTORWS_WORKER' in os.environ: os.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / "sitecustomize.py").write_text(source)
    async with serve_with_workers(2, cwd=tmp_path):
        pass


async def test_the_end_refuses_new_connections_at_once_and_a_second_signal_waits_for_nobody() -> None:
    async with serve_with_workers(2, "--option", "drain_timeout=300") as run, AsyncExitStack() as stack:
        clients = await clients_of_all(stack, run, 2, "/lingering")
        run.process.send_signal(signal.SIGTERM)
        await run.says("terminating", 2)
        with pytest.raises(OSError):
            await trio.open_tcp_stream("127.0.0.1", run.port)
        run.process.send_signal(signal.SIGTERM)
        assert await run.ends() == 1
        assert len(clients) == 2


async def test_a_worker_that_hangs_at_the_end_is_killed_and_the_status_says_so() -> None:
    async with serve_with_workers(2, "--worker-timeout", "2") as run, open_client(run.port, "/spinning") as client:
        hung = int(await client.message())
        await client.text("go")
        run.process.send_signal(signal.SIGTERM)
        assert await run.ends() == 1
    assert await run.says(rf"\[{hung}\] hangs")


async def test_workers_whose_parent_is_killed_say_goodbye_and_end() -> None:
    async with serve_with_workers(2) as run, AsyncExitStack() as stack:
        clients = await clients_of_all(stack, run, 2)
        run.process.kill()
        for client in clients.values():
            assert await client.closed() == (1001, "")
            await client.stream.aclose()
        for pid in run.pids():
            await gone(pid)
    with pytest.raises(OSError):
        await trio.open_tcp_stream("127.0.0.1", run.port)


async def test_a_worker_that_hangs_when_its_parent_is_killed_does_not_stay() -> None:
    async with (
        serve_with_workers(2, "--option", "drain_timeout=0.1") as run,
        open_client(run.port, "/spinning") as client,
    ):
        hung = int(await client.message())
        await client.text("go")
        run.process.kill()
        await gone(hung)
    await run.says(rf"worker \[{hung}\] has lost its parent and does not come to its end: it stops")


#: An app that never finishes its import, and says when it is there.
STUCK = "import sys, time; print('stuck', file=sys.stderr, flush=True); time.sleep(1000)"


async def test_a_worker_that_is_stuck_in_its_import_when_its_parent_is_killed_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "site_.py").write_text(STUCK)
    async with run_command("site_:app", "--port", "0", "--workers", "2", "--cluster", "none", cwd=tmp_path) as run:
        await run.says("stuck")
        run.process.kill()
        await gone(run.pids()[0])
    await run.says("has lost its parent and does not come to its end: it stops")


async def test_a_worker_that_is_stuck_in_its_import_does_not_hold_up_the_end(tmp_path: Path) -> None:
    (tmp_path / "site_.py").write_text(STUCK)
    async with run_command("site_:app", "--port", "0", "--workers", "2", "--cluster", "none", cwd=tmp_path) as run:
        await run.says("stuck")
        run.process.send_signal(signal.SIGTERM)
        assert await run.ends() == 0
