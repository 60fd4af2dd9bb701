"""System calls that fail on a connection: it is lost, whole frames or nothing, and nobody else notices."""

from __future__ import annotations

import errno
from typing import Any

import pytest
import trio

from actorws import App, Remote, events
from actorws.io import readiness, stream
from tests.support.faulty import Faults, fault, faulty_listener
from tests.support.serving import Echo, Server, serving
from tests.support.wire import BINARY, TEXT, Client, connect, frame, handshake, open_client

#: What recv and send may say (recv(2), send(2)): the peer has gone, or the system has no room.
ERRORS = [
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.EPIPE,
    errno.EPROTO,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENOBUFS,
    errno.ENOMEM,
]
each_error = pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)


class Large(Echo):
    """Answers a number with so many bytes."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [bytes(int(frame))] if frame.isdigit() else [frame]


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return faulty_listener(monkeypatch)


async def lost(server: Server, client: Client, bystander: Client) -> bytes:
    """The connection ends as one that broke, the bystander's goes on; what came before the end."""
    rest = await client.rest()
    (ended,) = await server.seen(events.ActorEnded)
    assert ended.reason == Remote(1006)
    await bystander.echo("still here")
    server.events.clear()
    return rest


@each_error
async def test_a_read_that_fails_costs_its_connection_only(faults: Faults, number: int) -> None:
    async with serving(Echo) as server, open_client(server.port) as bystander, open_client(server.port) as client:
        faults.plan("recv", fault(number))
        await client.text("hello")
        assert await lost(server, client, bystander) == b""


@each_error
@pytest.mark.parametrize(("call", "size"), [("send", 100), ("sendmsg", 100_000)])
async def test_a_write_that_fails_is_the_last_one(faults: Faults, number: int, call: str, size: int) -> None:
    """Also where the connection could go on: the client would find a hole in what it gets."""
    async with serving(Large) as server, open_client(server.port) as bystander, open_client(server.port) as client:
        faults.plan(call, fault(number))
        await client.send(frame(TEXT, str(size).encode()) + frame(TEXT, b"and more"))
        assert await lost(server, client, bystander) == b""
        assert faults.left(call) == 0


@each_error
async def test_a_write_that_fails_in_the_middle_of_a_frame_is_the_last_one(faults: Faults, number: int) -> None:
    size = 8_000_000
    async with (
        serving(Large) as server,
        open_client(server.port) as bystander,
        open_client(server.port, receive_buffer=65536) as client,
    ):
        faults.plan("send", fault(number))
        await client.text(str(size))
        while not faults.calls["sendmsg"]:
            await trio.lowlevel.checkpoint()
        await client.text("and more")
        came = await lost(server, client, bystander)
        assert 0 < len(came) < size
        assert b"more" not in came


async def test_no_memory_for_a_whole_read_is_memory_for_a_small_one(faults: Faults) -> None:
    """For those who are in; whoever comes meanwhile is given up, and it is told why nobody gets in."""
    async with serving(Echo) as server, open_client(server.port) as client, connect(server.port) as newcomer:
        for text in ("hello", "x" * 5000, ""):
            faults.plan("recv", MemoryError())
            await client.echo(text)
        faults.plan("recv", MemoryError())
        await newcomer.send(handshake())
        assert await newcomer.rest() == b""
        assert {failed.error.errno for failed in await server.seen(events.AcceptFailed, 4)} == {errno.ENOMEM}
        async with open_client(server.port) as late:
            await late.echo("at last")
        await client.echo("still here")


@pytest.mark.parametrize(("call", "size"), [("recv", 5), ("send", 100), ("sendmsg", 100_000), ("recv_into", 5)])
async def test_no_memory_for_a_read_or_write_costs_its_connection_only(faults: Faults, call: str, size: int) -> None:
    async with serving(Large) as server, open_client(server.port) as bystander, open_client(server.port) as client:
        message = frame(BINARY, bytes(300_000)) if call == "recv_into" else frame(TEXT, str(size).encode())
        faults.plan(call, *[MemoryError()] * (2 if call == "recv" else 1))
        try:
            await client.send(message)
        except trio.BrokenResourceError:
            pass  # it was cut before it had said everything
        assert await lost(server, client, bystander) == b""
        assert faults.left(call) == 0


async def test_no_memory_for_what_the_kernel_did_not_take_costs_its_connection_only(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: Any) -> None:
        monkeypatch.undo()
        raise MemoryError

    async with (
        serving(Large) as server,
        open_client(server.port) as bystander,
        open_client(server.port, receive_buffer=65536) as client,
    ):
        monkeypatch.setattr("actorws.io.socket_wire.SocketWire.block", no_memory)
        await client.text("8000000")
        assert 0 < len(await lost(server, client, bystander)) < 8_000_000


async def test_no_memory_for_a_write_to_a_stream_costs_its_connection_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: Any) -> None:
        monkeypatch.undo()
        raise MemoryError

    monkeypatch.setattr(readiness, "is_supported", False)
    async with serving(Echo) as server, open_client(server.port) as bystander, open_client(server.port) as client:
        monkeypatch.setattr(stream, "memoryview", no_memory, raising=False)
        await client.text("hello")
        assert await lost(server, client, bystander) == b""


async def test_a_write_that_fails_while_the_client_is_not_read_from_is_noticed(faults: Faults) -> None:
    """Above the high-water mark nothing is read, but that a connection broke is told all the same."""
    app = App()
    app.websocket("/", Large, high_water_mark=0, idle_timeout=None)
    async with (
        serving(app) as server,
        open_client(server.port) as bystander,
        open_client(server.port, receive_buffer=65536) as client,
    ):
        faults.plan("send", None, fault(errno.ENOBUFS))
        await client.text("8000000")
        came = await lost(server, client, bystander)
        assert 0 < len(came) < 8_000_000
