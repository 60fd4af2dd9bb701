"""Connections that come to the wrong worker, with real workers: whichever accepts, the right one serves."""

from __future__ import annotations

import os
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
import trio
import trustme

from actorws.server.handover_folder import SUFFIX, handover_folder, socket_path
from tests.support.handover import to_node
from tests.support.wire import SECONDS, Client, connect
from tests.support.workers import Command, serve_with_workers

Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[Client]]

TARGET = "tests.support.handover:app"
CONNECTIONS = 100


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the folder is made."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def sockets(base: Path) -> list[Path]:
    return list(base.glob(f"*/*{SUFFIX}"))


async def nodes(connect: Connect, count: int) -> list[str]:
    """Of all workers."""
    found: set[str] = set()
    with trio.fail_after(SECONDS):
        while len(found) < count:
            async with connect() as client:
                found.add((await client.get("/node")).body.decode())
    return sorted(found)


async def reach(connect: Connect, node: str) -> None:
    """Open a WebSocket of that node, and use it."""
    async with connect() as client:
        await client.upgrade(to_node(node))
        assert (await client.message()).startswith(node)
        await client.echo("hello")
        await client.close()


def failures(run: Command) -> list[str]:
    return [line for line in run.err if "handover" in line]


def over_tcp(run: Command) -> Connect:
    return lambda: connect(run.port)


async def test_clients_reach_the_worker_that_they_name(base: Path) -> None:
    async with serve_with_workers(3, target=TARGET) as run:
        found = await nodes(over_tcp(run), 3)
        assert {path.name for path in sockets(base)} == {f"{node}{SUFFIX}" for node in found}
        for count in range(CONNECTIONS):
            await reach(over_tcp(run), found[count % 3])
    assert run.process.returncode == 0
    assert not failures(run)
    assert list(base.iterdir()) == []


async def test_so_do_clients_on_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")

    @asynccontextmanager
    async def over_unix() -> AsyncIterator[Client]:
        async with await trio.open_unix_socket(path) as stream:
            yield Client(stream)

    async with serve_with_workers(2, "--unix", path, target=TARGET) as run:
        found = await nodes(over_unix, 2)
        for count in range(CONNECTIONS):
            await reach(over_unix, found[count % 2])
    assert run.process.returncode == 0
    assert not failures(run)


async def test_so_do_clients_under_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = str(tmp_path / "both.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async with serve_with_workers(2, "--tls-cert", pem, "--tls-key", pem, target=TARGET) as run:

        @asynccontextmanager
        async def over_tls() -> AsyncIterator[Client]:
            async with await trio.open_ssl_over_tcp_stream("127.0.0.1", run.port, ssl_context=context) as stream:
                yield Client(stream)

        found = await nodes(over_tls, 2)
        for count in range(CONNECTIONS):
            await reach(over_tls, found[count % 2])
    assert run.process.returncode == 0
    assert not failures(run)


async def test_a_second_request_of_a_kept_connection_reaches_the_worker_that_it_names() -> None:
    async with serve_with_workers(2, target=TARGET) as run:
        for node in await nodes(over_tcp(run), 2) * 5:
            async with connect(run.port) as client:
                await client.get("/node")
                await client.upgrade(to_node(node))
                assert (await client.message()).startswith(node)


async def test_who_names_a_worker_that_was_killed_is_served_by_another(base: Path) -> None:
    async with serve_with_workers(2, target=TARGET) as run:
        before = await nodes(over_tcp(run), 2)
        os.kill(run.pids()[0], signal.SIGKILL)
        await run.says(r"worker 1 \[\d+\] begins", 2)
        async with AsyncExitStack() as stack:
            answers = set()
            for node in before * 20:
                client = await stack.enter_async_context(connect(run.port))
                await client.upgrade(to_node(node))
                answers.add((node, (await client.message()).partition(" ")[0]))
        [living] = [node for node, server in answers if node == server]
        assert {node for node, server in answers if node != server} == set(before) - {living}
        [dead] = set(before) - {living}
        assert not socket_path(sockets(base)[0].parent, dead).exists()
    assert len(failures(run)) == 1  # the first that tries takes away what was left


async def test_workers_that_replace_others_are_found_and_those_that_left_are_not(base: Path) -> None:
    async with serve_with_workers(2, target=TARGET) as run:
        before = await nodes(over_tcp(run), 2)
        run.process.send_signal(signal.SIGHUP)
        await run.says("rolling restart: done")
        after = await nodes(over_tcp(run), 2)
        assert not set(before) & set(after)
        assert {path.name for path in sockets(base)} == {f"{node}{SUFFIX}" for node in after}
        for node in after * 5:
            await reach(over_tcp(run), node)
        async with connect(run.port) as client:
            await client.upgrade(to_node(before[0]))
            assert (await client.message()).partition(" ")[0] in after
    assert not failures(run)


async def test_one_worker_needs_no_folder(base: Path) -> None:
    async with serve_with_workers(1, target=TARGET) as run:
        await reach(over_tcp(run), (await nodes(over_tcp(run), 1))[0])
        assert list(base.iterdir()) == []


def test_without_a_place_for_the_folder_there_is_none_and_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    warnings: list[str] = []
    with handover_folder(warnings.append) as folder:
        assert folder is None
    [warning] = warnings
    assert "XDG_RUNTIME_DIR" in warning


def test_what_killed_workers_left_goes_with_the_folder(base: Path) -> None:
    with handover_folder(pytest.fail) as folder:
        assert folder is not None
        socket_path(folder, "0123456789abcdef").touch()
    assert list(base.iterdir()) == []


def test_what_a_killed_parent_left_goes_when_the_next_one_begins(base: Path) -> None:
    left = base / ".actorws-abcdefgh"
    left.mkdir(mode=0o700)
    socket_path(left, "0123456789abcdef").touch()
    with handover_folder(pytest.fail) as folder:
        assert list(base.iterdir()) == [folder]
