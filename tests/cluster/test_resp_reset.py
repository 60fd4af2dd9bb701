"""RESP: what is still in the system's buffers when a connection is given up is never sent: it might arrive long after.

On real sockets: the other end reads nothing before the connection is over, and then everything that comes.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

from actorws.cluster.resp import Connection
from actorws.exceptions import EngineUnavailable
from tests.support.wire import SECONDS

#: More than the buffers of both ends hold.
MUCH = 16 * 1024 * 1024


@asynccontextmanager
async def over_tcp(secure: bool = False, patience: float = inf) -> AsyncIterator[tuple[Connection, trio.SocketStream]]:
    """A connection that is to be run, and the server's end."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    near = await trio.open_tcp_stream(*listener.socket.getsockname()[:2])
    async with listener, near, await listener.accept() as far:
        stream = await encrypted(near, far) if secure else near
        yield Connection(stream, lambda push: None, max_output=2 * MUCH, patience=patience), far


async def encrypted(near: trio.SocketStream, far: trio.SocketStream) -> trio.abc.Stream:
    authority = trustme.CA()
    client, server = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    secure = trio.SSLStream(near, client, server_hostname="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.SSLStream(far, server, server_side=True).do_handshake)
        nursery.start_soon(secure.do_handshake)
    return secure


async def all_of(far: trio.SocketStream) -> tuple[int, bool]:
    """How many bytes come in the end, and whether they end with a reset."""
    count = 0
    with trio.fail_after(SECONDS):
        try:
            while data := await far.receive_some():
                count += len(data)
        except trio.BrokenResourceError:
            return count, True
    return count, False


async def give_up(connection: Connection) -> None:
    """Run it until it is blocked, and then no longer."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
async def test_cancelled_it_sends_nothing_more(secure: bool) -> None:
    async with over_tcp(secure) as (connection, far):
        connection.send(lambda reply: None, "PUBLISH", "g", bytes(MUCH))
        await give_up(connection)
        count, was_reset = await all_of(far)
    assert was_reset
    assert count < MUCH


async def test_over_because_of_silence_it_sends_nothing_more() -> None:
    async with over_tcp(patience=0.05) as (connection, far):
        connection.send(lambda reply: None, "PUBLISH", "g", bytes(MUCH))
        with pytest.raises(EngineUnavailable, match="did not answer"):
            await connection.run()
        count, was_reset = await all_of(far)
    assert was_reset
    assert count < MUCH


async def test_what_was_written_and_not_answered_is_given_up_as_well() -> None:
    """All of it is in the buffers of the system: whether the server has got it is not known."""
    async with over_tcp() as (connection, far):
        connection.send(lambda reply: None, "PUBLISH", "g", "1")
        await give_up(connection)
        _, was_reset = await all_of(far)
    assert was_reset


async def test_closed_in_order_there_is_no_reset() -> None:
    """When everything that was asked is answered."""
    async with over_tcp() as (connection, far):
        connection.send(lambda reply: None, "PING")
        await far.send_all(b"+PONG\r\n")
        await give_up(connection)
        _, was_reset = await all_of(far)
    assert not was_reset
