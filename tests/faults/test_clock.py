"""Clocks that jump: the time of day is nobody's business, and a pause costs nobody the connection."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock

import actorws
from actorws import App, events
from tests.support.faults import Target
from tests.support.serving import Echo, serving
from tests.support.wire import PING, PONG, TEXT, Client, connect, frame, handshake, open_client

PACKAGE = Path(actorws.__file__).parent
#: What tells the time of day.
WALL = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime", "ctime"}
#: Who may ask: responses have a Date, and who reads what comes at a terminal, or from a pipe, is told when it came.
MAY_ASK = {"server/http.py", "cli/display.py", "cli/connect_pipes.py"}
#: Whenever somebody looks at it, it is 20 years earlier or later.
FAKED = """
import random, time
for name, second in (("time", 1), ("time_ns", 10**9)):
    def fake(real=getattr(time, name), second=second):
        return real() + random.choice([20, -20]) * 365 * 86400 * second
    setattr(time, name, fake)
"""


def asked(path: Path) -> Iterator[str]:
    """Where a module asks for the time of day."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in WALL:
            yield f"{path}:{node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "datetime"):
            yield from (f"{path}:{node.lineno}: {alias.name}" for alias in node.names if alias.name in WALL)


def test_nothing_asks_for_the_time_of_day() -> None:
    found = {str(path.relative_to(PACKAGE)): list(asked(path)) for path in PACKAGE.rglob("*.py")}
    assert found["server/http.py"], "the check finds nothing any more"
    assert [where for name, lines in found.items() if name not in MAY_ASK for where in lines] == []


async def test_a_wall_clock_that_jumps_makes_no_difference(start_target: Callable[..., Target], tmp_path: Path) -> None:
    """By 20 years, back and forth, whenever somebody looks: pings, timeouts and the shutdown come in their time.

    And a crowd whose time is over is still told of in a line a second.
    """
    (tmp_path / "sitecustomize.py").write_text(FAKED)
    target = start_target("tests.servers.product:app", prefix=["env", f"PYTHONPATH={tmp_path}"])
    async with target.unharmed(log_lines=4), AsyncExitStack() as stack:
        began = trio.current_time()
        crowd = [await stack.enter_async_context(open_client(target.port, "/watched")) for _ in range(50)]
        years = set()
        async with connect(target.port) as client:
            for _ in range(20):
                date = (await client.get("/statistics")).headers["date"]
                years.add(parsedate_to_datetime(date).year)
        assert max(years) - min(years) >= 40, "it was not faked"
        assert await crowd[-1].frame() == (PING, b"")
        assert 1.5 < trio.current_time() - began < 10.0
        assert await crowd[-1].closed() == (1001, "idle for too long")
        assert 2.3 < trio.current_time() - began < 10.0
        for client in crowd[:-1]:
            assert await client.frame() == (PING, b"")
            assert await client.closed() == (1001, "idle for too long")


async def answers_a_ping(client: Client) -> None:
    assert await client.frame() == (PING, b"")
    await client.send(frame(PONG))


async def settled() -> None:
    """Let the server do what is to be done now."""
    await trio.testing.wait_all_tasks_blocked(0.02)


def say(client: Client, data: bytes) -> None:
    """At once: nobody else gets a turn meanwhile, so the server has not read it."""
    assert isinstance(client.stream, trio.SocketStream)
    assert os.write(client.stream.socket.fileno(), data) == len(data)


class Ticking(Echo):
    """Counts what its timers bring: one that fires once, and one that is set again and again."""

    ticks: list[str] = []

    def init(self, conn: Any) -> Any:
        conn.send_after(10, "once")
        conn.send_after(10, "again")
        return None, []

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        self.ticks.append(message)
        if message == "again":
            conn.send_after(10, "again")
        return state, []


async def test_after_a_pause_timers_fire_once_and_who_spoke_meanwhile_stays(mock_clock: MockClock) -> None:
    """An hour: for all that is said, it was said in time."""
    mock_clock.rate = 1.0  # It goes by itself, and jumps.
    app = App()
    app.websocket("/", Echo)
    app.websocket("/ticking", Ticking)
    async with serving(app) as server, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(open_client(server.port)) for _ in range(5)]
        pinged = [await stack.enter_async_context(open_client(server.port)) for _ in range(5)]
        talking = [await stack.enter_async_context(open_client(server.port, "/ticking")) for _ in range(5)]
        await settled()
        mock_clock.jump(30)
        await settled()
        for client in silent:
            await client.echo("hello")
        mock_clock.jump(15)
        await settled()
        # Here they are pinged; they answer, or say something else, while the server stands still.
        coming = await stack.enter_async_context(connect(server.port))
        for client in [*pinged, *talking]:
            assert await client.frame() == (PING, b"")
        await settled()
        for client in pinged:
            say(client, frame(PONG))
        for client in talking:
            say(client, frame(TEXT, b"hello"))
        say(coming, handshake())
        Ticking.ticks.clear()
        mock_clock.jump(3600)
        await settled()
        assert (await coming.head()).status == 101
        assert sorted(Ticking.ticks) == ["again"] * 5
        for client in [*silent, *pinged]:
            await client.text("still here")
            while (came := await client.frame()) != (TEXT, b"still here"):
                assert came[0] == PING
        for client in talking:
            while (came := await client.frame()) != (TEXT, b"hello"):
                assert came[0] == PING
        assert not server.all(events.ActorEnded)
