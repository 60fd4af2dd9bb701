"""Folders with something to serve, and the command run on them without a server."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actorws.cli import command, main
from tests.conftest import PROJECT, ServerProcess
from tests.support.terminal import Terminal

SITE = """
from actorws import App, Websocket

class Echo(Websocket):
    def handle_client_message(self, state, conn, frame):
        return state, [frame]

class Mute(Websocket):
    pass

app = App()
app.websocket("/", Echo)
instance = Echo()
number = 5

class Nested:
    app = app
"""

serial = itertools.count()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != os.getcwd()])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def site(folder: Path) -> str:
    """The name of a module in the current folder that has things to serve."""
    name = f"site_{next(serial)}"
    (folder / f"{name}.py").write_text(SITE)
    return name


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """The calls of ``run`` that the command made; nothing is really served."""
    calls: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(command, "run", lambda target, **arguments: calls.append((target, arguments)))
    return calls


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command, which has to fail with status 2 and one line; returns the line."""

    def check(*arguments: str) -> str:
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        [line] = err.splitlines()
        assert line.startswith("actorws: ")
        return line.removeprefix("actorws: ")

    return check


# For ``connect``

CONNECT = [sys.executable, "-m", "actorws", "connect"]


@pytest.fixture(scope="session")
def puppet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that does as it is told, see ``tests.support.puppet``. Not to be stopped."""
    argv = [sys.executable, "-m", "actorws", "serve", "tests.support.puppet:app", "--port", "0", "--log-level", "error"]
    server = ServerProcess(argv, tmp_path_factory.mktemp("puppet") / "log")
    yield server
    server.stop()


@pytest.fixture
def piped() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Runs ``actorws connect`` with some bytes for stdin."""

    def run(url: str, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "PYTHONWARNINGS": "error"}
        return subprocess.run(
            [*CONNECT, url, *words], input=stdin, capture_output=True, cwd=PROJECT, env=environment, timeout=60
        )

    return run


@pytest.fixture
def talking(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Starts ``actorws connect`` at a terminal, and waits until it is ready."""
    with ExitStack() as stack:

        def start(url: str, *words: str, wait_for: str = "Ctrl-D closes", **environment: str) -> Terminal:
            given = {"XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONWARNINGS": "error", **environment}
            terminal = stack.enter_context(Terminal([*CONNECT, url, *words], given))
            terminal.wait_for(wait_for)
            return terminal

        yield start
