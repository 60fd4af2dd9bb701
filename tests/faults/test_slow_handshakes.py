"""Clients that take their time: each wait for them has a deadline, and those who don't leave then are cut off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from tests.support.faults import Target
from tests.support.requests import only_response, request
from tests.support.wire import SECONDS, TEXT, Client, connect, frame, handshake

#: Seconds for a head, a handler, and an idle connection.
PATIENCE = 1.0
#: Seconds for which the server takes in what a client still sends that has been told to leave.
LINGER = 5.0
#: What a busy machine may add; less than a deadline that nobody has changed would be.
LATE = 3.0
#: Between two bytes of a slow client.
DRIP = 0.1


@pytest.fixture
def impatient(start_target: Callable[..., Target]) -> Target:
    options = ("handshake_timeout", "handler_timeout", "keep_alive_timeout")
    return start_target("tests.servers.guarded:app", *(f"--option={name}={PATIENCE}" for name in options))


async def drip(client: Client, data: bytes) -> None:
    """Send a byte now and then, until it is cut off."""
    try:
        while True:
            for byte in data:
                await client.send(bytes([byte]))
                await trio.sleep(DRIP)
    except trio.BrokenResourceError:
        pass


KEPT = request("GET /asked HTTP/1.1")
POST = request("POST /body HTTP/1.1", b"content-length: 100000")
CHUNKED = request("POST /body HTTP/1.1", b"transfer-encoding: chunked")
ENDLESS = b"x-endless: header\r\n"
#: What is sent at once, what then comes byte by byte, and the status of the last answer.
SLOW = {
    "silence": (b"", b"", None),
    "empty lines": (b"", b"\r\n", None),
    "a byte": (b"G", b"", 408),
    "a slow request line": (b"GET /", b"a", 408),
    "a slow header": (handshake()[:-2], b"x", 408),
    "slow headers": (handshake()[:-2], ENDLESS, 408),
    "a head but for its end": (handshake()[:-1], b"", 408),
    "a kept connection": (KEPT, b"", None),
    "empty lines on a kept connection": (KEPT, b"\r\n", None),
    "a slow head on a kept connection": (KEPT + b"GET", ENDLESS, 408),
    "no body": (POST, b"", 408),
    "a slow body": (POST, b"x", 408),
    "a slow chunk": (CHUNKED + b"ffff\r\n", b"x", 408),
    "slow chunks": (CHUNKED, b"1\r\nx\r\n", 408),
    "slow trailers": (CHUNKED + b"0\r\n", b"x: y\r\n", 408),
    "a handshake that is never decided": (handshake("/waiting"), b"", 503),
    "a handshake that is never decided, and frames": (handshake("/waiting"), frame(TEXT, b"x"), 503),
}


async def test_who_keeps_the_server_waiting_is_told_in_time(impatient: Target) -> None:
    """Three of each. By the status where something was begun, by the end alone where nothing was."""

    async def wait(name: str) -> None:
        first, then, status = SLOW[name]
        began = trio.current_time()
        async with connect(impatient.port) as client, trio.open_nursery() as nursery:
            await client.send(first)
            if first.startswith(KEPT):
                assert (await client.response()).status == 200
            if then:
                nursery.start_soon(drip, client, then)
            with trio.fail_after(SECONDS):
                if status is None:
                    assert await client.stream.receive_some(1) == b"", name
                else:
                    assert (await only_response(client)).status == status, name
            assert PATIENCE * 0.9 <= trio.current_time() - began <= PATIENCE + LATE, name
            nursery.cancel_scope.cancel()

    async with impatient.unharmed(), trio.open_nursery() as nursery:
        for name in [*SLOW] * 3:
            nursery.start_soon(wait, name)
        await trio.sleep(PATIENCE / 2)
        await impatient.answers()


async def test_who_is_told_to_leave_and_stays_is_cut_off(start_target: Callable[..., Target]) -> None:
    """All at once: 30 that are silent, 30 with endless headers, 20 that were refused; none of them closes anything."""
    target = start_target("tests.servers.torture:app", f"--option=handshake_timeout={PATIENCE}")
    crowd = [(b"", b"")] * 30 + [(handshake()[:-2], ENDLESS)] * 30
    crowd += [(handshake("/nowhere"), b"")] * 10 + [(handshake("/nowhere"), b"x")] * 10
    ended: list[float] = []

    async def stay(first: bytes, then: bytes) -> None:
        async with connect(target.port) as client:
            await client.send(first)
            if then:
                await drip(client, then)
                ended.append(trio.current_time() - began)
            await trio.sleep_forever()

    async with target.unharmed():
        descriptors, began = target.descriptors(), trio.current_time()
        async with trio.open_nursery() as nursery:
            for first, then in crowd:
                nursery.start_soon(stay, first, then)
            await target.comes(lambda: target.descriptors() >= descriptors + len(crowd))
            await target.answers()
            # The silent have no answer to wait for: they are gone long before the others.
            await target.comes(lambda: target.descriptors() <= descriptors + 50, seconds=PATIENCE + LATE)
            await target.answers()
            await target.comes(lambda: target.descriptors() <= descriptors, seconds=PATIENCE + LINGER + LATE)
            await target.answers()
            with trio.fail_after(SECONDS):
                while len(ended) < 40:
                    await trio.sleep(DRIP)
            nursery.cancel_scope.cancel()
    assert max(ended) <= PATIENCE + LINGER + LATE
