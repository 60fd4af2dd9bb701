"""Mounted ASGI apps: which one is asked, what it is told of a request, and how its answer leaves."""

from __future__ import annotations

import contextvars
import ssl
from typing import Any

import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

from actorws import App, testing
from actorws.events import HandshakeRefused
from actorws.testing.http import read_answer
from tests.support.asgi import GET, START, Call, Seen, app_of, body, client_of, failing, hello, mounted, only_http
from tests.support.faults import secure
from tests.support.serving import Echo, serving
from tests.support.wire import Client, connect, handshake

# What the app is told


async def test_the_scope_is_that_of_the_specification() -> None:
    seen = Seen()
    async with serving(app_of(seen)) as server, connect(server.port) as client:
        assert isinstance(client.stream, trio.SocketStream)
        ours = client.stream.socket.getsockname()
        await client.send(
            b"GET /m/a%20b/%C3%A9?x=1&y=%20 HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-two:  2 \r\nX-B: \xe9\r\n\r\n"
        )
        assert (await client.response()).body == b"hello"
        (scope,) = seen.scopes
        assert scope.pop("extensions") == {"actorws": {"runtime": server.served.runtime}}
        assert scope == {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/m/a b/é",
            "raw_path": b"/m/a%20b/%C3%A9",
            "query_string": b"x=1&y=%20",
            "root_path": "/m",
            "headers": [(b"host", b"a"), (b"x-two", b"1"), (b"x-two", b"2"), (b"x-b", b"\xe9")],
            "client": ours,
            "server": ("127.0.0.1", server.port),
        }


async def test_over_a_unix_socket_the_server_is_its_path_and_the_client_has_no_address(tmp_path: Any) -> None:
    seen, path = Seen(), str(tmp_path / "socket")
    async with serving(app_of(seen), port=None, unix=path), await trio.open_unix_socket(path) as stream:
        assert (await Client(stream).get("/m")).body == b"hello"
    assert seen.scopes[0]["server"] == (path, None)
    assert seen.scopes[0]["client"] is None


async def test_in_memory_there_is_no_address_of_the_server() -> None:
    seen = Seen()
    async with mounted(seen) as server:
        await server.request("GET", "/m")
    assert seen.scopes[0]["server"] is None
    assert seen.scopes[0]["client"][0] == "127.0.0.1"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_every_method_is_served(method: str) -> None:
    seen = Seen()
    async with mounted(seen) as server:
        assert (await server.request(method, "/m/x")).status == 200
    assert seen.scopes[0]["method"] == method


async def test_mounted_at_the_root_there_is_no_root_path() -> None:
    seen = Seen()
    async with testing.open_app(app_of(seen, "/")) as server:
        await server.request("GET", "/x")
    assert (seen.scopes[0]["root_path"], seen.scopes[0]["path"]) == ("", "/x")


async def test_the_body_is_whole_and_then_the_end_comes() -> None:
    messages = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        messages.append(await receive())
        await hello(scope, receive, send)
        messages.append(await receive())

    async with mounted(app) as server:
        await server.request(
            "POST", "/m", headers={"Transfer-Encoding": "chunked"}, body=b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
        )
        await wait_all_tasks_blocked()
    assert messages == [{"type": "http.request", "body": b"abcd", "more_body": False}, {"type": "http.disconnect"}]


async def test_a_body_that_is_too_large_does_not_reach_the_app() -> None:
    async with mounted(failing, max_body_size=10) as server:
        assert (await server.request("POST", "/m", body=b"x" * 11)).status == 413


async def test_each_call_has_context_variables_of_its_own() -> None:
    who = contextvars.ContextVar("who", default="nobody")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        before = who.get()
        who.set("somebody")
        await send(START)
        await send(body(before.encode()))

    async with client_of(app) as client:
        assert [(await client.get("/m")).body for _ in range(2)] == [b"nobody", b"nobody"]


async def test_what_a_handler_before_left_in_a_context_variable_does_not_reach_the_app() -> None:
    who = contextvars.ContextVar("who", default="nobody")

    async def handler(request: Any) -> str:
        who.set("somebody")
        return "set"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(who.get().encode()))

    both = app_of(app)
    both.http("/h", handler)
    async with serving(both) as server, connect(server.port) as client:
        await client.send(GET.replace(b"/m", b"/h") + GET)
        assert [(await client.response()).body for _ in range(2)] == [b"set", b"nobody"]


async def test_over_tls_the_scheme_says_so() -> None:
    authority, seen = trustme.CA(), Seen()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    authority.configure_trust(theirs)
    async with serving(app_of(seen), tls=ours) as server, secure(server.port, theirs) as client:
        assert (await client.get("/m")).body == b"hello"
        assert (seen.scopes[0]["scheme"], seen.scopes[0]["server"]) == ("https", ("127.0.0.1", server.port))


# Which app


async def test_routes_of_the_app_win_and_then_the_longer_prefix() -> None:
    def saying(what: bytes) -> Call:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(START)
            await send(body(what))

        return only_http(app)

    app = App()
    app.mount("/", saying(b"root"))
    app.mount("/a/b", saying(b"ab"))
    app.mount("/a", saying(b"a"))
    app.http("/a/route", lambda request: "route")
    async with testing.open_app(app) as server:
        paths = ["/", "/x", "/a", "/a/x", "/a/b", "/a/b/", "/a/b/x", "/a/bc", "/a/route"]
        assert [(await server.request("GET", path)).text() for path in paths] == (
            ["root", "root", "a", "a", "ab", "ab", "ab", "a", "route"]
        )


async def test_a_websocket_below_the_prefix_works_beside_the_app() -> None:
    app = app_of(hello)
    app.websocket("/m/ws", Echo)
    async with testing.open_app(app) as server:
        client = await server.connect("/m/ws")
        await client.send("hi")
        assert await client.receive() == "hi"
        assert (await server.request("GET", "/m/other")).text() == "hello"
        assert (await server.request("GET", "/m/ws")).status == 426


async def test_the_app_is_not_asked_for_a_websocket() -> None:
    seen = Seen()
    async with serving(app_of(seen)) as server, connect(server.port) as client:
        await client.send(handshake("/m/ws"))
        assert (await client.response()).status == 404
        assert not seen.scopes
        (refused,) = await server.seen(HandshakeRefused)
        assert refused.status == 404


@pytest.mark.parametrize("prefix", ["m", "/{name}", ""])
def test_a_prefix_that_is_no_literal_path_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError):
        App().mount(prefix, hello)


def test_a_prefix_that_is_mounted_already_is_refused() -> None:
    app = app_of(hello)
    with pytest.raises(ValueError, match="mounted already"):
        app.mount("/m/", hello)


def test_what_is_no_app_is_refused() -> None:
    with pytest.raises(TypeError, match="'starlette'"):
        App().mount("/m", "starlette")  # type: ignore[arg-type]


# Answers


async def test_requests_in_a_row_are_answered_in_a_row_on_one_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(scope["raw_path"], more=True))
        await trio.lowlevel.checkpoint()
        await send(body())

    async with client_of(app) as client:
        await client.send(b"".join(b"GET /m/%d HTTP/1.1\r\nhost: a\r\n\r\n" % number for number in range(50)))
        assert [(await client.response()).body for _ in range(50)] == [b"/m/%d" % number for number in range(50)]


async def test_pieces_leave_when_they_are_sent() -> None:
    go_on = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"first", more=True))
        await go_on.wait()
        await send(body(b"last"))

    async with client_of(app) as client:
        await client.send(GET)
        assert (await client.head()).headers["transfer-encoding"] == "chunked"
        assert await client.read(10) == b"5\r\nfirst\r\n"
        go_on.set()
        assert await client.read(14) == b"4\r\nlast\r\n0\r\n\r\n"


async def test_send_waits_for_a_client_that_does_not_take_what_it_gets() -> None:
    sent = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        for number in range(100):
            await send(body(bytes(50_000), more=True))
            sent.append(number)
        await send(body())

    async with mounted(app) as server:
        stream = server.open_stream()
        await stream.send_all(GET)
        await wait_all_tasks_blocked()
        # 64 KiB are in the stream, as many may wait, and one piece is on its way.
        assert len(sent) < 6
        answer, _ = await read_answer(stream)
        assert len(answer.body) == 5_000_000


async def test_pieces_of_several_tasks_of_an_app_all_arrive() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def part(letter: bytes) -> None:
            for _ in range(20):
                await send(body(letter * 40_000, more=True))

        await send(START)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(part, b"a")
            nursery.start_soon(part, b"b")
        await send(body())

    async with mounted(app) as server:
        answer = await server.request("GET", "/m")
        assert (answer.body.count(b"a"), answer.body.count(b"b")) == (800_000, 800_000)
