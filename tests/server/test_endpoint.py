"""One accepted socket: every bad request gets its status and costs its connection only; plain HTTP is served too."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from actorws import Accept, App, HandshakeError, Reject, Websocket, events
from actorws.server.http import Response
from tests.support.serving import Echo, Server, descriptors, serving
from tests.support.wire import SECONDS, TEXT, Client, connect, frame, handshake, open_client

# Handshakes that are refused


class Refusing(Echo):
    def connect(self, conn: Any) -> Reject:
        return Reject(403, "members only", {"X-Why": "members"})


class Raising(Echo):
    def connect(self, conn: Any) -> None:
        raise RuntimeError("secret detail")


class RaisingAsync(Echo):
    async def connect(self, conn: Any) -> None:
        raise RuntimeError("secret detail")


class Exiting(Echo):
    def connect(self, conn: Any) -> None:
        raise SystemExit(3)


class ExitingAsync(Echo):
    async def connect(self, conn: Any) -> None:
        raise SystemExit(3)


class Answering(Echo):
    """Its ``connect`` returns what it was made with."""

    def __init__(self, decision: object) -> None:
        self.decision = decision

    def connect(self, conn: Any) -> Any:
        return self.decision


class AnsweringAsync(Answering):
    async def connect(self, conn: Any) -> Any:
        return self.decision


class Waiting(Echo):
    async def connect(self, conn: Any) -> None:
        await trio.sleep_forever()


def app_of_all() -> App:
    app = App()
    app.websocket("/echo", Echo)
    app.websocket("/refusing", Refusing)
    app.websocket("/raising", Raising)
    app.websocket("/raising-async", RaisingAsync)
    app.websocket("/exiting", Exiting)
    app.websocket("/exiting-async", ExitingAsync)
    app.websocket("/full", Echo, max_connections=0)
    app.http("/hello", lambda request: "hello")
    return app


GARBAGE = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))
BAD_REQUESTS = {
    "garbage": (GARBAGE, 400),
    "no key": (handshake("/echo", sec_websocket_key=None), 400),
    "bad key": (handshake("/echo", sec_websocket_key="dG9vIHNob3J0"), 400),
    "body": (handshake("/echo", content_length="3") + b"abc", 400),
    "chunked body": (handshake("/echo", transfer_encoding="chunked") + b"0\r\n\r\n", 400),
    "two hosts": (handshake("/echo").replace(b"\r\n\r\n", b"\r\nHost: b\r\n\r\n"), 400),
    "no host": (handshake("/echo").replace(b"host: 127.0.0.1\r\n", b""), 400),
    "HTTP/1.0": (handshake("/echo").replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "origin": (handshake("/echo", origin="https://evil.example"), 403),
    "rejected": (handshake("/refusing"), 403),
    "unknown path": (handshake("/nowhere"), 404),
    "method": (handshake("/echo").replace(b"GET ", b"PUT "), 405),
    "method of a handler": (b"DELETE /hello HTTP/1.1\r\nhost: a\r\n\r\n", 405),
    "body too large": (b"GET /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 9999999\r\n\r\n", 413),
    "plain GET": (b"GET /echo HTTP/1.1\r\nhost: a\r\n\r\n", 426),
    "version 8": (handshake("/echo", sec_websocket_version="8"), 426),
    "head too large": (handshake("/echo", x_padding="x" * 20_000), 431),
    "too many headers": (handshake("/echo", **{f"x_{n}": "1" for n in range(120)}), 431),
    "connect raises": (handshake("/raising"), 500),
    "async connect raises": (handshake("/raising-async"), 500),
    "connect exits": (handshake("/exiting"), 500),
    "async connect exits": (handshake("/exiting-async"), 500),
    "over the cap": (handshake("/full"), 503),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
async def test_a_bad_request_gets_its_status_and_costs_its_connection_only(name: str) -> None:
    request, status = BAD_REQUESTS[name]
    async with serving(app_of_all()) as server, open_client(server.port, "/echo") as bystander:
        async with connect(server.port) as client:
            await client.send(request)
            response = await client.response()
            assert response.status == status
            assert response.body.count(b"\n") <= 1, "the body is one line"
            assert b"secret" not in response.body
            assert await client.rest() == b"", "the connection ends behind a refusal"
        await bystander.echo("still here")
        assert [refused.status for refused in server.all(events.HandshakeRefused)] == [status]


async def test_each_of_many_alike_is_judged_by_the_options_of_its_route() -> None:
    """From the second one on it is known what they say, but for their keys."""
    app = App()
    app.websocket("/own", Echo)
    app.websocket("/any", Echo, allowed_origins=["*"])
    app.websocket("/named", Echo, allowed_hosts=["example.org"])
    origin = "https://evil.example"
    wanted = [("/own", origin, 403), ("/own", "http://127.0.0.1", 101), ("/any", origin, 101), ("/named", None, 403)]
    async with serving(app) as server:
        for path, origin, status in wanted * 3:
            async with connect(server.port) as client:
                await client.send(handshake(path, origin=origin))
                assert (await client.response()).status == status


async def test_refusals_say_what_would_be_right() -> None:
    async with serving(app_of_all()) as server:
        async with connect(server.port) as client:
            await client.send(handshake("/echo", sec_websocket_version="8"))
            assert (await client.response()).headers["sec-websocket-version"] == "13"
        async with connect(server.port) as client:
            response = await client.get("/echo")
            assert response.headers["upgrade"] == "websocket"
            assert "upgrade" in response.headers["connection"].lower()
        async with connect(server.port) as client:
            assert "GET" in (await client.get("/hello", "DELETE")).headers["allow"]
        async with connect(server.port) as client:
            await client.send(handshake("/full"))
            assert int((await client.response()).headers["retry-after"]) > 0
        async with connect(server.port) as client:
            await client.send(handshake("/refusing"))
            response = await client.response()
            assert (response.body, response.headers["x-why"]) == (b"members only", "members")


class BadAccept:
    """Decisions of ``connect`` that can't be carried out."""

    values = (
        "yes",
        False,
        Accept(subprotocol="chat"),
        Accept(subprotocol=5),  # type: ignore[arg-type]
        Accept(headers={"X-A": "a\r\nX-B: b"}),
        Accept(headers={"X-A": 5}),  # type: ignore[dict-item]
        Accept(headers={"Upgrade": "h2c"}),
        Accept(headers=5),  # type: ignore[arg-type]
        Reject(403, "no", {"X-A": "a\nb"}),
        Reject(403, "no", {"X-A": 5}),  # type: ignore[dict-item]
        Reject(403, 5),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("behaviour", [Answering, AnsweringAsync])
async def test_nonsense_from_connect_is_a_500_and_nothing_else(behaviour: type[Answering]) -> None:
    app = App()
    app.websocket("/echo", Echo)
    for number, value in enumerate(BadAccept.values):
        app.websocket(f"/{number}", behaviour(value))
    async with serving(app) as server, open_client(server.port, "/echo") as bystander:
        for number, value in enumerate(BadAccept.values):
            async with connect(server.port) as client:
                await client.send(handshake(f"/{number}"))
                assert (await client.response()).status == 500, value
        await bystander.echo("still here")
        assert len(server.all(events.HandlerCrashed)) == len(BadAccept.values)
        assert len(server.served.runtime.supervisor) == 1


async def test_a_head_that_takes_too_long_is_408() -> None:
    async with serving(Echo, handshake_timeout=0.05) as server, connect(server.port) as client:
        await client.send(handshake()[:-3])
        assert (await client.response()).status == 408
        assert await client.rest() == b""


async def test_a_body_that_takes_too_long_is_408() -> None:
    app = App()
    app.http("/", lambda request: "x", methods=["POST"])
    async with serving(app, handshake_timeout=0.05, handler_timeout=0.05) as server, connect(server.port) as client:
        await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab")
        assert (await client.response()).status == 408


async def test_a_client_that_says_nothing_is_let_go() -> None:
    async with serving(Echo, handshake_timeout=0.05) as server, connect(server.port) as client:
        assert await client.rest() == b""
        # Although its own side is still open: nothing was said that could be lost.
        await server.no_wires()
        assert server.all(events.HandshakeRefused) == []


async def test_an_async_connect_that_takes_too_long_is_503() -> None:
    async with serving(Waiting, handler_timeout=0.05) as server, connect(server.port) as client:
        await client.send(handshake())
        response = await client.response()
        assert response.status == 503
        assert "retry-after" in response.headers
        assert len(server.served.runtime.supervisor) == 0


async def test_a_client_that_vanishes_during_an_async_connect_leaves_nothing() -> None:
    began, cancelled = trio.Event(), trio.Event()

    class Vanished(Echo):
        async def connect(self, conn: Any) -> None:
            began.set()
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

    async with serving(Vanished) as server:
        async with connect(server.port) as client:
            await client.send(handshake())
            with trio.fail_after(SECONDS):
                await began.wait()
            client.reset()
        with trio.fail_after(SECONDS):
            await cancelled.wait()
        await server.no_wires()


async def test_nothing_behind_a_refused_handshake_is_looked_at() -> None:
    asked: list[str] = []
    app = app_of_all()
    app.http("/asked", lambda request: asked.append("asked"))
    async with serving(app) as server, connect(server.port) as client:
        await client.send(handshake("/refusing") + b"GET /asked HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await client.response()).status == 403
        assert await client.rest() == b""
        assert asked == []


async def test_what_comes_behind_an_upgrade_is_never_taken_for_a_request() -> None:
    asked: list[str] = []
    app = app_of_all()
    app.http("/asked", lambda request: asked.append("asked"))
    async with serving(app) as server, connect(server.port) as client:
        await client.send(handshake("/echo") + b"GET /asked HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await client.head()).status == 101
        assert (await client.closed())[0] == 1002
        assert asked == []


# Handshakes that succeed


@pytest.mark.parametrize("count", [1, 300, 2000])
@pytest.mark.parametrize("behaviour", [Answering(None), AnsweringAsync(None)], ids=["def", "async def"])
async def test_frames_in_the_segment_of_the_request_are_answered(behaviour: Websocket, count: int) -> None:
    """More of them than one tick takes (256), and nothing that comes later to wake the server up."""
    async with serving(behaviour) as server, connect(server.port) as client:
        await client.send(handshake() + b"".join(frame(TEXT, b"%d" % n) for n in range(count)))
        assert (await client.head()).status == 101
        for n in range(count):
            assert await client.message() == str(n)


@pytest.mark.parametrize("behaviour", [Answering(None), AnsweringAsync(None)], ids=["def", "async def"])
async def test_request_and_frames_may_come_byte_by_byte(behaviour: Websocket) -> None:
    async with serving(behaviour) as server, connect(server.port) as client:
        for byte in handshake() + frame(TEXT, b"he", fin=False) + frame(0, b"llo"):
            await client.send(bytes([byte]))
        assert (await client.head()).status == 101
        assert await client.message() == "hello"


async def test_frames_of_init_are_the_first_behind_the_101() -> None:
    class Greeting(Echo):
        def init(self, conn: Any) -> Any:
            return None, ["welcome", "again"]

    async with serving(Greeting) as server, connect(server.port) as client:
        await client.send(handshake() + frame(TEXT, b"early"))
        assert (await client.head()).status == 101
        assert [await client.message() for _ in range(3)] == ["welcome", "again", "early"]


async def test_300_connections_leave_no_descriptor() -> None:
    async with serving(Echo) as server:
        before = descriptors()
        for number in range(300):
            async with open_client(server.port) as client:
                if number % 3 == 0:
                    await client.close()
                elif number % 3 == 1:
                    client.reset()
        await server.no_wires()
        assert descriptors() == before
        assert len(server.all(events.ActorEnded)) == 300


# Plain HTTP


async def slow_echo(request: Any) -> bytes:
    await trio.lowlevel.checkpoint()
    return bytes(request.body)


async def pieces(count: int, size: int = 10) -> AsyncIterator[bytes]:
    for n in range(count):
        yield b"%d" % (n % 10) * size


def http_app() -> App:
    app = App()
    app.websocket("/ws", Echo)
    app.http("/hello", lambda request: "hello", methods=["GET", "HEAD"])
    app.http("/body", lambda request: request.body, methods=["POST"])
    app.http("/slow-body", slow_echo, methods=["POST"])
    app.http("/pieces", lambda request: Response(pieces(5)), methods=["GET", "HEAD"])
    app.http("/json", lambda request: request.json(), methods=["POST"])

    @app.http("/raises")
    def raises(request: Any) -> None:
        raise RuntimeError("secret detail")

    @app.http("/raises-async")
    async def raises_async(request: Any) -> None:
        raise SystemExit("secret detail")

    @app.http("/exits")
    def exits(request: Any) -> None:
        raise SystemExit(3)

    @app.http("/nonsense")
    def nonsense(request: Any) -> object:
        return object()

    @app.http("/never")
    async def never(request: Any) -> None:
        await trio.sleep_forever()

    return app


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with serving(http_app()) as server, connect(server.port) as client:
        for _ in range(3):
            response = await client.get("/hello")
            assert (response.status, response.body) == (200, b"hello")
        head = await client.get("/hello", "HEAD")
        assert (head.headers["content-length"], head.body) == ("5", b"")
        assert (await client.get("/pieces")).body == b"".join([b"%d" % n * 10 for n in range(5)])
        assert (await client.get("/pieces", "HEAD")).headers["transfer-encoding"] == "chunked"
        assert (await client.get("/slow-body", "POST", b"abc")).body == b"abc"
        assert (await client.upgrade("/ws")).status == 101
        await client.echo("a WebSocket on a connection that has served requests")


async def test_connection_close_is_honoured() -> None:
    async with serving(http_app()) as server, connect(server.port) as client:
        await client.send(b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert (await client.response()).headers["connection"] == "close"
        assert await client.rest() == b""


async def test_an_http_1_0_client_gets_a_body_that_ends_with_the_connection() -> None:
    async with serving(http_app()) as server, connect(server.port) as client:
        await client.send(b"GET /pieces HTTP/1.0\r\n\r\n")
        assert "transfer-encoding" not in (await client.head()).headers
        assert len(await client.rest()) == 50


async def test_pipelined_requests_are_answered_in_order() -> None:
    requests = [
        b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST /slow-body HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
        b"GET /pieces HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n",
    ]
    async with serving(http_app()) as server, connect(server.port) as client:
        await client.send(b"".join(requests * 20))
        for _ in range(20):
            bodies = [(await client.response()).body for _ in range(4)]
            assert bodies == [b"hello", b"abc", b"00000000001111111111222222222233333333334444444444", b"def"]


async def test_an_upgrade_behind_pipelined_requests_succeeds() -> None:
    async with serving(http_app()) as server, connect(server.port) as client:
        await client.send(b"POST /slow-body HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc" + handshake("/ws"))
        await client.send(b"".join(frame(TEXT, b"%d" % n) for n in range(600)))
        assert (await client.response()).body == b"abc"
        assert (await client.head()).status == 101
        assert [await client.message() for _ in range(600)] == [str(n) for n in range(600)]


async def test_a_bad_request_behind_a_good_one_gets_its_status_after_the_answer() -> None:
    for first in (b"GET /hello", b"GET /pieces"):
        async with serving(http_app()) as server, connect(server.port) as client:
            await client.send(first + b" HTTP/1.1\r\nhost: a\r\n\r\n" + b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
            assert (await client.response()).status == 200
            assert (await client.response()).status == 400
            assert not server.all(events.HandlerCrashed)


async def test_100_continue_is_sent_once_and_before_the_body() -> None:
    async with serving(http_app()) as server, connect(server.port) as client:
        for _ in range(2):
            await client.send(b"POST /body HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
            assert (await client.response()).status == 100
            await client.send(b"ab")
            await client.send(b"cd")
            assert (await client.response()).body == b"abcd"


async def test_a_body_that_would_be_too_large_is_not_asked_for() -> None:
    async with serving(http_app(), max_body_size=10) as server, connect(server.port) as client:
        await client.send(b"POST /body HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 11\r\n\r\n")
        assert (await client.response()).status == 413


@pytest.mark.parametrize("path", ["/raises", "/raises-async", "/exits", "/nonsense"])
async def test_a_handler_that_fails_is_a_500_and_the_next_connection_is_fine(path: str) -> None:
    async with serving(http_app()) as server:
        async with connect(server.port) as client:
            response = await client.get(path)
            assert response.status == 500
            assert b"secret" not in response.body
        assert server.all(events.HandlerCrashed)[0].path == path
        async with connect(server.port) as client:
            assert (await client.get("/hello")).body == b"hello"


async def test_a_handler_may_refuse_what_it_was_sent() -> None:
    async with serving(http_app()) as server, connect(server.port) as client:
        assert (await client.get("/json", "POST", b"{")).status == 400
        assert not server.all(events.HandlerCrashed)


async def test_a_refusal_with_headers_that_can_not_be_sent_is_a_500() -> None:
    app = App()

    @app.http("/")
    def refuses(request: Any) -> None:
        raise HandshakeError(401, "no", [("X-A", "a\r\nX-B: b")])

    async with serving(app) as server, connect(server.port) as client:
        response = await client.get("/")
        assert (response.status, "x-b" in response.headers) == (500, False)
        assert await client.rest() == b""
        (crashed,) = server.all(events.HandlerCrashed)
        assert isinstance(crashed.exception, ValueError)
        server.events.clear()


async def test_a_refusal_of_head_has_no_body() -> None:
    async with serving(http_app()) as server, connect(server.port) as client:
        head = await client.get("/nowhere", "HEAD")
        assert (head.status, await client.rest()) == (404, b"")
        assert int(head.headers["content-length"]) > 0


async def test_a_handler_that_takes_too_long_is_503() -> None:
    async with serving(http_app(), handler_timeout=0.05) as server, connect(server.port) as client:
        response = await client.get("/never")
        assert response.status == 503
        assert "retry-after" in response.headers


async def test_a_handler_in_a_nursery_that_takes_too_long_is_503_too() -> None:
    app = App()

    @app.http("/")
    async def never(request: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(trio.sleep_forever)

    async with serving(app, handler_timeout=0.05) as server, connect(server.port) as client:
        assert (await client.get("/")).status == 503


async def test_an_idle_connection_is_closed_in_good_order() -> None:
    async with serving(http_app(), keep_alive_timeout=0.05) as server, connect(server.port) as client:
        assert (await client.get("/hello")).status == 200
        with trio.fail_after(SECONDS):
            assert await client.stream.receive_some(1) == b"", "the end, not a reset"


async def test_a_client_that_vanishes_takes_its_handler_with_it() -> None:
    began, cancelled = trio.Event(), trio.Event()
    app = App()

    @app.http("/")
    async def never(request: Any) -> None:
        began.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with serving(app) as server:
        async with connect(server.port) as client:
            await client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            with trio.fail_after(SECONDS):
                await began.wait()
            client.reset()
        with trio.fail_after(SECONDS):
            await cancelled.wait()
        await server.no_wires()


# Answers larger than the client takes


class Source:
    """An endless body that counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0
        self.ended = trio.Event()

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.taken += 10_000
                yield bytes(10_000)
        finally:
            self.ended.set()


async def test_a_body_that_breaks_its_promise_is_cut_short() -> None:
    """Too short, too long, not bytes, raised in the middle: never an answer that looks whole."""
    app = App()

    async def body(*given: Any) -> AsyncIterator[Any]:
        for piece in given:
            if piece is None:
                raise RuntimeError("in the middle")
            yield piece

    bad = {"short": (b"ab",), "long": (b"abcd", b"efg"), "text": (b"ab", "cd"), "raises": (b"ab", None)}
    for name, given in bad.items():
        app.http(f"/{name}", lambda request, given=given: Response(body(*given), content_length=5))
        app.http(f"/chunked-{name}", lambda request, given=given: Response(body(*given)))
    async with serving(app) as server:
        for name in [*bad, "chunked-text", "chunked-raises"]:
            async with connect(server.port) as client:
                await client.send(f"GET /{name} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
                came = await client.rest()
                assert len(came.partition(b"\r\n\r\n")[2]) != 5
                assert b"0\r\n\r\n" not in came
        assert len(server.all(events.HandlerCrashed)) == 6
        await server.no_wires()


async def settled(source: Source) -> int:
    """What was taken when nothing more is taken."""
    before = -1
    while before != source.taken:
        before = source.taken
        await trio.testing.wait_all_tasks_blocked(0.05)
    return before


async def test_a_streaming_body_goes_no_faster_than_its_client_and_ends_with_it() -> None:
    source, app = Source(), App()
    app.http("/", lambda request: Response(source.pieces()))
    async with serving(app) as server:
        async with connect(server.port, receive_buffer=65536) as client:
            await client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (await client.head()).status == 200
            first = await settled(source)
            assert first < 8_000_000, "what the kernel and 64 KiB hold"
            await client.read(first)
            assert await settled(source) > first
        with trio.fail_after(SECONDS):
            await source.ended.wait()
        await server.no_wires()


async def test_a_client_that_pipelines_and_never_reads_is_not_answered_without_bound() -> None:
    """An answer of 1 MiB to each of 2500 requests, which fit into one read, would be 2.5 GB."""
    answered = 0
    app = App()

    @app.http("/")
    def large(request: Any) -> bytes:
        nonlocal answered
        answered += 1
        return bytes(1 << 20)

    requests = 60
    async with serving(app) as server, connect(server.port, receive_buffer=65536) as client:
        await client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * requests)
        assert (await client.head()).status == 200
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert answered < 20
        await client.read(1 << 20)
        for _ in range(requests - 1):
            assert len((await client.response()).body) == 1 << 20
        assert answered == requests


async def test_a_flood_of_pipelined_requests_leaves_others_their_turn() -> None:
    """Handlers of one connection don't run 2000 times in a row: the other client is served in between."""
    order: list[str] = []
    app = App()
    app.http("/flood", lambda request: order.append("flood"))
    app.http("/other", lambda request: order.append("other"))
    async with serving(app) as server, connect(server.port) as flood, connect(server.port) as other:
        assert (await flood.get("/flood")).status == (await other.get("/other")).status == 204
        order.clear()
        await other.send(b"GET /other HTTP/1.1\r\nhost: a\r\n\r\n")
        await flood.send(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n" * 1500)
        await other.send(b"GET /other HTTP/1.1\r\nhost: a\r\n\r\n" * 2)
        for _ in range(3):
            assert (await other.response()).status == 204
        for _ in range(1500):
            assert (await flood.response()).status == 204
        assert len(order) == 1503
        last = max(n for n, who in enumerate(order) if who == "other")
        assert last < 1000


# Files, and clients that others wrote


async def in_thread(server: Server, work: Any) -> Any:
    return await trio.to_thread.run_sync(work, server.port, abandon_on_cancel=True)


async def test_files_are_served_whole_and_in_parts(tmp_path: Path) -> None:
    large = b"0123456789" * 500_000
    (tmp_path / "large.bin").write_bytes(large)
    (tmp_path / "index.html").write_text("<p>hello")
    app = App()
    app.static("/", tmp_path)

    def fetch(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        connection.request("GET", "/large.bin")
        assert connection.getresponse().read() == large
        connection.request("GET", "/large.bin", headers={"Range": "bytes=10-19"})
        response = connection.getresponse()
        assert (response.status, response.read()) == (206, b"0123456789")
        connection.request("HEAD", "/large.bin")
        response = connection.getresponse()
        assert (response.headers["content-length"], response.read()) == (str(len(large)), b"")
        connection.close()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=SECONDS) as page:
            assert (page.headers["content-type"], page.read()) == ("text/html; charset=utf-8", b"<p>hello")

    async with serving(app) as server:
        await in_thread(server, fetch)


async def test_http_client_gets_along() -> None:
    def use(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        for _ in range(2):
            connection.request("POST", "/body", body=iter([b"ab", b"cd"]), encode_chunked=True)
            assert connection.getresponse().read() == b"abcd"
            connection.request("GET", "/pieces")
            assert len(connection.getresponse().read()) == 50
        connection.request("GET", "/nowhere")
        assert connection.getresponse().status == 404
        connection.close()

    async with serving(http_app()) as server:
        await in_thread(server, use)


async def test_a_client_that_has_ended_its_side_gets_its_answer() -> None:
    async with serving(http_app()) as server, connect(server.port) as client:
        await client.send(b"POST /slow-body HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc")
        assert isinstance(client.stream, trio.SocketStream)
        await client.stream.send_eof()
        assert (await client.response()).body == b"abc"
        assert await client.rest() == b""


async def test_a_half_sent_request_and_the_end_leave_nothing() -> None:
    async with serving(http_app()) as server:
        for part in (b"", b"GE", handshake()[:40], b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab"):
            async with connect(server.port) as client:
                await client.send(part)
                assert isinstance(client.stream, trio.SocketStream)
                await client.stream.send_eof()
                await client.rest()
        await server.no_wires()


async def drip(client: Client, data: bytes) -> None:
    for start in range(0, len(data), 7):
        await client.send(data[start : start + 7])
        await trio.lowlevel.checkpoint()


async def test_a_request_in_small_pieces_on_a_kept_connection_is_answered() -> None:
    async with serving(http_app()) as server, connect(server.port) as client:
        for _ in range(3):
            await drip(client, b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\n" + b"x" * 20)
            assert (await client.response()).body == b"x" * 20


async def test_what_has_come_in_time_and_is_still_to_be_read_is_waited_for_but_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a client that always has something to say could stay for ever."""
    monkeypatch.setattr("actorws.io.socket_wire.SocketWire.has_input", lambda wire: True)
    async with serving(Echo, handshake_timeout=0.1) as server, connect(server.port) as client:
        began = trio.current_time()
        await client.send(handshake()[:10])
        assert (await client.response()).status == 408
        assert 0.2 <= trio.current_time() - began < 5
