"""Several processes on one address: real ones, in good days and at their beginning."""

from __future__ import annotations

import os
import socket
import ssl
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
import trustme

from tests.support.wire import SECONDS, Client
from tests.support.workers import run_command, serve_with_workers

# In good days


async def test_every_worker_gets_its_share_of_the_connections() -> None:
    async with serve_with_workers(3) as run:
        answers = Counter([await run.which() for _ in range(200)])
        assert set(answers) == set(run.pids())
        assert min(answers.values()) >= 30
    assert run.process.returncode == 0
    assert run.out == [f"listening on http://127.0.0.1:{run.port}"]
    for number, pid in enumerate(run.pids(), 1):
        assert [line for line in run.err if f"worker {number} [{pid}] actorws: shutting down" in line]


async def test_workers_share_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")
    async with serve_with_workers(2, "--unix", path) as run:
        assert run.out == [f"listening on unix:{path}"]
        async with AsyncExitStack() as stack:
            found: set[str] = set()
            with trio.fail_after(SECONDS):
                while len(found) < 2:
                    stream = await stack.enter_async_context(await trio.open_unix_socket(path))
                    client = Client(stream)
                    await client.upgrade()
                    found.add(await client.message())
    assert run.process.returncode == 0, run.err
    assert not os.path.exists(path)


async def test_workers_serve_with_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    pem = str(tmp_path / "both.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    found = set()
    async with serve_with_workers(2, "--tls-cert", pem, "--tls-key", pem) as run:
        assert run.out == [f"listening on https://127.0.0.1:{run.port}"]
        with trio.fail_after(SECONDS):
            while len(found) < 2:
                stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", run.port, ssl_context=context)
                async with stream:
                    client = Client(stream)
                    await client.upgrade()
                    found.add(await client.message())
                    await client.echo("hello")
    assert run.process.returncode == 0


# The beginning


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("1 / 0", "actorws: importing site_ failed with the ZeroDivisionError above"),
        ("from actorws import Websocket as app", "actorws: Websocket needs a handle_client_message"),
    ],
)
async def test_what_is_wrong_with_the_app_is_told_once(tmp_path: Path, source: str, line: str) -> None:
    (tmp_path / "site_.py").write_text(source)
    async with run_command("site_:app", "--port", "0", "--workers", "4", "--cluster", "none", cwd=tmp_path) as run:
        assert await run.ends() == 2
    assert run.out == []
    assert len(run.pids()) == 1
    assert [said for said in run.err if said.startswith("actorws:")] == [run.err[-1]]
    assert run.err[-1].startswith(line)


async def test_an_address_in_use_is_told_without_any_worker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with run_command("nosuch:app", "--port", str(port), "--workers", "2", "--cluster", "none") as run:
            assert await run.ends() == 2
    assert run.err == [f"actorws: 127.0.0.1:{port} is already in use"]


async def test_workers_share_their_port_with_nobody_else() -> None:
    async with serve_with_workers(2) as run:
        async with run_command("nosuch:app", "--port", str(run.port), "--workers", "2", "--cluster", "none") as other:
            assert await other.ends() == 2
        assert other.err == [f"actorws: 127.0.0.1:{run.port} is already in use"]


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("import sys; sys.exit(0)", "ended with status 0"),
        ("import os; os._exit(3)", "ended with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
    ],
)
async def test_a_worker_that_ends_before_it_serves_without_a_word_is_told_of(
    tmp_path: Path, source: str, how: str
) -> None:
    (tmp_path / "site_.py").write_text(source)
    async with run_command("site_:app", "--port", "0", "--workers", "2", "--cluster", "none", cwd=tmp_path) as run:
        assert await run.ends() == 1
    assert run.err[-1].endswith(f"worker 1 [{run.pids()[0]}] {how} before all had begun: all stop")


async def test_the_file_of_a_unix_socket_that_was_left_behind_is_in_nobody_s_way(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")
    async with serve_with_workers(2, "--unix", path) as run:
        run.process.kill()
    assert os.path.exists(path)
    async with serve_with_workers(2, "--unix", path) as run:
        assert run.out == [f"listening on unix:{path}"]
    assert run.process.returncode == 0
    assert not os.path.exists(path)
