"""What ends for another reason than a limit names none."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actorws import App, Response, events, testing
from actorws.observability.limits import limit_of
from tests.support.serving import Echo, serving
from tests.support.wire import SECONDS, Client, connect

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def limits(server: testing.MemoryServer) -> set[str]:
    return {limit_of(event) for event in server.events} - {""}


def app_of(handler):
    app = App()
    app.http("/", handler)
    return app


async def hang(request):
    await trio.sleep_forever()


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_handler_whose_client_has_gone_is_cut_without_a_word(in_pieces):
    """It would be told of as one that took too long, or as a client who was refused."""
    began, cut = trio.Event(), trio.Event()

    async def wait():
        began.set()
        try:
            await trio.sleep_forever()
        finally:
            cut.set()

    async def pieces():
        yield b"a beginning"
        await wait()

    async def handler(request):
        return Response(pieces()) if in_pieces else await wait()

    async with serving(app_of(handler)) as server, connect(server.port) as client:
        await client.send(GET)
        with trio.fail_after(SECONDS):
            await began.wait()
            client.reset()
            await cut.wait()
        await server.no_wires()
        assert [type(event) for event in server.events] == [events.ListenerStarted]


async def test_a_handler_that_is_cut_with_its_server_took_no_longer_than_it_may(autojump_clock):
    async with testing.open_app(app_of(hang)) as server:
        await Client(server.open_stream()).send(GET)
        await trio.testing.wait_all_tasks_blocked()
    assert limits(server) == set()


async def test_a_request_that_comes_to_a_server_which_goes_away_meets_no_limit(autojump_clock):
    async with testing.open_app(Echo) as server:
        client = Client(server.open_stream())
        await client.send(GET[:-2])
        await trio.testing.wait_all_tasks_blocked()
        await server.shut_down()
        assert (await client.response()).status == 503
        assert [event.status for event in server.events if isinstance(event, events.HandshakeRefused)] == [503]
        assert limits(server) == set()


class Ending(Echo):
    async def terminate(self, state, conn, reason):
        await trio.sleep(2)


async def test_a_terminate_that_is_cut_in_a_hurry_took_no_longer_than_it_may(autojump_clock):
    """As at a second signal."""
    async with testing.open_app(Ending, crashes="ignore") as server:
        client = await server.connect()
        await client.close()
        server.runtime.hurry()
        failed = await server.wait_event(events.TerminateFailed)
        assert str(failed.exception) == "terminate was cancelled: the server's time was over"
        assert limits(server) == set()


async def test_a_shutdown_within_its_time_cuts_nobody(autojump_clock):
    async with testing.open_app(Ending, drain_timeout=10) as server:
        for _ in range(3):
            await server.connect()
        await server.shut_down()
        assert len([event for event in server.events if isinstance(event, events.ActorEnded)]) == 3
        assert limits(server) == set()
