"""A bot stays in the chat whatever becomes of its server, and a thousand don't storm a server that comes back."""

from __future__ import annotations

import errno
import json
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
import trio
from trio_websocket import open_websocket_url

from actorws import Backoff, Connector, open_runtime
from actorws.backoff import Waits
from actorws.reasons import Expired, Stop
from actorws.testing import MemoryServer, open_app
from examples.bot import Bot
from tests.support.reconnects import Away, Calm, Outbound, allow_descriptors, most_within, outbound, storm

RESTARTS = 10
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
QUICK = Backoff(initial=0.05, maximum=0.5)
CLIENTS, OUTAGE = 1000, 20.0
#: What a thousand may be at most in any 100 ms, and the seconds within which they must be back.
MOST, WITHIN = 100, 30.0
HUMANS = count(1)


class Visitor(Bot):
    """A bot whose visits are counted."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.went: list[tuple[int, Any]] = []

    def init(self, conn: Any) -> Any:
        self.came.append(conn.number)
        return super().init(conn)

    def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        self.went.append((conn.number, reason))


@pytest.fixture
def server(start_server: Any) -> Iterator[Away]:
    server = Away(start_server)
    server.start()
    yield server


@pytest.fixture
def chance() -> Iterator[None]:
    """The same in each run."""
    state = random.getstate()
    random.seed(6455)
    yield
    random.setstate(state)


async def ask_bot(server: Away, bot: str) -> None:
    """As somebody else in the chat: wait for the bot, if it isn't there, and have it answer."""
    name = f"human {next(HUMANS)}"
    with trio.fail_after(60):
        async with open_websocket_url(server.url(f"/chat?name={name.replace(' ', '%20')}")) as human:
            said: dict[str, Any] = json.loads(await human.get_message())
            while not (bot in said.get("people", ()) or said == {"type": "came", "name": bot}):
                said = json.loads(await human.get_message())
            await human.send_message(f"{bot}: roll 1d1")
            while said != {"type": "said", "name": bot, "text": f"{name}, 1 (1)"}:
                said = json.loads(await human.get_message())


async def join(server: Away, actors: Outbound, name: str, backoff: Backoff | None = None) -> tuple[Connector, Visitor]:
    visitor = Visitor()
    connector = await actors.connect(server.url(f"/chat?name={name}"), visitor, backoff)
    await ask_bot(server, name)
    return connector, visitor


async def test_a_bot_stays_in_the_chat_over_ten_restarts_and_leaves_nothing_behind(server: Away) -> None:
    async with outbound() as actors:
        bot, visitor = await join(server, actors, "bot", QUICK)
        before = actors.in_use()
        for restart in range(1, RESTARTS + 1):
            await trio.to_thread.run_sync(server.end, SIGNALS[restart % 3])
            await actors.all_lost()
            await trio.to_thread.run_sync(server.start)
            await actors.all_back()
            await ask_bot(server, "bot")
            assert bot.connections == restart + 1
        assert actors.in_use() == before
        assert max(actors.waits) <= QUICK.maximum
        await actors.close()
    # Each time the server had forgotten the session: one actor ended, another one began.
    ends = [*[Expired()] * RESTARTS, Stop()]
    assert visitor.went == list(zip(visitor.came, ends, strict=True)), "terminate, once for each init"


async def test_a_thousand_and_a_bot_come_back_after_an_outage_and_the_server_is_not_stormed(server: Away) -> None:
    """In real time, over real sockets; what chance makes of it is seen in the tests below."""
    allow_descriptors(CLIENTS + 500)
    at_first = await trio.to_thread.run_sync(server.ask, "/usage")
    async with outbound() as actors:
        await join(server, actors, "bot")
        await actors.close()
        before = actors.in_use()
        bot, visitor = await join(server, actors, "bot")
        figures = await storm(server, actors, CLIENTS, OUTAGE)
        print(figures)
        await ask_bot(server, "bot")
        assert (bot.connections, len(visitor.went)) == (2, 1)
        assert figures.back <= WITHIN
        assert figures.most_due <= MOST
        assert figures.most_arrived <= MOST
        assert (await trio.to_thread.run_sync(server.ask, "/usage"))["actors"] == CLIENTS + 1, "they have, and the bot"
        await actors.close()
        del bot
        assert actors.in_use() == before
    at_last = await trio.to_thread.run_sync(server.ask, "/usage")
    assert (at_last["actors"], at_last["descriptors"]) == (0, at_first["descriptors"])


class Line:
    """A way to a server in memory, which can be cut. Every call is noted."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self._streams: list[trio.abc.Stream] = []
        self.is_cut = False
        self.calls: list[float] = []

    async def open_stream(self, host: str, port: int) -> trio.abc.Stream:
        self.calls.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.is_cut:
            raise OSError(errno.ECONNREFUSED, "nobody listens")
        self._streams.append(self._server.open_stream())
        return self._streams[-1]

    async def cut(self) -> None:
        self.is_cut = True
        for stream in self._streams:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def calling(line: Line, clients: int) -> AsyncIterator[list[Connector]]:
    """``clients`` who are connected over ``line``."""
    async with open_runtime(()) as runtime, trio.open_nursery() as nursery:
        connectors: list[Connector] = []

        async def connect() -> None:
            connectors.append(await runtime.connect("ws://server/", Calm, open_stream=line.open_stream))

        async with trio.open_nursery() as connecting:
            for _ in range(clients):
                connecting.start_soon(connect)
        yield connectors
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("outage", [0.4, OUTAGE])
async def test_chance_spreads_a_thousand_who_lost_their_server_in_the_same_moment(
    autojump_clock: Any, chance: None, outage: float
) -> None:
    async with open_app(Calm) as server:
        line = Line(server)
        async with calling(line, CLIENTS) as connectors:
            line.calls.clear()
            await line.cut()
            await trio.sleep(outage)
            line.is_cut, returned = False, trio.current_time()
            for connector in connectors:
                await connector.wait_connected()
            back = trio.current_time() - returned
    print(f"{len(line.calls)} calls, {most_within(0.1, line.calls)} within 100 ms, all back after {back:.1f} s")
    assert most_within(0.1, line.calls) <= MOST
    assert back <= WITHIN


def call_until(outage: float, waits: Waits) -> list[float]:
    """When one calls who has lost a server, until it is there again ``outage`` seconds later."""
    calls = [waits.failed(held=60.0)]
    while calls[-1] < outage:
        calls.append(calls[-1] + waits.failed())
    return calls


@pytest.mark.parametrize("outage", [0.0, 0.5, 2.0, 5.0, 10.0, 20.0, 60.0])
def test_the_default_backoff_makes_no_storm_whatever_chance_has_it(outage: float) -> None:
    for seed in range(10):
        chance = random.Random(seed).random
        calls = [call_until(outage, Waits(Backoff(), chance=chance)) for _ in range(CLIENTS)]
        assert most_within(0.1, (call for one in calls for call in one)) <= MOST, f"seed {seed}"
        assert max(one[-1] for one in calls) - outage <= WITHIN, f"seed {seed}"
