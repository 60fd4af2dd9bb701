"""The handshake: who is let in, and what the others are told."""

from __future__ import annotations

import pytest
import trio

from actorws import Accept, App, Reject, Websocket, testing
from actorws.events import ActorEnded, ActorStarted, HandlerCrashed, HandshakeRefused, ServerDraining
from actorws.testing import Refused
from actorws.testing.client import reset
from actorws.testing.http import request_bytes

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


class Echo(Websocket):
    def handle_client_message(self, state, conn, frame):
        return state, frame


def deciding(decision):
    class Deciding(Echo):
        def init(self, conn):
            return None, repr(conn.assigns)

        def connect(self, conn):
            conn.assigns = conn.headers.get("x-user")
            if isinstance(decision, BaseException):
                raise decision
            return decision

    return Deciding


no_handshake = pytest.mark.not_over("memory", because="there is no handshake: nothing is offered, nothing answered")
ours = pytest.mark.not_over("trio-websocket", "memory", because="who accepts the connection sees to that")
accepts = pytest.mark.not_over("outbound", because="whoever accepts the connection decides that")
limits = pytest.mark.not_over("outbound", because="the limits are about the connections that are accepted")


async def refused(server, *args, **options):
    with pytest.raises(Refused) as caught:
        await server.connect(*args, **options)
    return caught.value


@accepts
async def test_none_lets_the_client_in_and_assigns_stay(clock, serve):
    async with serve(deciding(None)) as server:
        client = await server.connect(headers={"X-User": "alice"})
        assert await client.receive() == "'alice'"
        assert client.conn.assigns == "alice"


@accepts
@no_handshake
async def test_accept_adds_headers_and_picks_the_subprotocol(clock, serve):
    async with serve(deciding(Accept("b", {"X-More": "yes"}))) as server:
        client = await server.connect(subprotocols=["a", "b"])
        assert (client.subprotocol, client.headers["x-more"]) == ("b", "yes")
        assert client.conn.subprotocol == "b"


@accepts
@pytest.mark.parametrize(
    "reject, status, body",
    [
        (Reject(), 403, b"403\n"),
        (Reject(401, "who are you?", {"WWW-Authenticate": "Basic"}), 401, b"who are you?"),
        (Reject(302, b"", {"Location": "/login"}), 302, b"302\n"),
    ],
)
async def test_reject_is_a_plain_answer_without_an_actor(clock, serve, reject, status, body):
    async with serve(deciding(reject)) as server:
        refusal = await refused(server)
        assert refusal.status == status
        assert refusal.body in (body, reject.body if isinstance(reject.body, bytes) else reject.body.encode())
        for name, value in reject.headers.items():
            assert refusal.headers.get(name.lower()) == value or not serve.answers_with_headers
        assert (await server.wait_event(HandshakeRefused)).status == status
        assert len(server.runtime.supervisor) == 0


WRONG = [RuntimeError("boom"), "yes", True]
CANT_BE_SENT = [
    Accept("not offered"),
    Accept(headers={"Bad\nName": "x"}),
    Accept(headers={"Upgrade": "x"}),
    Reject(403, "", {"X": "a\r\nb"}),
]


@accepts
@pytest.mark.parametrize("decision", WRONG, ids=repr)
async def test_what_connect_gets_wrong_is_a_500_and_no_leak(clock, serve, decision):
    """The client isn't told what went wrong; the event is."""
    await assert_500(serve, decision)


@accepts
@ours
@pytest.mark.parametrize("decision", CANT_BE_SENT, ids=repr)
async def test_what_connect_adds_and_cannot_be_sent_is_a_500_and_no_leak(clock, serve, decision):
    await assert_500(serve, decision)


async def assert_500(serve, decision):
    async with serve(deciding(decision), crashes="ignore") as server:
        refusal = await refused(server)
        assert refusal.status == 500
        assert refusal.body in (b"internal server error\n", b"500\n", b"")
        exception = (await server.wait_event(HandlerCrashed)).exception
        assert exception is decision or isinstance(exception, TypeError | ValueError)
        assert len(server.runtime.supervisor) == 0


@accepts
async def test_a_slow_connect_is_a_503(clock, serve, kind):
    class Slow(Echo):
        async def connect(self, conn):
            await trio.sleep_forever()

    async with serve(Slow, handler_timeout=serve.soon) as server:
        refusal = await refused(server)
        assert (refusal.status, "retry-after" in refusal.headers) == (503, serve.is_served)


@pytest.mark.websocket
@pytest.mark.parametrize("wire", ["tcp"])
async def test_a_client_that_goes_during_connect_leaves_nothing_behind(clock, serve, wire, kind):
    """The poller notices a reset although it doesn't read; a stream that isn't read from doesn't tell."""

    class Slow(Echo):
        async def connect(self, conn):
            entered.set()
            try:
                await trio.sleep_forever()
            finally:
                left.set()

    entered, left = trio.Event(), trio.Event()
    async with serve(Slow) as server:
        stream = server.open_stream()
        await stream.send_all(request_bytes("GET", "/", HANDSHAKE))
        await entered.wait()
        reset(stream)
        await left.wait()


@accepts
@no_handshake
async def test_the_servers_order_of_subprotocols_decides(clock, serve):
    async with serve(Echo, subprotocols=("one", "two")) as server:
        assert (await server.connect(subprotocols=["two", "one"])).subprotocol == "one"
        assert (await server.connect(subprotocols=["three"])).subprotocol is None
        assert (await server.connect()).subprotocol is None


@accepts
@no_handshake
async def test_a_subprotocol_can_be_required(clock, serve):
    async with serve(Echo, subprotocols=("one",), subprotocol_required=True) as server:
        assert (await server.connect(subprotocols=["one"])).subprotocol == "one"
        refusal = await refused(server, subprotocols=["three"])
        assert refusal.status == 400
        assert b"one" in refusal.body


ORIGINS = {
    "none": (None, None, True),
    "its own host": ("http://test", None, True),
    "another host": ("https://evil.example", None, False),
    "null": ("null", None, False),
    "one that is allowed": ("https://good.example", ("https://good.example",), True),
    "one that isn't": ("https://evil.example", ("https://good.example",), False),
    "any": ("https://evil.example", ("*",), True),
}


@accepts
@ours
@pytest.mark.parametrize("which", ORIGINS)
async def test_pages_of_other_hosts_are_refused_unless_allowed(clock, serve, which):
    origin, allowed, let_in = ORIGINS[which]
    async with serve(Echo, allowed_origins=allowed) as server:
        headers = {} if origin is None else {"Origin": origin}
        if let_in:
            await server.connect(headers=headers)
        else:
            assert (await refused(server, headers=headers)).status == 403


BAD_HANDSHAKES = {
    "another version": ({"Sec-WebSocket-Version": "8"}, 426),
    "a bad key": ({"Sec-WebSocket-Key": "short"}, 400),
    "a body": ({"Content-Length": "3"}, 400),
    "no upgrade": ({"Upgrade": "h2c"}, 426),
    "no connection": ({"Connection": "close"}, 426),
}


@accepts
@pytest.mark.websocket
@pytest.mark.parametrize("which", BAD_HANDSHAKES)
async def test_a_bad_handshake_gets_a_status_and_a_reason(clock, serve, which):
    headers, status = BAD_HANDSHAKES[which]
    async with serve(Echo) as server:
        refusal = await refused(server, headers=headers)
        assert refusal.status == status
        assert len(refusal.body.splitlines()) == 1


@accepts
@pytest.mark.websocket
async def test_a_plain_get_is_told_to_upgrade(clock, serve):
    async with serve(Echo) as server:
        answer = await server.request("GET", "/")
        assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")


@accepts
async def test_no_route_is_a_404(clock, serve):
    async with serve({"/chat": Echo}) as server:
        assert (await refused(server, "/chatter")).status == 404
        await server.connect("/chat")


async def test_what_was_asked_for_is_on_conn(clock, serve):
    """And the headers of the other end: of the request, or of the answer to ours."""
    async with serve(Echo) as server:
        client = await server.connect("/room/caf%C3%A9/a/b?x=1&y=%20&x=2", headers={"X-One": "1"})
        conn = client.conn
        assert conn.path == "/room/café/a/b"
        # Over HTTP, how messages are to come stands there, too.
        assert {name: conn.query[name] for name in conn.query if name != "transport"} == {"x": "2", "y": " "}
        assert conn.headers["x-one"] == "1"
        assert conn.id.startswith(server.runtime.id)
        assert conn.transport == serve.transport


@pytest.mark.not_over("outbound", because="nobody has come, and there are no routes: it is on a stream to a URL")
async def test_who_has_come_and_what_its_route_has_found_is_on_conn(clock, serve):
    async with serve({"/room/{name}/{rest:path}": Echo}) as server:
        client = await server.connect("/room/caf%C3%A9/a/b")
        assert dict(client.conn.path_params) == {"name": "café", "rest": "a/b"}
        assert client.conn.remote_address[0] == "127.0.0.1"


# The cap on connections


@limits
async def test_above_max_connections_it_is_a_503_and_a_place_that_gets_free_is_taken(clock, serve):
    async with serve(Echo, max_connections=2) as server:
        one, _ = await server.connect(), await server.connect()
        refusal = await refused(server)
        assert refusal.status == 503
        await one.close()
        await server.wait_event(ActorEnded)
        await server.connect()
        assert server.runtime.supervisor.statistics().refused == 1


@limits
async def test_the_cap_per_address(clock, serve):
    async with serve(Echo, max_connections_per_address=1) as server:
        await server.connect()
        assert (await refused(server)).status == 503
        if serve.is_virtual:
            await server.connect(host="192.0.2.1")


@accepts
async def test_who_connect_turns_away_takes_no_place(clock, serve):
    """It is asked before the cap is looked at."""

    class Picky(Echo):
        def connect(self, conn):
            return Reject() if "bad" in conn.path else None

    async with serve(Picky, max_connections=1) as server:
        for _ in range(3):
            assert (await refused(server, "/bad")).status == 403
        await server.connect("/good")
        assert (await refused(server, "/bad")).status == 403
        assert (await refused(server, "/good")).status == 503


class Leaving(Websocket):
    def init(self, conn):
        if "crash-in-init" in conn.path:
            raise RuntimeError
        return None, []

    def handle_client_message(self, state, conn, frame):
        if frame == "crash":
            raise RuntimeError
        if frame == "abort":
            conn.abort()
        return conn.close()

    def terminate(self, state, conn, reason):
        if "crash-in-terminate" in conn.path:
            raise RuntimeError


@pytest.mark.parametrize(
    "how",
    ["close", "hang-up", "vanish", "crash", "abort", "crash-in-init", "crash-in-terminate"],
)
async def test_the_place_gets_free_on_every_path(clock, serve, how):
    async with serve(Leaving, max_connections=1, crashes="ignore", close_timeout=serve.soon) as server:
        for number in (1, 2, 3):
            client = await server.connect(f"/{how}")
            match how:
                case "close" | "crash-in-terminate":
                    await client.close()
                case "hang-up":
                    await client.hang_up()
                case "vanish":
                    client.abort()
                case "crash" | "abort":
                    await client.send(how)
            await server.wait_event(ActorEnded, number)
            assert len(server.runtime.supervisor) == 0
        assert [type(event) for event in server.events].count(ActorStarted) == 3


@pytest.mark.websocket
@pytest.mark.parametrize("how", ["violation", "silence"])
async def test_the_place_gets_free_when_the_server_ends_it(clock, serve, how):
    async with serve(Leaving, max_connections=1, idle_timeout=serve.soon, close_timeout=serve.soon) as server:
        for number in (1, 2, 3):
            client = await server.connect(automatic=False)
            if how == "violation":
                await client.send_raw(b"\xff\xff\xff")
            await server.wait_event(ActorEnded, number)
            assert len(server.runtime.supervisor) == 0


@limits
@pytest.mark.websocket
async def test_who_finds_no_place_is_told_when_to_come_again(clock, serve):
    async with serve(Echo, max_connections=0) as server:
        assert (await refused(server)).headers["retry-after"] == "5"


@accepts
async def test_everyone_is_refused_while_the_server_drains(clock, serve, kind):
    go = trio.Event()

    class Slow(Echo):
        async def connect(self, conn):
            entered.set()
            await go.wait()

    entered = trio.Event()
    async with serve(Slow) as server, trio.open_nursery() as nursery:

        async def come_late():
            assert (await refused(server)).status == 503

        nursery.start_soon(come_late)
        await entered.wait()
        nursery.start_soon(server.shut_down)
        await server.wait_event(ServerDraining)
        go.set()


def test_an_app_is_inert():
    """Making one opens nothing and starts nothing."""
    app = App()
    app.websocket("/", Echo)
    assert app.backgrounds == []


async def test_what_a_subscriber_sends_comes_behind_the_handshake(autojump_clock):
    """ActorStarted is told when the 101 is on its way."""

    def greet(event):
        if isinstance(event, ActorStarted):
            event.conn.send("from the subscriber")

    async with testing.open_app(Echo, on_event=greet) as server:
        client = await server.connect()
        assert await client.receive() == "from the subscriber"
