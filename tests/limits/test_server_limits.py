"""Every limit of a server is reached, as those of a route are in ``test_route_limits``, and the tables are complete."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from actorws import App, Ping, Response, events, testing
from actorws.observability.limits import LIMITS, NO_LIMITS
from tests.support.limits import (
    OUTBOUND_OPTIONS,
    ROUTE_OPTIONS,
    SERVER_OPTIONS,
    Hanging,
    HangingAtTheEnd,
    Scenarios,
    Stage,
)
from tests.support.serving import Echo
from tests.support.wire import Client, handshake

SCENARIOS = Scenarios()
reaches = SCENARIOS.reach


async def hang(request):
    await trio.sleep_forever()


def http(handler: Any, method: str = "GET") -> App:
    app = App()
    app.http("/", handler, methods=[method])
    return app


# Requests


@reaches("handshake_timeout", events.HandshakeTimedOut)
async def a_client_that_asks_for_nothing(serve):
    async with serve(Echo, handshake_timeout=3) as server:
        assert await Client(server.open_stream()).rest() == b""
        assert trio.current_time() == pytest.approx(3, abs=0.2)


@reaches("handshake_timeout", events.HandshakeRefused)
async def a_head_that_does_not_end(serve):
    async with serve(Echo, handshake_timeout=3) as server:
        client = Client(server.open_stream())
        await client.send(handshake()[:-2])
        assert (await client.response()).status == 408
        assert trio.current_time() == pytest.approx(3, abs=0.2)


@reaches("max_head_size", events.HandshakeRefused)
async def a_head_that_is_too_large(serve):
    async with serve(Echo, max_head_size=500) as server:
        client = Client(server.open_stream())
        await client.send(handshake(x_large="x" * 500))
        assert (await client.response()).status == 431


@reaches("max_headers", events.HandshakeRefused)
async def too_many_headers(serve):
    async with serve(Echo, max_headers=5) as server:
        assert (await server.connect()).headers["upgrade"] == "websocket"
        with pytest.raises(testing.Refused, match="431"):
            await server.connect(headers={"One": "too many"})


@reaches("max_body_size", events.HandshakeRefused)
async def a_body_that_is_too_large(serve):
    async with serve(http(lambda request: "taken", "POST"), max_body_size=10) as server:
        assert (await server.request("POST", body=bytes(10))).status == 200
        assert (await server.request("POST", body=bytes(11))).status == 413


@reaches("max_body_size", events.HandshakeRefused)
async def a_body_of_chunks_that_is_too_large(serve):
    async with serve(http(lambda request: "taken", "POST"), max_body_size=10) as server:
        client = Client(server.open_stream())
        await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nb\r\n")
        assert (await client.response()).status == 413


@reaches("keep_alive_timeout", events.KeepAliveTimedOut)
async def a_client_that_asks_for_nothing_more(serve):
    async with serve(http(lambda request: "hello"), keep_alive_timeout=3) as server:
        client = Client(server.open_stream())
        assert (await client.get()).body == b"hello"
        assert await client.rest() == b""
        assert trio.current_time() == pytest.approx(3, abs=0.2)


@reaches("handler_timeout", events.HandshakeRefused)
async def a_handler_that_hangs(serve):
    async with serve(http(hang), handler_timeout=3) as server:
        answer = await server.request("GET")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert trio.current_time() == pytest.approx(3, abs=0.2)


@reaches("handler_timeout", events.HandshakeRefused)
async def a_connect_that_hangs(serve):
    class Hesitant(Echo):
        async def connect(self, conn):
            await trio.sleep_forever()

    async with serve(Hesitant, handler_timeout=3) as server:
        with pytest.raises(testing.Refused, match="503"):
            await server.connect()


@reaches("handler_timeout", events.HandshakeRefused)
async def a_body_that_does_not_come(serve):
    async with serve(http(lambda request: "taken", "POST"), handler_timeout=3) as server:
        client = Client(server.open_stream())
        await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n")
        assert (await client.response()).status == 408


@reaches("handler_timeout", events.ResponseCut)
async def an_answer_whose_next_piece_does_not_come(serve):
    async def pieces():
        yield b"a beginning"
        await trio.sleep_forever()

    async with serve(http(lambda request: Response(pieces())), handler_timeout=3) as server:
        client = Client(server.open_stream())
        await client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await client.rest()).endswith(b"a beginning\r\n"), "and no last chunk, so that the client knows"


# The end


@reaches("drain_timeout", events.ActorCut)
async def a_callback_that_hangs_at_the_end(serve):
    async with serve(Hanging, drain_timeout=10, terminate_timeout=20) as server:
        client = await server.connect()
        await client.send("x")
        await trio.testing.wait_all_tasks_blocked()
        await server.shut_down()
        assert (await server.wait_event(events.ActorCut)).callback == "handle_client_message"
        assert len(server.runtime.supervisor) == 0
        assert trio.current_time() == pytest.approx(8, abs=0.5), "with time left for its terminate"


@reaches("drain_timeout", events.ActorCut)
async def a_terminate_that_hangs_at_the_end(serve):
    async with serve(HangingAtTheEnd, drain_timeout=10, terminate_timeout=20) as server:
        await server.connect()
        await server.shut_down()
        assert (await server.wait_event(events.ActorCut)).callback == "terminate"
        assert trio.current_time() == pytest.approx(10, abs=0.5)
        server.runtime.hurry()


@reaches("drain_timeout", events.DrainTimedOut)
async def a_handler_that_hangs_at_the_end(serve):
    async with serve(http(hang), drain_timeout=10) as server:
        await Client(server.open_stream()).send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        await server.shut_down()
        assert (await server.wait_event(events.DrainTimedOut)).connections == 1


# The tables


@pytest.mark.parametrize(("option", "kind", "scenario"), SCENARIOS, ids=[row[2].__name__ for row in SCENARIOS])
async def test_a_limit_that_is_reached_is_told_and_counted(option, kind, scenario, autojump_clock):
    await SCENARIOS.play(option, kind, scenario)


@pytest.mark.parametrize("option", LIMITS)
async def test_a_limit_that_is_not_reached_is_not_told(option, autojump_clock):
    """A client that does nothing wrong, with each of the defaults."""
    stage = Stage()
    async with stage(Echo) as server:
        client = await server.connect()
        await client.send("hello")
        assert await client.receive() == "hello"
        await client.send(Ping())
        await client.receive_control()
        await client.close()
        await server.shut_down()
    assert stage.counted(option) == 0


#: Reached in ``test_accepts``, with sockets.
ELSEWHERE = {("max_accepts_per_second", events.AcceptsPaused)}


def test_every_limit_of_a_server_is_reached_by_a_scenario_for_each_of_its_events():
    pairs = {(option, kind) for option, kinds in LIMITS.items() for kind in kinds}
    outbound = {events.ConnectFailed, events.ConnectionLost}  # in `test_outbound_limits`
    assert SCENARIOS.reached | ELSEWHERE == {
        (option, kind) for option, kind in pairs if option in SERVER_OPTIONS and kind not in outbound
    }


def test_every_option_is_a_limit_or_said_to_be_none():
    assert set(LIMITS) | set(NO_LIMITS) == ROUTE_OPTIONS | SERVER_OPTIONS | OUTBOUND_OPTIONS
    assert not set(LIMITS) & set(NO_LIMITS)


def test_every_event_of_a_limit_names_it():
    for kind in {kind for kinds in LIMITS.values() for kind in kinds}:
        assert hasattr(kind, "limit"), kind


def test_every_event_that_may_name_a_limit_is_in_the_table():
    naming = {getattr(events, name) for name in events.__all__ if hasattr(getattr(events, name), "limit")}
    assert naming == {kind for kinds in LIMITS.values() for kind in kinds}
