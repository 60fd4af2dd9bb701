"""The opening handshake: its key, its answer, and what comes behind it before anybody has answered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from actorws.protocol.handshake import accept_key
from tests.support.attacker import naming, pour
from tests.support.faults import MiB, Target
from tests.support.requests import let_in, lines, refused, sent
from tests.support.wire import CLOSE, PING, PONG, TEXT, connect, frame, handshake

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


async def test_a_key_is_16_bytes_in_base64_and_there_is_one(shared_target: Target) -> None:
    """RFC 6455 section 4.2.1."""
    bad = {
        "none": None,
        "empty": "",
        "not base64": "not base64, not at all!!",
        "15 bytes": "AAAAAAAAAAAAAAAAAAAA",
        "17 bytes": "AAAAAAAAAAAAAAAAAAAAAAA=",
        "18 bytes": "AAAAAAAAAAAAAAAAAAAAAAAA",
        "no padding": KEY.rstrip("="),
        "too much padding": KEY + "=",
        "of URLs": "__________" + KEY[10:],
        "a space inside": KEY[:10] + " " + KEY[11:],
        "quoted": f'"{KEY}"',
        "two in one": f"{KEY}, {KEY}",
        "long": "A" * 10_000,
    }
    cases = {name: (handshake(sec_websocket_key=key), 400) for name, key in bad.items()}
    cases["twice"] = (lines(b"Sec-WebSocket-Key: " + KEY.encode()), 400)
    async with shared_target.unharmed():
        await refused(shared_target, cases)


async def test_the_101_has_the_answer_to_the_key_and_nothing_that_was_not_asked_for(shared_target: Target) -> None:
    """RFC 6455 section 4.2.2; the example is that of section 1.3."""
    async with shared_target.unharmed(log_lines=0):
        cases = {"example": handshake(sec_websocket_key=KEY, sec_websocket_protocol="chat, superchat")}
        assert (await let_in(shared_target, cases))["example"].headers == {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        }
    assert accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


async def test_equal_handshakes_in_other_words_are_let_in(shared_target: Target) -> None:
    cases = {
        "as Firefox": handshake(connection="keep-alive, Upgrade"),
        "cases": handshake(upgrade="WebSocket", connection="UPGRADE").replace(b"sec-websocket-", b"SEC-WEBSOCKET-"),
        "lists": handshake(upgrade="h2c, websocket", connection="x,upgrade ,y"),
        "several lines": lines(b"connection: x", b"upgrade: h2c"),
        "no space": handshake().replace(b": ", b":"),
        "spaces and tabs": handshake().replace(b": ", b": \t  ").replace(b"Upgrade\r\n", b"Upgrade \t\r\n"),
        "empty lines before": b"\r\n\r\n" + handshake(),
        "a key with other last bits": handshake(sec_websocket_key=KEY.replace("Q==", "R==")),
    }
    async with shared_target.unharmed(log_lines=0):
        await let_in(shared_target, cases)


@pytest.mark.parametrize("path", ["/", "/slow"])
async def test_frames_in_the_segment_of_the_request_are_answered_in_order(guarded: Target, path: str) -> None:
    """Also when ``connect`` takes its time, also behind more of them than a turn takes, and also the Close."""
    async with guarded.unharmed(log_lines=0):
        for count in (0, 1, 2000):
            with naming(count):
                async with connect(guarded.port) as client:
                    texts = [b"%d" % n for n in range(count)]
                    large = b"x" * 300_000
                    behind = b"".join(frame(TEXT, text) for text in texts) + frame(PING, b"?") + frame(TEXT, large)
                    await client.send(handshake(path) + behind + frame(CLOSE, b"\x03\xe8"))
                    await guarded.answers()
                    assert (await client.head()).status == 101
                    frames = [await client.frame() for _ in range(count + 2)]
                    assert [payload for opcode, payload in frames if opcode == TEXT] == [*texts, large]
                    assert [payload for opcode, payload in frames if opcode == PONG] == [b"?"]
                    assert await client.closed() == (1000, "")


async def test_connections_of_one_message_lose_none(guarded: Target) -> None:
    """200 whose whole life comes in two segments, the 101 read in between or not."""
    life = frame(TEXT, b"hello") + frame(CLOSE, b"\x03\xe8")
    async with guarded.unharmed(log_lines=0):
        for waits in (False, True):
            async with sent(guarded, {f"{n}": handshake("/slow" if n % 2 else "/") for n in range(100)}) as clients:
                for client in clients.values():
                    if waits:
                        assert (await client.head()).status == 101
                    await client.send(life)
                for client in clients.values():
                    if not waits:
                        assert (await client.head()).status == 101
                    assert await client.message() == "hello"
                    assert await client.closed() == (1000, "")


async def test_what_comes_before_the_decision_is_not_taken(start_target: Callable[..., Target]) -> None:
    """While ``connect`` thinks, three clients pour in what they can: the kernel holds it, and then holds them."""
    target = start_target("tests.servers.guarded:app")
    async with target.unharmed(log_lines=0), AsyncExitStack() as stack:
        with target.memory_bound(4 * MiB):
            clients = [await stack.enter_async_context(connect(target.port)) for _ in range(3)]
            for client in clients:
                await client.send(handshake("/waiting"))
                assert await pour(client, frame(TEXT, bytes(1000)), 64 * MiB) < 16 * MiB
            await target.answers()
            for client in clients:
                client.reset()
