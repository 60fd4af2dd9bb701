"""``run_over``: an actor behind a connection that somebody else accepted."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
import trio_websocket
from trio.testing import wait_all_tasks_blocked

from actorws import (
    Accept,
    BehaviourError,
    Close,
    ConfigError,
    Conn,
    Error,
    HandshakeError,
    Reject,
    Remote,
    Request,
    Shutdown,
    Websocket,
    open_runtime,
    run_over,
)
from actorws.events import ActorCrashed, ActorEnded, ActorStarted, HandlerCrashed, HandshakeRefused
from tests.support.scripted import Scripted, running
from tests.support.serving import Echo

SECONDS = 20


class Noting(Echo):
    """Keeps what happened to it."""

    def __init__(self, decision: Any = None) -> None:
        self.decision = decision
        self.seen: list[Any] = []

    def connect(self, conn: Conn) -> Any:
        self.seen.append(("connect", conn.transport, conn.ready_state.name, conn.path))
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision

    def init(self, conn: Conn) -> Any:
        self.seen.append(("init", conn.transport, conn.ready_state.name))
        return None, "hello"

    def terminate(self, state: Any, conn: Conn, reason: Any) -> None:
        self.seen.append(("terminate", reason))


class AsyncNoting(Noting):
    async def connect(self, conn: Conn) -> Any:
        await trio.sleep(1)
        return super().connect(conn)


@pytest.mark.parametrize("kind", [Noting, AsyncNoting])
@pytest.mark.parametrize("decision", [None, Accept()])
async def test_an_actor_lives_from_connect_to_terminate(kind: Any, decision: Any, autojump_clock: Any) -> None:
    wire, behaviour = Scripted(), kind(decision)
    async with running(wire, behaviour) as one:
        wire.hears("1", "2")
        await trio.sleep(2)
        wire.hears(Close(4000, "enough"))
        assert await one.wait_over() == Remote(4000, "enough")
        assert wire.sent == ["hello", "1", "2"] and wire.aborted == 1
        assert behaviour.seen == [
            ("connect", "scripted", "CONNECTING", "/"),
            ("init", "scripted", "OPEN"),
            ("terminate", Remote(4000, "enough")),
        ]
        assert [type(event) for event in one.events] == [ActorStarted, ActorEnded]


async def test_the_request_says_what_the_wire_does_not_know() -> None:
    request = Request(
        method="GET",
        path="/room/7",
        path_params={"room": "7"},
        query={"a": "1"},
        headers={"X-Key": "value"},
        remote_address=("192.0.2.1", 99),
    )
    async with running(Scripted(), Noting(), request) as one:
        conn = one.conn
        assert (conn.path, conn.query, conn.headers) == ("/room/7", {"a": "1"}, {"x-key": "value"})
        assert (conn.path_params, conn.remote_address) == ({"room": "7"}, ("192.0.2.1", 99))


async def test_the_subprotocol_is_the_wires_or_what_connect_chose() -> None:
    wire = Scripted()
    wire.subprotocol = "chat.v1"
    async with running(wire, Echo) as one:
        assert one.conn.subprotocol == "chat.v1"
    async with running(Scripted(), Noting(Accept("chat.v2"))) as one:
        assert one.conn.subprotocol == "chat.v2"


@pytest.mark.parametrize(
    ("decision", "frame", "raised", "event"),
    [
        (Reject(403, "go away"), Close(1008, "403 go away"), HandshakeError, HandshakeRefused),
        (Reject(401), Close(1008, "401"), HandshakeError, HandshakeRefused),
        (HandshakeError(404, "nobody"), Close(1008, "404 nobody"), HandshakeError, HandshakeRefused),
        (HandshakeError(503, "later"), Close(1013, "503 later"), HandshakeError, HandshakeRefused),
        (HandshakeError(200, "odd"), Close(1008, "500 odd"), HandshakeError, HandshakeRefused),
        (KeyError("bug"), Close(1011), KeyError, HandlerCrashed),
        ("nonsense", Close(1011), TypeError, HandlerCrashed),
    ],
)
async def test_who_is_turned_away_is_told_by_close(decision: Any, frame: Close, raised: Any, event: Any) -> None:
    wire, behaviour = Scripted(), Noting(decision)
    async with running(wire, behaviour) as one:
        reason = await one.wait_over()
        assert isinstance(reason, Error) and isinstance(reason.exception, raised)
        assert (wire.closed, wire.sent, wire.aborted) == ([frame], [], 1)
        assert [type(one) for one in one.events] == [event] and len(behaviour.seen) == 1


async def test_one_above_the_limit_is_told_to_come_again() -> None:
    wire = Scripted()
    async with running(wire, Echo, max_connections=0) as one:
        reason = await one.wait_over()
        assert isinstance(reason, Error) and wire.closed[0].code == 1013
        assert one.events[0].limit == "max_connections"


async def test_a_connect_that_takes_too_long_is_cancelled(autojump_clock: Any) -> None:
    class Slow(Echo):
        async def connect(self, conn: Conn) -> Any:
            await trio.sleep_forever()

    wire = Scripted()
    async with running(wire, Slow) as one:
        assert isinstance(await one.wait_over(), Error)
        assert wire.closed[0].code == 1013 and one.events[0].limit == "handler_timeout"


async def test_who_does_not_take_the_refusal_is_cut(autojump_clock: Any) -> None:
    wire = Scripted()
    wire.close_hangs = True
    async with running(wire, Noting(Reject()), close_timeout=2.0) as one:
        assert isinstance(await one.wait_over(), Error)
        assert wire.aborted == 1


async def test_cancelled_the_actor_ends_with_shutdown_and_the_wire_is_cut() -> None:
    wire, behaviour = Scripted(), Noting()
    async with running(wire, behaviour) as one:
        one.scope.cancel()
        await one.wait_over()
        assert behaviour.seen[-1] == ("terminate", Shutdown())
        assert one.scope.cancelled_caught and wire.aborted == 1 and len(one.runtime.supervisor) == 0


async def test_cancelled_in_the_middle_of_connect_nothing_is_left() -> None:
    class Waiting(Noting):
        async def connect(self, conn: Conn) -> Any:
            await trio.sleep_forever()

    wire, behaviour = Scripted(), Waiting()
    async with running(wire, behaviour) as one:
        one.scope.cancel()
        await one.wait_over()
        assert behaviour.seen == [] and wire.aborted == 1


async def test_cancelled_terminate_still_has_its_time(autojump_clock: Any) -> None:
    class Careful(Noting):
        async def terminate(self, state: Any, conn: Conn, reason: Any) -> None:
            await trio.sleep(3)
            super().terminate(state, conn, reason)

    behaviour = Careful()
    async with running(Scripted(), behaviour) as one:
        one.scope.cancel()
        await one.wait_over()
        assert behaviour.seen[-1] == ("terminate", Shutdown())


async def test_cancelled_a_callback_and_a_terminate_without_end_are_bounded(autojump_clock: Any) -> None:
    class Stuck(Echo):
        async def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
            await trio.sleep_forever()

        async def terminate(self, state: Any, conn: Conn, reason: Any) -> None:
            await trio.sleep_forever()

    wire = Scripted()
    async with running(wire, Stuck, terminate_timeout=2.0) as one:
        wire.hears("go")
        await wait_all_tasks_blocked()
        began = trio.current_time()
        one.scope.cancel()
        await one.wait_over()
        assert trio.current_time() - began < 3.0


async def test_a_crash_in_init_is_told_with_1011() -> None:
    class Crashing(Echo):
        def init(self, conn: Conn) -> Any:
            raise ZeroDivisionError

    wire = Scripted()
    async with running(wire, Crashing) as one:
        assert isinstance(await one.wait_over(), Error)
        assert wire.closed == [Close(1011)] and len(one.all(ActorCrashed)) == 1


async def test_the_runtimes_end_ends_the_actor() -> None:
    behaviour = Noting()
    async with trio.open_nursery() as nursery, open_runtime(lambda event: None) as runtime:
        nursery.start_soon(run_over, Scripted(), behaviour, runtime)
        await wait_all_tasks_blocked()
    assert behaviour.seen[-1] == ("terminate", Shutdown())


async def test_it_shares_names_and_groups_with_all_others() -> None:
    class Named(Echo):
        async def init(self, conn: Conn) -> Any:
            await conn.register("me")
            await conn.join("all")
            return None, []

        def handle_server_message(self, state: Any, conn: Conn, message: Any) -> Any:
            return state, [f"got {message}"]

    wire = Scripted()
    async with running(wire, Named) as one:
        assert await one.runtime.unique.send_message("me", "a message")
        assert await one.runtime.group.broadcast("all", b"a frame") == 1
        await wait_all_tasks_blocked()
        assert wire.sent == ["got a message", b"a frame"]
        wire.hears(Close())
        await one.wait_over()
        assert not await one.runtime.unique.send_message("me", "gone")


async def test_mistakes_are_told_before_the_wire_is_touched() -> None:
    wire = Scripted()
    async with open_runtime() as runtime:
        with pytest.raises(BehaviourError):
            await run_over(wire, Websocket, runtime)
        with pytest.raises(ConfigError, match="no_such_option"):
            await run_over(wire, Echo, runtime, no_such_option=1)
        with pytest.raises(TypeError, match=r"wire must be an actorws\.Transport, or a WebSocketConnection"):
            await run_over(12, Echo, runtime)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="runtime must be a Runtime, not 12"):
            await run_over(wire, Echo, 12)  # type: ignore[arg-type]
    assert wire.aborted == 0


# trio-websocket


async def served(handle: Any, nursery: trio.Nursery) -> int:
    server = await nursery.start(partial(trio_websocket.serve_websocket, handle, "127.0.0.1", 0, None))
    port: int = server.port
    return port


async def opened(port: int, nursery: trio.Nursery, **options: Any) -> tuple[Any, trio.SocketStream]:
    """A client, and its stream, which the library would leave open."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    try:
        client = await trio_websocket.wrap_client_stream(nursery, stream, "127.0.0.1", "/a%20b?c=d", **options)
    except BaseException:
        stream.socket.close()
        raise
    return client, stream


async def test_of_a_websocket_request_everything_is_known() -> None:
    behaviour = Noting(Accept("v2", {"X-Our": "header"}))
    conns: list[Conn] = []
    with trio.fail_after(SECONDS):
        async with open_runtime(lambda event: None) as runtime, trio.open_nursery() as nursery:

            async def handle(request: trio_websocket.WebSocketRequest) -> None:
                await run_over(request, behaviour, runtime)

            port = await served(handle, nursery)
            headers = [(b"x-key", b"one"), (b"X-Key", b"two")]
            client, stream = await opened(port, nursery, subprotocols=["v1", "v2"], extra_headers=headers)
            with stream.socket:
                assert await client.get_message() == "hello"
                conns += [actor.conn for actor in runtime.supervisor]
                assert client.subprotocol == "v2" and (b"x-our", b"header") in client.handshake_headers
                await client.aclose()
            nursery.cancel_scope.cancel()
    [conn] = conns
    assert (conn.path, conn.query, conn.headers["x-key"]) == ("/a b", {"c": "d"}, "one, two")
    assert (conn.transport, conn.subprotocol, conn.remote_address[0]) == ("trio-websocket", "v2", "127.0.0.1")


async def test_a_websocket_request_is_rejected_as_http_does() -> None:
    reasons: list[Any] = []
    with trio.fail_after(SECONDS):
        async with open_runtime(lambda event: None) as runtime, trio.open_nursery() as nursery:

            async def handle(request: trio_websocket.WebSocketRequest) -> None:
                reasons.append(await run_over(request, Noting(Reject(402, "pay first", {"X-Why": "money"})), runtime))

            port = await served(handle, nursery)
            with pytest.RaisesGroup(trio_websocket.ConnectionRejected, flatten_subgroups=True) as caught:
                async with trio.open_nursery() as clients:
                    await opened(port, clients)
            nursery.cancel_scope.cancel()
    rejected = caught.value
    while isinstance(rejected, BaseExceptionGroup):
        [rejected] = rejected.exceptions
    assert isinstance(rejected, trio_websocket.ConnectionRejected)
    assert (rejected.status_code, rejected.body) == (402, b"pay first") and isinstance(reasons[0], Error)


async def test_a_message_above_trio_websockets_own_limit_is_the_clients_fault() -> None:
    reasons: list[Any] = []
    with trio.fail_after(SECONDS):
        async with open_runtime(lambda event: None) as runtime, trio.open_nursery() as nursery:

            async def handle(request: trio_websocket.WebSocketRequest) -> None:
                reasons.append(await run_over(await request.accept(), Noting(), runtime))
                nursery.cancel_scope.cancel()

            server = await nursery.start(
                partial(trio_websocket.serve_websocket, handle, "127.0.0.1", 0, None, max_message_size=10)
            )
            client, stream = await opened(server.port, nursery)
            with stream.socket:
                await client.send_message("x" * 100)
                await trio.sleep_forever()
    assert isinstance(reasons[0], Error) and "Exceeded maximum message size" in str(reasons[0].exception)


async def test_cancelled_in_the_middle_of_a_send_the_wire_is_cut_and_nothing_follows_the_half_frame() -> None:
    class Sender(Websocket):
        def init(self, conn: Conn) -> Any:
            return None, [b"\x00" * 30_000_000, "behind"]

        def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
            return state, []

    with trio.fail_after(SECONDS):
        async with open_runtime(lambda event: None) as runtime, trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def handle(request: trio_websocket.WebSocketRequest) -> None:
                wire = await request.accept()
                with scope:
                    await run_over(wire, Sender, runtime, backpressure_limit=1 << 30)

            port = await served(handle, nursery)
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            async with stream:
                await stream.send_all(
                    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                )
                got = len(await stream.receive_some())
                scope.cancel()
                try:
                    while data := await stream.receive_some():
                        got += len(data)
                except trio.BrokenResourceError:
                    pass
            nursery.cancel_scope.cancel()
    assert got < 30_000_000
