"""Every contender does what ``benchmarks.contender`` asks of it, in the environment in which it is measured."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio

from benchmarks.contenders import CONTENDERS, by_name
from benchmarks.environment import Environment, Prepared
from benchmarks.processes import Server
from tests.support.wire import BINARY, TEXT, Client, connect, frame

NAMES = [contender.name for contender in CONTENDERS]
MIB = 1 << 20
#: Far more than an end takes; servers that finish their work first take two.
STOP_SECONDS = 30


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    """All of them, which takes a minute where they aren't installed yet."""
    return Environment().prepare(CONTENDERS, print)


def listening(prepared: Prepared, name: str) -> Server:
    if name in prepared.left_out:
        pytest.fail(f"{name} can't be tried here: {prepared.left_out[name]}")
    server = Server(name, prepared.commands[name])
    try:
        server.wait_listening()
    except BaseException:
        server.stop()
        raise
    return server


@pytest.fixture(scope="module", params=NAMES)
def server(prepared: Prepared, request: pytest.FixtureRequest) -> Iterator[Server]:
    with listening(prepared, request.param) as server:
        yield server
        assert not server.has_ended(), server.ending()


@asynccontextmanager
async def client(server: Server, path: str) -> AsyncIterator[Client]:
    async with connect(server.port) as one:
        await one.upgrade(path)
        yield one


@asynccontextmanager
async def members(server: Server, path: str, count: int) -> AsyncIterator[list[Client]]:
    """Each has said something and has heard itself, so it is a member; so have those before it."""
    async with AsyncExitStack() as stack:
        found: list[Client] = []
        for number in range(count):
            found.append(await stack.enter_async_context(client(server, path)))
            await said(found[-1], found, TEXT, f"here is {number}".encode())
        yield found


async def said(who: Client, to: list[Client], opcode: int, payload: bytes) -> None:
    """All read at once: some servers wait for a member before they go on with the next."""
    async with trio.open_nursery() as nursery:
        for each in to:
            nursery.start_soon(heard, each, opcode, payload)
        await who.send(frame(opcode, payload))


async def heard(who: Client, opcode: int, payload: bytes) -> None:
    assert await who.frame() == (opcode, payload)


@pytest.mark.parametrize("path", ["/", "/async"])
async def test_text_comes_back_as_text_and_binary_as_binary(server: Server, path: str) -> None:
    async with client(server, path) as one:
        for opcode, payload in [
            (TEXT, "h\u00e9, \U0001f600".encode()),
            (BINARY, b"\xff\x00"),
            (TEXT, b""),
            (BINARY, b""),
        ]:
            await said(one, [one], opcode, payload)


@pytest.mark.parametrize("path", ["/", "/async"])
async def test_messages_that_come_together_come_back_in_order(server: Server, path: str) -> None:
    payloads = [b"%d" % number * 32 for number in range(200)]
    async with client(server, path) as one:
        await one.send(b"".join(frame(BINARY, payload) for payload in payloads))
        assert [await one.frame() for _ in payloads] == [(BINARY, payload) for payload in payloads]


@pytest.mark.parametrize("size", [126, 1 << 16, MIB, 16 * MIB])
async def test_a_large_message_comes_back_whole(server: Server, size: int) -> None:
    async with client(server, "/") as one:
        await said(one, [one], BINARY, os.urandom(size))


@pytest.mark.parametrize("path", ["/fan", "/topic"])
async def test_a_message_goes_to_everybody_the_sender_included(server: Server, path: str) -> None:
    async with members(server, path, 3) as everybody:
        for payload in (b"\xff" * 64, os.urandom(MIB // 2)):
            await said(everybody[1], everybody, BINARY, payload)


@pytest.mark.parametrize("path", ["/fan", "/topic"])
async def test_who_has_gone_is_no_burden_to_those_who_stay(server: Server, path: str) -> None:
    async with members(server, path, 4) as (first, gone, left, last):
        gone.reset()
        await left.close()
        for number in range(10):
            await said(first, [first, last], TEXT, b"%d" % number)


async def test_who_is_on_one_path_hears_nothing_of_another(server: Server) -> None:
    async with members(server, "/fan", 1) as [fan], members(server, "/topic", 1) as [topic]:
        await said(topic, [topic], TEXT, b"to the topic")
        await said(fan, [fan], TEXT, b"to the fan")


@pytest.mark.parametrize("path", ["/", "/async", "/fan", "/topic"])
async def test_nothing_is_compressed(server: Server, path: str) -> None:
    async with connect(server.port) as one:
        response = await one.upgrade(path, sec_websocket_extensions="permessage-deflate")
        assert "sec-websocket-extensions" not in response.headers


@pytest.mark.parametrize("name", NAMES)
async def test_it_ends_when_it_is_asked_to_whoever_is_connected(prepared: Prepared, name: str) -> None:
    with listening(prepared, name) as server:
        async with client(server, "/") as one, client(server, "/fan"):
            await said(one, [one], TEXT, b"there")
            os.kill(server.pid, signal.SIGTERM)
            assert await trio.to_thread.run_sync(server.wait_ended, STOP_SECONDS)


def test_contenders_are_found_by_name_in_the_order_of_the_table() -> None:
    assert [contender.name for contender in by_name(["Bun", "actorws"])] == ["actorws", "Bun"]
    assert len(set(NAMES)) == len(NAMES)


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"there is no contender 'bun'; there are limit \(C\), actorws, .*, Bun"):
        by_name(["actorws", "bun"])
