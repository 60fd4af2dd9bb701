"""Accepts per second: who comes too fast waits in the kernel's queue, on every kind of listener."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest
import trio
import trustme

from actorws import App, events
from actorws.observability.limits import limit_of
from actorws.observability.metrics import Metrics
from tests.support.serving import Echo, Server, serving
from tests.support.wire import Client

#: A second's worth at once, and one that is owed: so six connections take a quarter of a second.
RATE, CONNECTIONS, SECONDS = 4, 6, 0.25


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, authority: trustme.CA) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """The contexts of server and client: plain sockets are accepted by the poller, those with TLS by a task."""
    if request.param == "plain":
        return None, None
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def echo(server: Server, tls: ssl.SSLContext | None, stack: ExitStack) -> float:
    """Open a connection, which stays, and have an echo on it; when that came."""
    stream: Any = await trio.open_tcp_stream("127.0.0.1", server.port)
    stack.callback(stream.socket.close)
    if tls is not None:
        stream = trio.SSLStream(stream, tls, server_hostname="127.0.0.1")
    client = Client(stream)
    await client.upgrade()
    await client.echo("hello")
    return monotonic()


async def test_those_who_come_too_fast_wait_and_are_served_all_the_same(tls: Any) -> None:
    metrics = Metrics()
    with ExitStack() as stack:
        async with serving(App.of(Echo), tls=tls[0], max_accepts_per_second=RATE) as server:
            began = monotonic()
            served = [await echo(server, tls[1], stack) for _ in range(CONNECTIONS)]
            assert served[-1] - began >= SECONDS
            paused = server.all(events.AcceptsPaused)
            assert paused
            assert {limit_of(event) for event in server.events} == {"", "max_accepts_per_second"}
            for event in server.events:
                metrics(event)
            stack.close()
    labels = {"limit": "max_accepts_per_second"}
    assert metrics.registry.get_sample_value("actorws_limit_reached_total", labels) == len(paused)


async def test_as_many_as_are_allowed_do_not_wait(tls: Any) -> None:
    with ExitStack() as stack:
        async with serving(App.of(Echo), tls=tls[0], max_accepts_per_second=1000) as server:
            for _ in range(CONNECTIONS):
                await echo(server, tls[1], stack)
            assert not server.all(events.AcceptsPaused)
            stack.close()


async def test_all_listeners_share_one_rate() -> None:
    """A name that has an address of each family is one server, not two."""
    with ExitStack() as stack:
        async with serving(App.of(Echo), host=None, max_accepts_per_second=RATE) as server:
            began = monotonic()
            for number in range(CONNECTIONS):
                host = "::1" if number % 2 and len(server.served.addresses) > 1 else "127.0.0.1"
                stream = await trio.open_tcp_stream(host, server.port)
                stack.callback(stream.socket.close)
                client = Client(stream)
                await client.upgrade()
            assert monotonic() - began >= SECONDS
            stack.close()


async def test_a_server_that_waits_to_accept_can_be_shut_down(tls: Any) -> None:
    with ExitStack() as stack:
        async with serving(App.of(Echo), tls=tls[0], max_accepts_per_second=0.01) as server:
            await echo(server, tls[1], stack)  # the one that is saved up
            await echo(server, tls[1], stack)  # one that is owed
            waiting = await trio.open_tcp_stream("127.0.0.1", server.port)
            stack.callback(waiting.socket.close)
            (paused,) = await server.seen(events.AcceptsPaused)
            assert paused.pause > 50
            stack.close()
