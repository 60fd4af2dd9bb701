"""The floor is a server that its figures can stand for: it serves what contenders have to, and ends cleanly."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import pytest

from actorws.protocol.handshake import accept_key
from benchmarks.limit import build
from tests.conftest import ServerProcess
from tests.support.wire import CLOSE, PING, PONG, Client, connect, frame, handshake, open_client

TEXT, BINARY, CONTINUATION = 1, 2, 0
LARGEST = 16 << 20


@pytest.fixture
def port(start_server: Callable[[Sequence[str]], ServerProcess]) -> int:
    """Of a floor that runs, and has to end with status 0 on SIGINT."""
    return int(start_server([str(build.binary()), "0"]).address.rpartition(":")[2])


@pytest.mark.parametrize("size", [0, 1, 7, 8, 125, 126, 65535, 65536, 300_000, LARGEST])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_messages_of_every_length_come_back(port: int, opcode: int, size: int) -> None:
    payload = bytes(i * 7 % 128 for i in range(min(size, 1009))) * (size // 1009 + 1)
    async with open_client(port) as client:
        await client.send(frame(opcode, payload[:size]))
        assert await client.frame() == (opcode, payload[:size])


async def test_keys_are_answered_as_rfc_6455_asks(port: int) -> None:
    for key in ("dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==", "/////////////////////w=="):
        async with connect(port) as client:
            response = await client.upgrade(sec_websocket_key=key)
            assert response.headers["sec-websocket-accept"] == accept_key(key)


async def test_frames_that_come_in_pieces_are_put_together(port: int) -> None:
    data = (
        handshake("/async") + frame(TEXT, b"one") + frame(BINARY, bytes(200)) + frame(TEXT, b"") + frame(TEXT, b"two")
    )
    async with connect(port) as client:
        for i in range(len(data)):
            await client.send(data[i : i + 1])
        assert (await client.head()).status == 101
        assert [await client.frame() for _ in range(4)] == [(1, b"one"), (2, bytes(200)), (1, b""), (1, b"two")]


@pytest.mark.parametrize("path", ["/fan", "/topic"])
async def test_a_message_goes_to_everybody_on_the_path(port: int, path: str) -> None:
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(open_client(port, path)) for _ in range(3)]
        other = await stack.enter_async_context(open_client(port, "/topic" if path == "/fan" else "/fan"))
        for number, member in enumerate(members):
            await member.text(f"{number}")
            assert [await each.message() for each in members] == [f"{number}"] * 3
        await other.echo("alone")


async def test_who_has_left_a_group_is_missed_by_nobody(port: int) -> None:
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(open_client(port, "/fan")) for _ in range(4)]
        members[0].reset()
        await members[3].close()
        await members[1].text("still here")
        assert [await member.message() for member in (members[1], members[2])] == ["still here"] * 2


async def test_ping_and_close_are_answered(port: int) -> None:
    async with open_client(port, "/fan") as client:
        await client.send(frame(PING, b"are you there") + frame(PONG, b"unasked") + frame(CLOSE, b"\x03\xe8"))
        assert await client.frame() == (PONG, b"are you there")
        assert await client.closed() == (1000, "")


async def test_who_reads_late_gets_everything(port: int) -> None:
    count, size = 100, 100_000
    async with AsyncExitStack() as stack:
        late = await stack.enter_async_context(open_client(port, "/fan", receive_buffer=4096))
        sender = await stack.enter_async_context(open_client(port, "/fan"))
        for _ in range(count):
            await sender.send(frame(BINARY, bytes(size)))
            assert await sender.frame() == (BINARY, bytes(size))
        for _ in range(count):
            assert await late.frame() == (BINARY, bytes(size))


async def test_a_member_that_is_too_far_behind_is_dropped_and_the_others_are_not(port: int) -> None:
    async with AsyncExitStack() as stack:
        late = await stack.enter_async_context(open_client(port, "/fan", receive_buffer=4096))
        sender = await stack.enter_async_context(open_client(port, "/fan"))
        for _ in range(4):
            await sender.send(frame(BINARY, bytes(LARGEST)))
            assert await sender.frame() == (BINARY, bytes(LARGEST))
        assert len(await late.rest()) < 4 * LARGEST
        await sender.echo("hello")


RUBBISH = {
    "a fragment": frame(TEXT, b"half", fin=False),
    "a continuation": frame(CONTINUATION, b"half"),
    "a frame without a mask": b"\x81\x05hello",
    "a frame that is too long": b"\x82\xff" + (LARGEST + 1).to_bytes(8, "big") + bytes(4),
    "a control frame that is too long": frame(PING, bytes(126)),
    "an opcode that means nothing": frame(3, b"what"),
}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
async def test_what_it_does_not_serve_ends_the_connection(port: int, rubbish: bytes) -> None:
    async with open_client(port) as client:
        await client.send(frame(TEXT, b"before") + rubbish + frame(TEXT, b"after"))
        assert await client.message() == "before"
        assert await client.rest() == b""


async def refused(client: Client, head: bytes) -> bool:
    await client.send(head)
    return await client.rest() == b""


@pytest.mark.parametrize(
    "head", [handshake("/other"), handshake(sec_websocket_key=None), b"GET / HTTP/1.1\r\n\r\n", b"x" * 20_000]
)
async def test_what_is_no_handshake_ends_the_connection(port: int, head: bytes) -> None:
    async with connect(port) as client:
        assert await refused(client, head)


@pytest.mark.parametrize(("words", "status"), [([], 2), (["soon"], 2), (["70000"], 2), (["1", "2"], 2)])
def test_a_port_that_is_none_is_one_line_and_status_2(words: list[str], status: int) -> None:
    done = subprocess.run([build.binary(), *words], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)


def test_a_port_that_is_taken_is_one_line_and_status_1(port: int) -> None:
    done = subprocess.run([build.binary(), str(port)], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (1, f"limit: {port}: Address already in use\n")
