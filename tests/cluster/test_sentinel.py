"""Sentinels: one that knows where the primary is is enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.nodes import IMPATIENT, refusal, running, trying
from tests.support.redis import RedisServer, free_port

START = Callable[..., RedisServer]


@pytest.fixture
def primary(start: START) -> RedisServer:
    server = start("redis", tcp=True)
    server.settle()
    return server


@pytest.fixture
def sentinel(start: START, primary: RedisServer, tmp_path: Path) -> RedisServer:
    """A Sentinel that watches over ``primary`` by the name ``main``."""
    return watch(start, primary, tmp_path)


def watch(start: START, primary: RedisServer, folder: Path, more: str = "", **options: Any) -> RedisServer:
    config = folder / f"sentinel{primary.port}.conf"
    config.write_text(f"sentinel monitor main 127.0.0.1 {primary.port} 1\n{more}\n")
    return start("redis", config=config, tcp=True, **options)


async def test_a_sentinel_tells_where_the_primary_is(primary: RedisServer, sentinel: RedisServer):
    """Also if the first that is asked is not there."""
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel.port}/main"
    for _ in range(2):
        async with running(url) as (engine, _):
            assert await engine.register("x", 1)
            assert list(primary.names()) == ["x"]


async def test_a_sentinel_that_says_nothing_does_not_hold_up_the_others(primary: RedisServer, sentinel: RedisServer):
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    url = f"redis+sentinel://127.0.0.1:{listener.getsockname()[1]},127.0.0.1:{sentinel.port}/main"
    async with running(url, timings=IMPATIENT) as (engine, _):
        assert engine.trouble is None
    listener.close()


async def test_a_sentinel_that_knows_no_better_is_not_asked_first_again(
    start: START, primary: RedisServer, tmp_path: Path
):
    """It was cut off, and tells of a primary that is gone."""
    stale = start("redis", tcp=True)
    cut_off = watch(start, stale, tmp_path)
    stale.stop()
    knows = watch(start, primary, tmp_path)
    async with running(f"redis+sentinel://127.0.0.1:{cut_off.port},127.0.0.1:{knows.port}/main") as (engine, _):
        assert await engine.register("x", 1)
        assert list(primary.names()) == ["x"]


async def test_what_sentinels_can_not_tell_is_refused(primary: RedisServer, sentinel: RedisServer):
    where = f"redis+sentinel://127.0.0.1:{sentinel.port}/other"
    assert await refusal(where) == (
        f"no Sentinel of {where} tells where the primary is: 127.0.0.1:{sentinel.port} knows no service 'other'"
    )
    assert "it is no Sentinel" in await refusal(f"redis+sentinel://127.0.0.1:{primary.port}/main")
    assert "write redis+sentinel://host/service" in await refusal(sentinel.tcp)


async def test_a_sentinel_s_password_is_another_than_the_primary_s(start: START, primary: RedisServer, tmp_path: Path):
    sentinel = watch(start, primary, tmp_path, "requirepass watch", login=("watch",))
    url = f"redis+sentinel://127.0.0.1:{sentinel.port}/main"
    assert "refuses the user or the password" in await refusal(url)
    async with running(f"{url}?sentinel_password=watch") as (engine, _):
        assert engine.trouble is None


async def test_sentinels_that_are_all_away_are_asked_again():
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/main"
    async with trying(url) as (engine, _):
        assert str(engine.trouble).startswith(f"no Sentinel of {url} tells where the primary is: 127.0.0.1:")
        assert str(engine.trouble).count("Connection refused") == 2
