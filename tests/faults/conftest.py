"""The target of every attack here: a served behaviour in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.conftest import ServerProcess
from tests.support.faults import Target


@pytest.fixture
def start_target(start_server: Callable[[Sequence[str]], Any]) -> Callable[..., Target]:
    """Starts a server process: ``start_target("tests.servers.torture:app", "--option=handshake_timeout=1")``.

    ``prefix`` comes before the command (``sh -c 'ulimit ...'``), ``path`` is where the good client looks.
    """

    def start(
        app: str = "tests.servers.torture:app", *options: str, prefix: Sequence[str] = (), path: str = "/"
    ) -> Target:
        command = [*prefix, sys.executable, "-m", "actorws", "serve", app, "--port", "0", *options]
        return Target(start_server(command), path)

    return start


@pytest.fixture
def target(start_target: Callable[..., Target]) -> Target:
    """The torture app with every default."""
    return start_target()


@pytest.fixture(scope="module")
def shared_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The same for all tests of a module: what one did to it must not be felt by the next. Where memory is measured,
    ``target`` is new.
    """
    yield from _serve("tests.servers.torture:app", tmp_path_factory)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The app with policies, the same for all tests of a module."""
    yield from _serve("tests.servers.guarded:app", tmp_path_factory)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The app that closes when it is told to and waits for nobody for long, the same for all tests of a module."""
    yield from _serve("tests.servers.endings:app", tmp_path_factory)


@pytest.fixture(scope="module")
def deflating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The app that agrees to compression, the same for all tests of a module."""
    yield from _serve("tests.servers.deflating:app", tmp_path_factory)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The app whose own code does wrong, the same for all tests of a module."""
    yield from _serve("tests.servers.product:app", tmp_path_factory)


def _serve(app: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    log = tmp_path_factory.mktemp("target") / "server.log"
    process = ServerProcess([sys.executable, "-m", "actorws", "serve", app, "--port", "0"], log)
    try:
        yield Target(process)
    finally:
        process.stop()
