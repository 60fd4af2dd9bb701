"""A behaviour as an ASGI application, message by message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import actorws
from actorws import Accept, Close, ConfigError, Reject, Remote, Runtime, UsageError, Websocket, open_runtime
from actorws.events import ActorStarted, HandlerCrashed, HandshakeRefused
from actorws.exceptions import BehaviourError
from tests.support.wire import SECONDS


class Chat(Websocket):
    """Echoes; does what some words say; keeps the connections and reasons it saw."""

    def __init__(self, decision: Any = None) -> None:
        self.decision = decision
        self.conns: list[Any] = []
        self.reasons: list[Any] = []

    async def connect(self, conn: Any) -> Any:
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision

    def init(self, conn: Any) -> Any:
        self.conns.append(conn)
        return None, ["welcome"]

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        if frame == "bye":
            return state, [Close(4001, "as you wish")]
        if frame == "crash":
            raise LookupError
        if frame == "abort":
            conn.abort()
        return state, [frame]

    def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        self.reasons.append(reason)


class Server:
    """An ASGI server with one client, in memory."""

    def __init__(self, **scope: Any) -> None:
        self.scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "path": "/chat/lobby",
            "query_string": b"a=1&b=%20",
            "headers": [(b"host", b"example.org"), (b"x-two", b"1"), (b"x-two", b"2")],
            "client": ("10.0.0.1", 4321),
            "subprotocols": [],
            "extensions": {},
            **scope,
        }
        self._to_app, self.receive = self._channel()
        self.send_end, self._from_app = trio.open_memory_channel[Any](100)
        self.gone = False

    def _channel(self) -> Any:
        to_app, from_server = trio.open_memory_channel[Any](100)
        to_app.send_nowait({"type": "websocket.connect"})
        return to_app, from_server.receive

    async def send(self, message: Any) -> None:
        if self.gone:
            raise OSError("the client has gone")
        self.send_end.send_nowait(message)

    def say(self, **message: Any) -> None:
        self._to_app.send_nowait({"type": "websocket.receive", **message})

    def leave(self, **message: Any) -> None:
        self._to_app.send_nowait({"type": "websocket.disconnect", **message})

    async def told(self) -> Any:
        with trio.fail_after(SECONDS):
            return await self._from_app.receive()

    def rest(self) -> list[Any]:
        """What else was sent."""
        found = []
        while self._from_app.statistics().current_buffer_used:
            found.append(self._from_app.receive_nowait())
        return found


@asynccontextmanager
async def running(app: Any, server: Server) -> AsyncIterator[trio.Event]:
    """``app`` with its client; what is yielded is set when it has returned."""
    over = trio.Event()

    async def run() -> None:
        await app(server.scope, server.receive, server.send)
        over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        yield over
        nursery.cancel_scope.cancel()


@pytest.fixture
async def events() -> Any:
    return []


@pytest.fixture
async def runtime(events: Any) -> AsyncIterator[Runtime]:
    async with open_runtime(events.append) as runtime:
        yield runtime


async def settled(behaviour: Chat, runtime: Any, **scope: Any) -> list[Any]:
    """All that is sent to a client of which nothing more comes, up to the end."""
    server = Server(**scope)
    with trio.fail_after(SECONDS):
        await actorws.asgi(behaviour, runtime)(server.scope, server.receive, server.send)
    return server.rest()


# Opening


async def test_a_client_is_let_in_and_its_messages_answered(runtime: Any) -> None:
    server = Server()
    async with running(actorws.asgi(Chat, runtime), server):
        assert await server.told() == {"type": "websocket.accept", "subprotocol": None, "headers": []}
        assert await server.told() == {"type": "websocket.send", "text": "welcome"}
        server.say(text="hé", bytes=None)
        assert await server.told() == {"type": "websocket.send", "text": "hé"}
        server.say(bytes=b"\0\1")
        assert await server.told() == {"type": "websocket.send", "bytes": b"\0\1"}
        server.say(text="")
        assert await server.told() == {"type": "websocket.send", "text": ""}


async def test_the_connection_shows_the_request(runtime: Any) -> None:
    chat, server = Chat(), Server(path_params={"room": "lobby", "number": 5})
    async with running(actorws.asgi(chat, runtime), server):
        await server.told()
        await server.told()
        (conn,) = chat.conns
        assert (conn.path, conn.query, conn.transport) == ("/chat/lobby", {"a": "1", "b": " "}, "asgi")
        assert conn.headers == {"host": "example.org", "x-two": "1, 2"}
        assert conn.path_params == {"room": "lobby", "number": "5"}
        assert conn.remote_address == ("10.0.0.1", 4321)
        assert conn.runtime is runtime


async def test_a_server_may_know_little_of_its_client(runtime: Any) -> None:
    chat, server = Chat(), Server(client=None, extensions=None, subprotocols=None)
    async with running(actorws.asgi(chat, runtime), server):
        assert (await server.told())["type"] == "websocket.accept"
        await server.told()
        assert chat.conns[0].remote_address == ""


async def test_subprotocol_and_headers_of_connect_are_told(runtime: Any) -> None:
    chat, server = Chat(Accept("b", {"X-Seen": "yes"})), Server(subprotocols=["a", "b"])
    async with running(actorws.asgi(chat, runtime), server):
        assert await server.told() == (
            {"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-seen", b"yes")]}
        )
        await server.told()
        assert chat.conns[0].subprotocol == "b"


async def test_a_subprotocol_of_the_options_is_chosen(runtime: Any) -> None:
    server = Server(subprotocols=["a", "b"])
    async with running(actorws.asgi(Chat, runtime, subprotocols=["b"]), server):
        assert (await server.told())["subprotocol"] == "b"


DENIAL = {"extensions": {"websocket.http.response": {}}}


async def test_a_rejected_client_is_told_as_http_does_where_the_server_can(runtime: Any, events: Any) -> None:
    sent = await settled(Chat(Reject(402, "pay first", {"X-Price": "5"})), runtime, **DENIAL)
    assert sent == [
        {
            "type": "websocket.http.response.start",
            "status": 402,
            "headers": [
                (b"x-price", b"5"),
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", b"9"),
            ],
        },
        {"type": "websocket.http.response.body", "body": b"pay first", "more_body": False},
    ]
    assert [event.status for event in events if isinstance(event, HandshakeRefused)] == [402]
    assert not [event for event in events if isinstance(event, ActorStarted)]


async def test_a_rejected_client_is_closed_where_the_server_cant(runtime: Any) -> None:
    assert await settled(Chat(Reject(402, "pay first")), runtime) == [
        {"type": "websocket.close", "code": 1008, "reason": "402 pay first"}
    ]


async def test_a_connect_that_raises_is_a_500(runtime: Any, events: Any) -> None:
    start, _ = await settled(Chat(LookupError("secret")), runtime, **DENIAL)
    assert start["status"] == 500
    assert [type(event.exception) for event in events if isinstance(event, HandlerCrashed)] == [LookupError]


async def test_a_subprotocol_that_is_required_and_missing_is_a_400(runtime: Any) -> None:
    server = Server(**DENIAL)
    await actorws.asgi(Chat, runtime, subprotocols=["v1"], subprotocol_required=True)(
        server.scope, server.receive, server.send
    )
    assert (await server.told())["status"] == 400


async def test_above_the_limit_of_connections_it_is_a_503(runtime: Any) -> None:
    server = Server(**DENIAL)
    await actorws.asgi(Chat, runtime, max_connections=0)(server.scope, server.receive, server.send)
    assert (await server.told())["status"] == 503


@pytest.mark.parametrize(
    ("options", "headers", "let_in"),
    [
        ({}, [(b"host", b"a"), (b"origin", b"https://a")], True),
        ({}, [(b"host", b"a"), (b"origin", b"https://evil.example")], False),
        ({"allowed_origins": ["*"]}, [(b"host", b"a"), (b"origin", b"https://evil.example")], True),
        ({"allowed_hosts": ["b"]}, [(b"host", b"a")], False),
    ],
)
async def test_pages_of_others_and_names_of_others_are_turned_away(
    runtime: Any, events: Any, options: Any, headers: Any, let_in: bool
) -> None:
    server = Server(headers=headers, **DENIAL)
    async with running(actorws.asgi(Chat, runtime, **options), server):
        first = await server.told()
    assert (first["type"] == "websocket.accept") is let_in
    assert let_in or (first["status"] == 403 and isinstance(events[0], HandshakeRefused))


# The end


async def test_a_close_of_the_actor_is_told_with_code_and_reason(runtime: Any) -> None:
    chat, server = Chat(), Server()
    async with running(actorws.asgi(chat, runtime), server) as over:
        server.say(text="bye")
        with trio.fail_after(SECONDS):
            await over.wait()
    assert server.rest()[-1] == {"type": "websocket.close", "code": 4001, "reason": "as you wish"}
    assert chat.reasons == [actorws.Stop()]


async def test_a_crash_is_1011(runtime: Any) -> None:
    server = Server()
    async with running(actorws.asgi(Chat, runtime), server) as over:
        server.say(text="crash")
        with trio.fail_after(SECONDS):
            await over.wait()
    assert server.rest()[-1]["code"] == 1011


async def test_a_connection_that_is_aborted_is_the_servers_to_cut(runtime: Any) -> None:
    server = Server()
    async with running(actorws.asgi(Chat, runtime), server) as over:
        server.say(text="abort")
        with trio.fail_after(SECONDS):
            await over.wait()
    assert [message["type"] for message in server.rest()] == ["websocket.accept", "websocket.send"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"code": 4002, "reason": "enough"}, Remote(4002, "enough")),
        ({"code": 1001}, Remote(1001)),
        ({"code": 1000, "reason": None}, Remote(1000)),
        ({"code": 1005}, Remote(1005)),
        ({}, Remote(1005)),
        ({"code": 1006}, Remote(1006)),
    ],
)
async def test_the_clients_leave_ends_the_actor_with_its_code(runtime: Any, message: Any, reason: Any) -> None:
    chat, server = Chat(), Server()
    async with running(actorws.asgi(chat, runtime), server) as over:
        server.leave(**message)
        with trio.fail_after(SECONDS):
            await over.wait()
    assert chat.reasons == [reason]


async def test_a_client_that_has_gone_when_something_is_sent_is_no_crash(runtime: Any, events: Any) -> None:
    chat, server = Chat(), Server()
    async with running(actorws.asgi(chat, runtime), server) as over:
        await server.told()
        await server.told()
        server.gone = True
        server.say(text="hello?")
        with trio.fail_after(SECONDS):
            await over.wait()
    assert chat.reasons == [Remote(1006)]


async def test_a_client_that_has_gone_before_it_was_let_in_is_no_crash(runtime: Any, events: Any) -> None:
    server = Server()
    server.gone = True
    await actorws.asgi(Chat, runtime)(server.scope, server.receive, server.send)
    assert events == []


async def test_a_server_that_cancels_ends_the_actor(runtime: Any) -> None:
    chat, server = Chat(), Server()
    async with running(actorws.asgi(chat, runtime), server):
        await server.told()
        await server.told()
    assert chat.reasons == [actorws.Shutdown()]


async def test_a_silent_client_is_the_servers_to_ping(autojump_clock: Any, runtime: Any) -> None:
    server = Server()
    async with running(actorws.asgi(Chat, runtime, idle_timeout=60), server) as over:
        await trio.sleep(1000)
        assert not over.is_set()


async def test_without_pings_a_silent_client_is_ended_in_time(autojump_clock: Any, runtime: Any) -> None:
    server = Server()
    async with running(actorws.asgi(Chat, runtime, idle_timeout=60, send_pings=False), server) as over:
        with trio.fail_after(70):
            await over.wait()
    assert server.rest()[-1]["code"] == 1001


# The runtime, and other scopes


async def test_the_runtime_may_be_found_by_a_function_of_the_scope(runtime: Any) -> None:
    server = Server(mine=runtime)
    async with running(actorws.asgi(Chat, lambda scope: scope["mine"]), server):
        assert (await server.told())["type"] == "websocket.accept"


async def test_the_runtime_may_be_left_in_the_state(runtime: Any) -> None:
    server = Server(state={"actorws": runtime})
    async with running(actorws.asgi(Chat), server):
        assert (await server.told())["type"] == "websocket.accept"


@pytest.mark.parametrize("scope", [{}, {"state": {}}, {"state": None}, {"state": {"actorws": "what?"}}])
async def test_without_a_runtime_it_says_what_is_missing(scope: Any) -> None:
    with pytest.raises(UsageError, match="there is no Runtime"):
        await settled(Chat(), None, **scope)


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[list[str]]:
    """``app`` between its startup and its shutdown; what it has sent."""
    to_app, from_server = trio.open_memory_channel[Any](2)
    sent: list[str] = []
    started = trio.Event()

    async def send(message: Any) -> None:
        sent.append(message["type"])
        started.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(app, {"type": "lifespan", "state": {}}, from_server.receive, send)
        await to_app.send({"type": "lifespan.startup"})
        with trio.fail_after(SECONDS):
            await started.wait()
        yield sent
        await to_app.send({"type": "lifespan.shutdown"})


async def test_served_by_itself_it_opens_a_runtime_in_its_lifespan() -> None:
    app, server = actorws.asgi(Chat), Server()
    async with lifespan(app) as sent, running(app, server):
        assert (await server.told())["type"] == "websocket.accept"
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(UsageError):
        await app(server.scope, server.receive, server.send)


async def test_with_a_runtime_its_lifespan_has_nothing_to_do(runtime: Any) -> None:
    async with lifespan(actorws.asgi(Chat, runtime)) as sent:
        pass
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(("version", "hop"), [("1.1", True), ("2", False)])
async def test_a_plain_request_gets_426(runtime: Any, version: str, hop: bool) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await actorws.asgi(Chat, runtime)({"type": "http", "http_version": version}, None, send)  # type: ignore[arg-type]
    start, body = sent
    assert start["status"] == 426 and ((b"upgrade", b"websocket") in start["headers"]) is hop
    assert body["body"].count(b"\n") == 1


async def test_another_scope_cant_be_served(runtime: Any) -> None:
    with pytest.raises(UsageError, match="'telepathy'"):
        await actorws.asgi(Chat, runtime)({"type": "telepathy"}, None, None)  # type: ignore[arg-type]


def test_under_asyncio_it_says_what_it_needs() -> None:
    server = {"type": "websocket"}
    with pytest.raises(UsageError, match="trio"):
        asyncio.run(actorws.asgi(Chat)(server, None, None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        ((dict,), {}, BehaviourError),
        ((Chat,), {"max_conections": 1}, ConfigError),
        ((Chat, 5), {}, TypeError),
    ],
)
def test_a_mistake_shows_where_the_application_is_made(arguments: Any, options: Any, error: Any) -> None:
    with pytest.raises(error):
        actorws.asgi(*arguments, **options)
