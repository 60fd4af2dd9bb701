"""The generator finds what a server does wrong, and bears with what it may do."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from benchmarks import compiler
from benchmarks.load import generator
from benchmarks.question import Load
from tests.support.client_frames import ClientFrames, accept, server_frame
from tests.support.load import SECONDS, answering, driven, echo, hang_up, serving, take_all
from tests.support.raw_servers import raw_server
from tests.support.wire import CLOSE, PING, PONG, Client

TEXT, BINARY = 1, 2

PAYLOAD = b"abcdefghijklmnopqrstuvwxyzabcdef"
GOOD = server_frame(BINARY, PAYLOAD)
WRONG = {
    "another byte": (
        server_frame(BINARY, PAYLOAD[:-1] + b"g"),
        "the payload of message 0 is not the one that was sent",
    ),
    "too short": (server_frame(BINARY, PAYLOAD[:-1]), "message 0 is not 32 bytes long"),
    "too long": (server_frame(BINARY, PAYLOAD + b"g"), "message 0 is not 32 bytes long"),
    "text instead of binary": (server_frame(TEXT, PAYLOAD), "a frame begins with 81, not with 82"),
    "a fragment": (server_frame(BINARY, PAYLOAD, fin=False), "a frame begins with 02, not with 82"),
    "an answer too many": (GOOD + GOOD, "message 1 is not the one that was due"),
    "a message that is masked": (b"\x82\xa0" + bytes(4) + PAYLOAD, "message 0 is not 32 bytes long"),
    "a ping that is too long": (server_frame(PING, bytes(126)), "a control frame begins with 89 7e"),
    "Close": (server_frame(CLOSE, b"\x03\xf1too much"), "ended by the server: Close 1009"),
    "Close without a status": (server_frame(CLOSE), "ended by the server: Close without a status"),
}


@pytest.mark.parametrize(("answer", "why"), WRONG.values(), ids=WRONG)
async def test_a_wrong_answer_ends_the_run_with_a_sentence(answer: bytes, why: str) -> None:
    async with serving(answering(answer)) as server:
        found = await driven(Load("echo", 1), server)
    assert (found.status, found.errors) == (1, f"load: connection 0: {why}\n")


async def test_of_great_messages_the_first_and_then_a_sample_are_compared() -> None:
    async def wrong_from(first: int, frames: ClientFrames) -> None:
        for number in range(2000):
            opcode, payload = await frames.frame()
            await frames.send(opcode, payload if number < first else b"!" + payload[1:])

    load = Load("echo", 1, size=257, window=100)
    for first in (0, 1000):
        async with serving(partial(wrong_from, first)) as server:
            found = await driven(load, server, 30)
        assert found.errors == f"load: connection 0: the payload of message {first} is not the one that was sent\n"


async def test_a_server_that_hangs_up_is_found() -> None:
    async with serving(echo, hang_up) as server:
        found = await driven(Load("echo", 2), server)
    assert found.status == 1 and "connection 1: ended by the server" in found.errors


async def test_idle_connections_that_the_server_ends_have_failed() -> None:
    async with serving(take_all, hang_up) as server:
        figures = (await driven(Load("idle", 3), server, 1)).figures
    assert (figures["failed"], figures["open"]) == (2, 1)


async def test_a_server_may_drop_who_reads_nothing() -> None:
    async with serving(echo, hang_up) as server:
        figures = (await driven(Load("slow", 2, rate=10, slow=1), server, 1)).figures
    assert (figures["messages"], figures["failed"], figures["ended_slow"]) == (10, 0, 1)


async def test_a_server_may_not_drop_who_reads() -> None:
    async with serving(echo, hang_up, take_all) as server:
        found = await driven(Load("slow", 3, rate=100, slow=1), server)
    assert found.status == 1 and "connection 1: ended by the server" in found.errors


LOST = [Load("echo", 1), Load("paced", 2, rate=100), Load("fan", 2), Load("chat", 2), Load("slow", 2, rate=100, slow=1)]


@pytest.mark.parametrize("load", [*LOST, Load("churn", 1)], ids=lambda load: load.mode)
async def test_messages_that_never_come_are_counted_after_the_work(load: Load) -> None:
    async with serving(take_all) as server:
        found = await driven(load, server, 0.05, "--patience", "0.2")
    assert found.status == 1 and "messages have not come, 0.2 s after the work" in found.errors


async def test_a_message_that_a_member_gets_twice_is_found() -> None:
    async def twice(frames: ClientFrames) -> None:
        opcode, payload = await frames.frame()
        await frames.stream.send_all(server_frame(opcode, payload) * 2)
        await frames.rest()

    async with serving(twice) as server:
        found = await driven(Load("fan", 1, window=2), server)
    assert found.errors == "load: connection 0: message 1 is not the one that was due\n"


@pytest.mark.parametrize(
    ("time", "why"),
    [
        (b"?" * 16, "a message came that nobody has sent"),
        (b"a" * 16, "message 0 is not the one that was due"),
        (b"p" * 16, "message 0 is not the one that was due"),
    ],
)
async def test_a_message_with_a_time_at_which_none_was_sent_is_found(time: bytes, why: str) -> None:
    async with serving(answering(server_frame(BINARY, time + PAYLOAD[16:]))) as server:
        found = await driven(Load("chat", 1), server)
    assert found.errors == f"load: connection 0: {why}\n"


async def unasked(frames: ClientFrames) -> None:
    await frames.send(BINARY, PAYLOAD)
    await frames.rest()


@pytest.mark.parametrize("load", [Load("idle", 1), Load("fan", 1)], ids=lambda load: load.mode)
async def test_a_message_that_comes_before_any_was_sent_is_found(load: Load) -> None:
    async with serving(unasked) as server:
        found = await driven(load, server, 10)
    assert found.errors == "load: connection 0: a message came that nobody has sent\n"


ANSWERS = {
    "a refusal": (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the server answered 'HTTP/1.1 403 Forbidden'"),
    "no key": (b"HTTP/1.1 101 Ok\r\n\r\n", "the 101 has no Sec-WebSocket-Accept"),
    "the wrong key": (
        b"HTTP/1.1 101 Ok\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "Sec-WebSocket-Accept is not that of the key",
    ),
    "no end": (b"HTTP/1.1 101 Ok\r\n" + b"a: b\r\n" * 2000, "the server's answer has no end in 8192 bytes"),
}


@pytest.mark.parametrize(("answer", "why"), ANSWERS.values(), ids=ANSWERS)
async def test_a_handshake_that_fails_ends_the_run(answer: bytes, why: str) -> None:
    async def handle(client: Client) -> None:
        await client.until(b"\r\n\r\n")
        await client.send(answer)
        await client.rest()

    async with raw_server(handle) as server:
        found = await driven(Load("echo", 1), server)
    assert (found.status, found.errors) == (1, f"load: connection 0: {why}\n")


async def test_connections_that_never_open_are_counted() -> None:
    async def handle(client: Client) -> None:
        await client.rest()

    async with raw_server(handle) as server:
        found = await driven(Load("idle", 2), server, 0.1, "--opening", "0.1")
    assert found.errors == "load: the server has opened 0 of 2 connections and then none for 0.1 s\n"


async def test_the_handshake_and_the_masks_are_a_clients() -> None:
    heads, keys = [], []

    async def handle(client: Client) -> None:
        frames = ClientFrames(client.stream)
        heads.append(await frames.until(b"\r\n\r\n"))
        await client.send(accept(heads[-1]))
        frames.keys = keys
        await echo(frames)

    async with raw_server(handle) as server:
        assert (await driven(Load("paced", 2, rate=20, path="/a"), server)).status == 0
    host = b"127.0.0.1:%d\r\n" % server.port
    assert all(
        head.startswith(b"GET /a HTTP/1.1\r\nHost: " + host) and b"\r\nOrigin: http://" + host in head for head in heads
    )
    assert len(set(keys)) == 2 and bytes(4) not in keys


async def test_frames_may_come_in_pieces_and_pings_are_answered() -> None:
    async def in_pieces(frames: ClientFrames) -> None:
        while True:
            opcode, payload = await frames.frame()
            for byte in server_frame(PING, b"there?") + server_frame(opcode, payload):
                await frames.stream.send_all(bytes([byte]))
            assert await frames.frame() == (PONG, b"there?")

    for load in (Load("echo", 1, size=200), Load("fan", 1)):
        async with serving(in_pieces) as server:
            assert (await driven(load, server)).figures["messages"] > 0


async def third_message_ends_it(frames: ClientFrames) -> None:
    for _ in range(3):
        await frames.frame()


@pytest.mark.parametrize("load", [Load("paced", 1, rate=10), Load("slow", 1, rate=10)], ids=lambda load: load.mode)
async def test_a_message_leaves_when_it_is_due_though_nothing_comes_back(load: Load) -> None:
    async with serving(third_message_ends_it) as server:
        found = await driven(load, server, 100)
    assert "connection 0: ended by the server" in found.errors


async def test_latency_counts_from_when_a_message_was_due() -> None:
    async def late(frames: ClientFrames) -> None:
        came = [await frames.frame() for _ in range(100)]
        for opcode, payload in came:
            await frames.send(opcode, payload)
        await frames.rest()

    for load in (Load("paced", 1, rate=1000), Load("slow", 1, rate=1000)):
        async with serving(late) as server:
            figures = (await driven(load, server)).figures
        # The last was sent 99 ms after the first was due; half of them had waited for 50 ms then.
        assert figures["max_us"] >= 99_000 and figures["p50_us"] >= 48_000


async def test_many_connections_come_from_several_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc -DPER_ADDRESS=2")
    program = compiler.build(generator.SOURCES, tmp_path)
    addresses = []

    async def handle(client: Client) -> None:
        addresses.append(client.stream.socket.getpeername()[0])  # type: ignore[attr-defined]
        frames = ClientFrames(client.stream)
        await client.send(accept(await frames.until(b"\r\n\r\n")))
        await frames.rest()

    async with raw_server(handle) as server:
        command = [str(program), *generator.command(Load("idle", 5), server.port, 0.1)[1:]]
        with trio.fail_after(SECONDS):
            await trio.run_process(command, stdin=b"\n", capture_stdout=True)
    assert sorted(addresses) == ["127.0.0.1"] * 2 + ["127.0.0.2"] * 2 + ["127.0.0.3"]
