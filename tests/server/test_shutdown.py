"""The end of a server: by signal, by its handle or by cancellation, everybody is told and nothing is left."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from actorws import App, Shutdown, events
from actorws.server.http import Response
from actorws.server.serve import serve
from tests.support.serving import Echo, Server, descriptors, serving
from tests.support.wire import BINARY, CLOSE, SECONDS, TEXT, Client, connect, frame, handshake, open_client

Start = Callable[[Sequence[str]], Any]


def command(name: str, **options: float) -> list[str]:
    given = [f"--option={name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "actorws", "serve", f"tests.support.programs:{name}", "--port", "0", *given]


def port_of(process: Any) -> int:
    return int(process.address.rpartition(":")[2])


async def ended(process: Any) -> tuple[int, str]:
    """The exit status, when there is one, and the log."""
    with trio.fail_after(SECONDS):
        await trio.to_thread.run_sync(process.process.communicate, abandon_on_cancel=True)
    log = process.log()
    assert "Traceback" not in log, log
    return process.process.returncode, log


# Signals, from outside


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_everybody_in_good_order(start_server: Start, number: signal.Signals) -> None:
    """20 idle clients, one that doesn't read, one in mid-message, one in mid-handshake, one that is just kept."""
    process = start_server(command("reporting", drain_timeout=2))
    port = port_of(process)
    async with AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(open_client(port, path)) for path in ["/", "/async"] * 10]
        slow = await stack.enter_async_context(open_client(port, receive_buffer=4096))
        await slow.text("push")
        middle = await stack.enter_async_context(open_client(port))
        await middle.send(frame(TEXT, b"half a message")[:-5])
        begun = await stack.enter_async_context(connect(port))
        await begun.send(handshake()[:-2])
        kept = await stack.enter_async_context(connect(port))
        assert (await kept.get("/nowhere")).status == 404
        for client in idle:
            await client.echo("ready")
        began = time.monotonic()
        process.process.send_signal(number)
        for client in [*idle, middle]:
            assert await client.closed() == (1001, "")
            await client.stream.aclose()
        assert (await begun.response()).status == 503
        assert await kept.rest() == b""
        status, log = await ended(process)
        assert status == 0
        assert time.monotonic() - began < 10
    assert log.count("terminated Shutdown()") == 22


async def test_a_hangup_ends_everybody_with_the_news_that_the_server_restarts(start_server: Start) -> None:
    process = start_server(command("reporting"))
    async with open_client(port_of(process)) as client:
        await client.echo("ready")
        process.process.send_signal(signal.SIGHUP)
        assert await client.closed() == (1012, "")
    status, log = await ended(process)
    assert status == 0
    assert log.count("terminated Shutdown()") == 1


async def test_a_hangup_that_is_ignored_stays_so(start_server: Start) -> None:
    """As below ``nohup``, which is there so that the server lives on."""
    process = start_server(["nohup", *command("reporting")])
    process.process.send_signal(signal.SIGHUP)
    async with open_client(port_of(process)) as client:
        await client.echo("still here")
        await client.close()


async def test_a_second_signal_ends_at_once(start_server: Start) -> None:
    process = start_server(command("Hanging", drain_timeout=60))
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(port_of(process))) for _ in range(3)]
        await clients[0].text("hang")
        process.process.send_signal(signal.SIGTERM)
        for client in clients:
            assert (await client.closed())[0] == 1001
        began = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        status, log = await ended(process)
        assert status == 1
        assert time.monotonic() - began < 10
    assert log.count("terminating") == 3, "also that of the actor whose callback hung"


async def test_a_signal_right_behind_the_first_line_is_a_shutdown(start_server: Start) -> None:
    for _ in range(3):
        process = start_server(command("reporting"))
        process.process.send_signal(signal.SIGTERM)
        status, log = await ended(process)
        assert status == 0, log


# The handle, from inside


class Terminates(Echo):
    def __init__(self, log: list[object]) -> None:
        self.log = log

    def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        self.log.append(reason)


class TerminatesAsync(Terminates):
    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:  # type: ignore[override]
        await trio.lowlevel.checkpoint()
        self.log.append(reason)


class Hangs(Echo):
    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        await trio.sleep_forever()


async def test_clients_can_be_told_that_the_server_restarts() -> None:
    async with serving(Echo) as server, open_client(server.port) as client:
        await client.echo("hello")
        with pytest.raises(ValueError, match="1005"):
            server.served.shut_down(1005)
        server.served.shut_down(code=1012)
        server.served.shut_down()
        assert await client.closed() == (1012, "")
    (ended,) = server.all(events.ActorEnded)
    assert ended.reason == Shutdown()


async def test_the_drain_is_over_in_its_time_although_terminate_hangs() -> None:
    began = trio.current_time()
    async with serving(Hangs, drain_timeout=0.3) as server, open_client(server.port) as client:
        await client.echo("hello")
        server.served.shut_down()
        assert await client.closed() == (1001, "")
    assert trio.current_time() - began < 4
    assert len(server.all(events.TerminateFailed)) == 1


async def test_the_drain_is_over_in_its_time_although_a_callback_hangs() -> None:
    class HangsEarly(Hangs):
        async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            conn.send("handling")
            await trio.sleep_forever()

    began = trio.current_time()
    async with serving(HangsEarly, drain_timeout=0.3) as server, open_client(server.port) as client:
        await client.text("hang")
        assert await client.message() == "handling"
        server.served.shut_down()
        assert await client.closed() == (1001, "")
    assert trio.current_time() - began < 4
    assert len(server.all(events.ActorEnded)) == 1


async def test_whoever_keeps_its_side_open_is_cut_in_time() -> None:
    began = trio.current_time()
    async with serving(Echo, drain_timeout=0.2) as server, open_client(server.port) as client:
        server.served.shut_down()
        await server.until(lambda: bool(server.all(events.ActorEnded)))
        assert await client.frame() == (CLOSE, b"\x03\xe9")
    assert trio.current_time() - began < 4


async def test_a_request_that_is_being_answered_is_answered_to_its_end() -> None:
    go_on = trio.Event()
    app = App()

    @app.http("/")
    async def slow(request: Any) -> Response:
        await go_on.wait()
        return Response("the answer")

    async with serving(app, drain_timeout=5) as server, connect(server.port) as client:
        await client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)
        server.served.shut_down()
        await server.seen(events.ServerDraining)
        await trio.testing.wait_all_tasks_blocked(0.01)
        go_on.set()
        response = await client.response()
        assert (response.body, response.headers["connection"]) == (b"the answer", "close")
        assert await client.rest() == b""


async def test_a_handshake_that_is_decided_while_draining_is_503() -> None:
    go_on = trio.Event()

    class Slow(Echo):
        async def connect(self, conn: Any) -> None:
            await go_on.wait()

    async with serving(Slow, drain_timeout=5) as server, connect(server.port) as client:
        await client.send(handshake())
        await trio.testing.wait_all_tasks_blocked(0.01)
        server.served.shut_down()
        await server.seen(events.ServerDraining)
        go_on.set()
        response = await client.response()
        assert response.status == 503
        assert "retry-after" in response.headers
        assert await client.rest() == b""


async def test_while_draining_nobody_new_is_accepted() -> None:
    class Slow(Echo):
        async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
            with pytest.raises(OSError):
                await trio.open_tcp_stream("127.0.0.1", server.port)
            refused.set()

    refused = trio.Event()
    async with serving(Slow, drain_timeout=5) as server, open_client(server.port) as client:
        server.served.shut_down()
        assert await client.closed() == (1001, "")
        await client.stream.aclose()
        with trio.fail_after(SECONDS):
            await refused.wait()


# Cancellation


async def cancelled_while(app: Any, use: Callable[[Server], Any], **options: Any) -> Server:
    """Serve ``app``, and cancel that when ``use(server)`` has returned."""
    server = Server()
    async with trio.open_nursery() as nursery:
        server.served = await nursery.start(partial(serve, app, port=0, on_event=server, **options))
        await use(server)
        nursery.cancel_scope.cancel()
    return server


@pytest.mark.parametrize("behaviour", [Terminates, TerminatesAsync])
async def test_cancellation_runs_every_terminate_and_leaves_nothing(behaviour: type[Terminates]) -> None:
    ends: list[object] = []
    before = descriptors()

    async def use(server: Server) -> None:
        for _ in range(10):
            client = await stack.enter_async_context(open_client(server.port))
            clients.append(client)
            await client.echo("hello")
        half = await stack.enter_async_context(connect(server.port))
        await half.send(handshake()[:-2])

    clients: list[Client] = []
    async with AsyncExitStack() as stack:
        tasks = trio.lowlevel.current_statistics().tasks_living
        await cancelled_while(behaviour(ends), use)
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        for client in clients:
            assert await client.frame() == (CLOSE, b"\x03\xe9")
    assert ends == [Shutdown()] * 10
    assert descriptors() == before


async def test_cancellation_waits_for_a_terminate_as_long_as_it_may_take() -> None:
    app = App()
    app.websocket("/", Hangs, terminate_timeout=0.1)

    async def use(server: Server) -> None:
        async with open_client(server.port) as client:
            await client.echo("hello")

    server = await cancelled_while(app, use)
    assert len(server.all(events.TerminateFailed)) == 1
    assert len(server.all(events.ActorEnded)) == 1


async def test_a_background_function_that_fails_costs_itself_only() -> None:
    app = App()
    app.websocket("/", Echo)

    @app.background
    async def failing(runtime: Any) -> None:
        raise RuntimeError("background")

    async with serving(app) as server:
        (crashed,) = await server.seen(events.BackgroundCrashed)
        assert crashed.name == "failing"
        async with open_client(server.port) as client:
            await client.echo("hello")
        server.events.clear()


async def test_a_background_function_runs_until_the_last_connection_has_ended() -> None:
    order: list[str] = []
    app = App()

    class Ends(Echo):
        def terminate(self, state: Any, conn: Any, reason: Any) -> None:
            order.append("terminate")

    app.websocket("/", Ends)

    @app.background
    async def background(runtime: Any) -> None:
        try:
            await trio.sleep_forever()
        finally:
            order.append("background")

    async with serving(app) as server, open_client(server.port) as client:
        await client.echo("hello")
        server.served.shut_down()
        await client.closed()
        await client.stream.aclose()
    assert order == ["terminate", "background"]


async def test_a_drain_with_1000_messages_under_way_loses_no_frame_in_the_middle() -> None:
    """What a client gets is whole frames and then Close."""
    async with serving(Echo, drain_timeout=5) as server, open_client(server.port) as client:
        await client.send(frame(BINARY, bytes(1000)) * 1000)
        server.served.shut_down()
        while True:
            opcode, payload = await client.frame()
            if opcode == CLOSE:
                break
            assert payload == bytes(1000)
        assert payload == b"\x03\xe9"
        assert await client.rest() == b""


async def test_connections_on_which_nothing_is_being_said_do_not_hold_up_the_end() -> None:
    """Browsers keep such connections open for minutes, and lingering for them would take seconds."""
    app = App()
    app.http("/", lambda request: "hello")
    async with serving(app, drain_timeout=20.0) as server, connect(server.port), connect(server.port) as kept:
        assert (await kept.get("/")).status == 200
        began = trio.current_time()
        server.served.shut_down()
        await server.no_wires()
        assert trio.current_time() - began < 4
