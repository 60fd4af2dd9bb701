"""RESP: what can't wait for the turn of the connection's tasks is written at once, as far as the socket takes it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws.cluster.resp import Connection
from actorws.exceptions import EngineUnavailable
from tests.support.resp import Peer, connected


@asynccontextmanager
async def over_sockets() -> AsyncIterator[tuple[Connection, socket.socket]]:
    """A connection that runs, and the other end of its socket, which blocks nobody."""
    near, far = socket.socketpair()
    far.setblocking(False)
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(near))
    connection = Connection(stream, lambda push: None, max_output=64 * 1024 * 1024)

    async def run() -> None:
        with pytest.raises(EngineUnavailable):
            await connection.run()

    with far:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await wait_all_tasks_blocked()
            yield connection, far
            far.close()


def ignore(reply: object) -> None:
    pass


def drain(far: socket.socket) -> bytes:
    data = b""
    try:
        while piece := far.recv(1024 * 1024):
            data += piece
    except BlockingIOError:
        pass
    return data


async def test_what_waits_is_written_before_any_task_runs():
    async with over_sockets() as (connection, far):
        connection.before_write = lambda: connection.subscribe("HELD", "BACK")
        connection.send(ignore, "C")
        connection.write_now()
        connection.before_write = lambda: None
        assert drain(far) == b"*1\r\n$1\r\nC\r\n*2\r\n$4\r\nHELD\r\n$4\r\nBACK\r\n"
        await wait_all_tasks_blocked()
        assert drain(far) == b"", "the task finds nothing left to write"
        connection.send(ignore, "D")
        await wait_all_tasks_blocked()
        assert drain(far) == b"*1\r\n$1\r\nD\r\n"


async def test_what_the_socket_does_not_take_is_left_to_the_task_and_nothing_overtakes_it():
    async with over_sockets() as (connection, far):
        size = 4 * 1024 * 1024
        connection.send(ignore, "C", bytes(size))
        connection.write_now()
        connection.send(ignore, "D")
        connection.write_now()
        data = b""
        with trio.fail_after(20):
            while not data.endswith(b"*1\r\n$1\r\nD\r\n"):
                await wait_all_tasks_blocked()
                data += drain(far)
                connection.write_now()  # in the middle of a write: that is the task's
        assert data == b"*2\r\n$1\r\nC\r\n$%d\r\n%b\r\n*1\r\n$1\r\nD\r\n" % (size, bytes(size))
        await wait_all_tasks_blocked()
        assert connection._output_size == 0


async def test_on_another_stream_than_a_socket_it_is_the_task_that_writes():
    async with connected() as (connection, peer):
        connection.send(ignore, "C")
        connection.write_now()
        assert isinstance(peer, Peer)
        assert await peer.command() == [b"C"]


async def test_there_is_nothing_to_write_on_a_connection_that_is_over():
    async with over_sockets() as (connection, far):
        far.close()
        await connection.wait_over()
        connection.write_now()
