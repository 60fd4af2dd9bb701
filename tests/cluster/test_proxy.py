"""The proxy of the tests does what they take it to do; else what they show about faults is nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.nodes import until
from tests.support.proxy import ProxyProcess, open_proxy, reset_on_close
from tests.support.wire import SECONDS

SOON = 0.05


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[str, int]]:
    """A server that says everything back, in capitals."""

    async def serve(stream: trio.SocketStream) -> None:
        try:
            while data := await stream.receive_some():
                await stream.send_all(data.upper())
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[:2]
        nursery.cancel_scope.cancel()


async def heard(stream: trio.SocketStream, count: int) -> bytes:
    data = b""
    with trio.fail_after(SECONDS):
        while len(data) < count:
            data += await stream.receive_some()
    return data


async def hears_nothing(stream: trio.SocketStream) -> bool:
    with trio.move_on_after(SOON):
        await stream.receive_some()
        return False
    return True


async def test_everything_passes_unless_it_is_held() -> None:
    async with echo() as target, open_proxy(target) as proxy:
        assert not isinstance(proxy.address, str)
        async with await trio.open_tcp_stream(*proxy.address) as client:
            await client.send_all(b"a" * 300_000)
            assert await heard(client, 300_000) == b"A" * 300_000
            proxy.up.hold()
            await client.send_all(b"held")
            assert await hears_nothing(client)
            assert proxy.up.passed == 300_000
            proxy.up.flow()
            assert await heard(client, 4) == b"HELD"
            proxy.down.hold()
            await client.send_all(b"back")
            assert await hears_nothing(client)
            assert proxy.up.passed == 300_008
            proxy.down.flow()
            assert await heard(client, 4) == b"BACK"
            proxy.down.hold_after(3)
            await client.send_all(b"abcdef")
            assert await heard(client, 3) == b"ABC"
            assert await hears_nothing(client)
            proxy.flow()
            assert await heard(client, 3) == b"DEF"


async def test_what_is_stranded_arrives_after_what_was_sent_later_elsewhere() -> None:
    async with echo() as target, open_proxy(target) as proxy:
        assert not isinstance(proxy.address, str)
        first = await trio.open_tcp_stream(*proxy.address)
        await first.send_all(b"x")
        await heard(first, 1)
        proxy.up.strand()
        await first.send_all(b"early")
        async with await trio.open_tcp_stream(*proxy.address) as second:
            await second.send_all(b"late")
            assert await heard(second, 4) == b"LATE"
            assert await hears_nothing(first)
            proxy.up.land()
            assert await heard(first, 5) == b"EARLY"
        await first.aclose()


async def test_what_is_stranded_arrives_although_its_sender_has_reset_the_connection() -> None:
    arrived: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(b"hello")
            while data := await stream.receive_some():
                arrived.append(bytes(data))
        arrived.append(b"end")

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        async with open_proxy(listener.socket.getsockname()[:2]) as proxy:
            assert not isinstance(proxy.address, str)
            client = await trio.open_tcp_stream(*proxy.address)
            await heard(client, 5)
            proxy.up.strand()
            await client.send_all(b"early")
            await wait_all_tasks_blocked()
            reset_on_close(client)
            await client.aclose()
            await wait_all_tasks_blocked(SOON)
            assert arrived == []
            proxy.up.land()
            await until(lambda: len(arrived) == 2)
            assert arrived == [b"early", b"end"]
        nursery.cancel_scope.cancel()


async def test_a_delay_takes_its_time_and_keeps_the_order() -> None:
    async with echo() as target, open_proxy(target) as proxy:
        assert not isinstance(proxy.address, str)
        proxy.up.delay, proxy.down.delay = 0.1, 0.05
        async with await trio.open_tcp_stream(*proxy.address) as client:
            began = trio.current_time()
            for number in range(10):
                await client.send_all(b"%d" % number)
                await trio.sleep(0.005)
            assert await heard(client, 10) == b"0123456789"
            assert trio.current_time() - began >= 0.15


async def test_cut_both_ends_are_reset() -> None:
    async with echo() as target, open_proxy(target) as proxy:
        assert not isinstance(proxy.address, str)
        async with await trio.open_tcp_stream(*proxy.address) as client:
            await client.send_all(b"x")
            await heard(client, 1)
            assert proxy.cut() == 1
            with pytest.raises(trio.BrokenResourceError):
                await heard(client, 1)
        assert proxy.cut() == 0
        proxy.refuse()
        with pytest.raises((trio.BrokenResourceError, OSError)):  # it may be over before it was seen to begin
            async with await trio.open_tcp_stream(*proxy.address) as client:
                await client.receive_some()
        proxy.accept()
        async with await trio.open_tcp_stream(*proxy.address) as client:
            await client.send_all(b"x")
            assert await heard(client, 1) == b"X"


async def test_an_end_is_passed_on(tmp_path: Path) -> None:
    async with echo() as target, open_proxy(target, str(tmp_path / "p.sock")) as proxy:
        assert proxy.address == str(tmp_path / "p.sock")
        async with await trio.open_unix_socket(str(proxy.address)) as client:
            await client.send_all(b"bye")
            await client.send_eof()
            assert await heard(client, 3) == b"BYE"
            assert await client.receive_some() == b""


async def test_one_in_a_process_of_its_own_does_as_it_is_told() -> None:
    async with echo() as target:
        proxy = await trio.to_thread.run_sync(ProxyProcess, target)
        try:
            async with await trio.open_tcp_stream("127.0.0.1", proxy.port) as client:
                proxy.tell("hold", "down")
                await client.send_all(b"x")
                assert await hears_nothing(client)
                proxy.tell("flow")
                assert await heard(client, 1) == b"X"
                proxy.tell("delay", "up", 0.1)
                began = trio.current_time()
                await client.send_all(b"y")
                assert await heard(client, 1) == b"Y"
                assert trio.current_time() - began >= 0.1
                assert proxy.tell("cut") == "1"
                with pytest.raises(trio.BrokenResourceError):
                    await heard(client, 1)
        finally:
            proxy.stop()
