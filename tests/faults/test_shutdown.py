"""Signals in the middle of everything: all are told, every ``terminate`` runs, and it is over in time."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
import trio

from tests.support.faults import Target
from tests.support.wire import CLOSE, SECONDS, TEXT, Client, connect, frame, handshake, open_client

DRAIN = 3.0
#: What a busy machine may add, to the end of the process as well.
LATE = 4.0
GOING_AWAY, SERVICE_RESTART = 1001, 1012

Start = Callable[..., Target]


@pytest.fixture
def product(start_target: Start) -> Target:
    """One for each test, because it ends there."""
    return start_target("tests.servers.product:app", f"--option=drain_timeout={DRAIN}")


async def exited(target: Target) -> tuple[int, str]:
    """The status with which it left, and its log."""
    process = target.process.process
    with trio.fail_after(SECONDS):
        await trio.to_thread.run_sync(process.communicate, abandon_on_cancel=True)
    return process.returncode, target.process.log()


async def told(client: Client, code: int) -> None:
    """The client is told ``code``, behind whatever else it gets, and leaves."""
    while True:
        opcode, payload = await client.frame()
        if opcode == CLOSE:
            break
    assert payload == code.to_bytes(2)
    await client.stream.aclose()


class Crowd:
    """Clients in the middle of everything."""

    def __init__(self, stack: AsyncExitStack, port: int) -> None:
        self._stack = stack
        self._port = port
        self.idle: list[Client] = []

    async def open(self, path: str, receive_buffer: int | None = None) -> Client:
        client = open_client(self._port, path, receive_buffer=receive_buffer)
        return await self._stack.enter_async_context(client)

    async def come(self) -> None:
        self.idle = [await self.open(path) for path in ["/", "/leaving"] * 10]
        self.slow = await self.open("/leaving", receive_buffer=4096)
        await self.slow.text("push")
        self.middle = await self.open("/")
        await self.middle.send(frame(TEXT, b"half a message")[:-5])
        self.hanging = await self.open("/hang")
        await self.hanging.echo("ready")
        await self.hanging.text("hang")
        self.greeting = await self._stack.enter_async_context(connect(self._port))
        await self.greeting.send(handshake()[:-2])
        self.spinning = await self.open("/spin")
        for client in self.idle:
            await client.echo("ready")


async def test_sigterm_in_the_middle_of_everything(product: Target) -> None:
    """One that reads nothing, one in mid-message, in mid-handshake, in a callback that waits, in one that spins."""
    async with AsyncExitStack() as stack:
        crowd = Crowd(stack, product.port)
        await crowd.come()
        await crowd.spinning.text("0.5")
        began = trio.current_time()
        product.process.process.send_signal(signal.SIGTERM)
        for client in [*crowd.idle, crowd.middle, crowd.hanging, crowd.spinning]:
            await told(client, GOING_AWAY)
        assert trio.current_time() - began < DRAIN, "they had to wait for those who don't end"
        assert (await crowd.greeting.response()).status == 503
        with pytest.raises(OSError):
            await trio.open_tcp_stream("127.0.0.1", product.port)
        # The slow one reads nothing to the end.
        status, log = await exited(product)
        assert trio.current_time() - began < DRAIN + LATE
    assert status == 0
    assert "Traceback" not in log
    assert len(re.findall(r"^/leaving terminated Shutdown\(\)$", log, re.MULTILINE)) == 11
    assert "hang terminated Shutdown()" in log


async def test_sighup_tells_all_that_the_server_restarts(product: Target) -> None:
    async with AsyncExitStack() as stack:
        crowd = Crowd(stack, product.port)
        await crowd.come()
        product.process.process.send_signal(signal.SIGHUP)
        for client in [*crowd.idle, crowd.middle, crowd.hanging, crowd.spinning]:
            await told(client, SERVICE_RESTART)
        crowd.slow.reset()
        assert (await exited(product))[0] == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_at_once(start_target: Start, second: signal.Signals) -> None:
    product = start_target("tests.servers.product:app", "--option=drain_timeout=60")
    async with AsyncExitStack() as stack:
        crowd = Crowd(stack, product.port)
        await crowd.come()
        product.process.process.send_signal(signal.SIGTERM)
        await trio.sleep(0.5)
        assert product.process.process.poll() is None
        began = trio.current_time()
        product.process.process.send_signal(second)
        status, log = await exited(product)
        assert trio.current_time() - began < 10
    assert status == 1
    assert "hang terminated Shutdown()" in log


async def test_a_large_crowd_is_told_one_after_the_other(product: Target) -> None:
    """In less than a third of the time; all at once they would all come back at once."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(product.port)) for _ in range(500)]
        times = []

        async def wait(client: Client) -> None:
            await told(client, GOING_AWAY)
            times.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(wait, client)
            await trio.lowlevel.checkpoint()
            product.process.process.send_signal(signal.SIGTERM)
        # 500 a second, or quicker if there are more: see `Supervisor.drain`.
        assert max(times) - min(times) > 0.13 * DRAIN
        assert (await exited(product))[0] == 0


async def test_killed_and_started_again_it_has_its_port_at_once(target: Target, start_target: Start) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(target.port)) for _ in range(50)]
        for client in clients:
            await client.echo("ready")
        target.process.process.kill()
        assert (await exited(target))[0] == -signal.SIGKILL
        successor = start_target("tests.servers.torture:app", "--port", str(target.port))
        assert successor.port == target.port
        async with successor.unharmed(log_lines=0):
            for client in clients:
                assert await client.rest() == b""
