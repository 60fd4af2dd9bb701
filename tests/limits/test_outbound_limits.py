"""Every limit of an outbound connection is reached, and told of."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from actorws import Backoff, Websocket, events
from actorws.exceptions import ConnectError
from actorws.observability.limits import LIMITS
from actorws.testing.memory import memory_streams
from tests.support.limits import OUTBOUND_OPTIONS, Scenarios
from tests.support.serving import Echo

SCENARIOS = Scenarios()
reaches = SCENARIOS.reach


async def connect(server: Any, open_stream: Any = None, behaviour: Any = Echo, **options: Any) -> Any:
    async def to_itself(host: str, port: int) -> trio.abc.Stream:
        return server.open_stream()

    options = {"restart": "temporary", "open_stream": open_stream or to_itself, **options}
    return await server.runtime.connect("ws://host/", behaviour, **options)


async def never(host: str, port: int) -> trio.abc.Stream:
    await trio.sleep_forever()
    raise AssertionError


async def silent(host: str, port: int) -> trio.abc.Stream:
    return memory_streams()[0]


async def redirecting(host: str, port: int) -> trio.abc.Stream:
    ours, theirs = memory_streams()
    await theirs.send_all(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")
    return ours


async def away(host: str, port: int) -> trio.abc.Stream:
    raise ConnectionRefusedError


@reaches("connect_timeout", events.ConnectFailed)
async def nobody_who_answers_tcp(serve):
    async with serve(Echo) as server:
        with pytest.raises(ConnectError, match="connect_timeout"):
            await connect(server, never, connect_timeout=3)
        assert trio.current_time() == pytest.approx(3)


@reaches("handshake_timeout", events.ConnectFailed)
async def nobody_who_answers_the_handshake(serve):
    async with serve(Echo) as server:
        with pytest.raises(ConnectError, match="handshake_timeout"):
            await connect(server, silent, handshake_timeout=3)
        assert trio.current_time() == pytest.approx(3)


@reaches("max_redirects", events.ConnectFailed)
async def a_redirect_to_itself(serve):
    async with serve(Echo) as server:
        with pytest.raises(ConnectError, match="max_redirects"):
            await connect(server, redirecting, max_redirects=3)


@reaches("max_attempts", events.ConnectFailed)
async def a_server_that_stays_away(serve):
    async with serve(Echo) as server:
        with pytest.raises(ConnectError):
            await connect(server, away, restart="permanent", backoff=Backoff(max_attempts=3))


class Leaving(Websocket):
    def init(self, conn: Any) -> Any:
        conn.close()
        return None, []

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, []


@reaches("max_attempts", events.ConnectionLost)
async def connections_that_do_not_last(serve):
    async with serve(Echo) as server:
        options = {"restart": "permanent", "backoff": Backoff(max_attempts=3)}
        connector = await connect(server, behaviour=Leaving, **options)
        await connector.wait_ended()
        assert connector.connections == 3


@pytest.mark.parametrize(("option", "kind", "scenario"), SCENARIOS, ids=[row[2].__name__ for row in SCENARIOS])
async def test_a_limit_that_is_reached_is_told_of_and_counted(option, kind, scenario, autojump_clock):
    await SCENARIOS.play(option, kind, scenario)


def test_every_limit_of_an_outbound_connection_is_reached_by_a_scenario_for_each_of_its_events():
    outbound = {events.ConnectFailed, events.ConnectionLost}
    pairs = {(option, kind) for option, kinds in LIMITS.items() for kind in kinds if kind in outbound}
    assert SCENARIOS.reached == pairs
    assert {option for option, _ in pairs} <= OUTBOUND_OPTIONS
