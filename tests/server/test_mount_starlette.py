"""A real framework below a prefix: Starlette, as its users have it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from actorws import App, Websocket, testing
from actorws.events import HandlerCrashed
from actorws.testing import MemoryServer
from tests.support.serving import serving
from tests.support.wire import SECONDS, Client, connect

# The poller and the stream driver: over TCP, and in memory.


@pytest.fixture(params=["tcp", "memory"])
async def get(request: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """Asks the app for a path on one connection for all."""
    (tmp_path / "page.html").write_bytes(b"<p>" + b"x" * 300_000)
    app = App()
    app.mount("/s", starlette(tmp_path))
    async with open_either(request.param, app) as client:

        async def get(path: str, method: str = "GET", body: bytes = b"") -> Any:
            with trio.fail_after(SECONDS):
                return await client.get(f"/s{path}", method, body)

        yield get


@asynccontextmanager
async def open_either(kind: str, app: App) -> AsyncIterator[Client]:
    if kind == "tcp":
        async with serving(app) as server, connect(server.port) as client:
            yield client
    else:
        async with testing.open_app(app, crashes="ignore") as memory:
            yield Client(memory.open_stream())


def starlette(folder: Path) -> Starlette:
    async def echo(request: Any) -> JSONResponse:
        return JSONResponse({"json": await request.json(), "url": str(request.url), "at": request.url_for("echo").path})

    async def cookies(request: Any) -> Response:
        response = PlainTextResponse("cookies")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    async def stream(request: Any) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(5):
                await trio.lowlevel.checkpoint()
                yield b"%d," % number

        return StreamingResponse(pieces())

    async def boom(request: Any) -> Response:
        raise LookupError("boom")

    def in_a_thread(request: Any) -> Response:
        return PlainTextResponse(request.path_params["name"])

    async def marked(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-marked"] = request.method
        return response

    return Starlette(
        routes=[
            Route("/echo", echo, methods=["POST"], name="echo"),
            Route("/cookies", cookies),
            Route("/stream", stream),
            Route("/boom", boom),
            Route("/thread/{name}", in_a_thread),
            Route("/none", lambda request: Response(status_code=204)),
            Route("/file", lambda request: FileResponse(folder / "page.html")),
            Route("/large", lambda request: PlainTextResponse("x" * 1_000_000)),
            Mount("/files", StaticFiles(directory=folder)),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=marked)],
    )


async def test_json_goes_in_and_out_and_urls_have_the_prefix(get: Any) -> None:
    response = await get("/echo?x=1", "POST", b'{"a": [1]}')
    assert response.status == 200
    assert response.body == b'{"json":{"a":[1]},"url":"http://a/s/echo?x=1","at":"/s/echo"}'


async def test_a_middleware_changes_headers(get: Any) -> None:
    assert (await get("/cookies")).headers["x-marked"] == "GET"


async def test_a_streamed_response_comes_whole(get: Any) -> None:
    response = await get("/stream")
    assert (response.headers["transfer-encoding"], response.body) == ("chunked", b"0,1,2,3,4,")


@pytest.mark.parametrize("path", ["/file", "/files/page.html"])
async def test_a_file_comes_whole(get: Any, path: str) -> None:
    response = await get(path)
    assert response.headers["content-length"] == "300003"
    assert response.body == b"<p>" + b"x" * 300_000
    assert response.headers["content-type"] == "text/html; charset=utf-8"


async def test_head_is_the_same_without_the_body(get: Any) -> None:
    head = await get("/file", "HEAD")
    assert (head.status, head.headers["content-length"], head.body) == (200, "300003", b"")
    assert (await get("/cookies")).body == b"cookies"


async def test_a_large_body_comes_whole(get: Any) -> None:
    assert len((await get("/large")).body) == 1_000_000


async def test_a_handler_in_a_thread_is_served(get: Any) -> None:
    assert (await get("/thread/ada")).body == b"ada"


async def test_no_content_has_none_and_the_connection_goes_on(get: Any) -> None:
    assert (await get("/none")).status == 204
    assert (await get("/cookies")).status == 200


async def test_what_is_not_there_is_the_frameworks_404_and_another_method_its_405(get: Any) -> None:
    assert ((await get("/nowhere")).status, (await get("/echo")).status) == (404, 405)


async def test_an_exception_is_the_frameworks_500_and_told() -> None:
    app = App()
    app.mount("/s", starlette(Path()))
    async with serving(app) as server, connect(server.port) as client:
        response = await client.get("/s/boom")
        assert (response.status, response.body) == (500, b"Internal Server Error")
        (crash,) = await server.seen(HandlerCrashed)
        assert "boom" in str(crash.exception)
        assert (await client.get("/s/cookies")).status == 200


async def test_each_cookie_has_a_line_of_its_own() -> None:
    app = App()
    app.mount("/s", starlette(Path()))
    async with serving(app) as server, connect(server.port) as client:
        await client.send(b"GET /s/cookies HTTP/1.1\r\nhost: a\r\n\r\n")
        head = await client.until(b"\r\n\r\n")
        assert head.count(b"set-cookie: a=1") == head.count(b"set-cookie: b=2") == 1


async def test_what_gzip_leaves_comes_whole() -> None:
    routes = [Route("/", lambda request: PlainTextResponse("x" * 10_000))]
    app = App()
    app.mount("/s", Starlette(routes=routes, middleware=[Middleware(GZipMiddleware)]))
    async with testing.open_app(app) as server:
        answer = await server.request("GET", "/s/", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip" and len(answer.body) < 1000


async def test_a_background_task_runs_behind_the_answer() -> None:
    go_on, done = trio.Event(), trio.Event()

    async def task() -> None:
        await go_on.wait()
        done.set()

    async with open_memory(
        [Route("/", lambda request: PlainTextResponse("now", background=BackgroundTask(task)))]
    ) as server:
        assert (await server.request("GET", "/s/")).text() == "now"
        assert not done.is_set()
        go_on.set()
        with trio.fail_after(SECONDS):
            await done.wait()


async def test_a_silent_stream_hears_at_once_that_its_client_has_gone() -> None:
    ended = trio.Event()

    async def events() -> AsyncIterator[str]:
        try:
            yield "data: first\n\n"
            await trio.sleep_forever()
        finally:
            ended.set()

    app = App()
    app.mount("/s", Starlette(routes=[Route("/", lambda request: StreamingResponse(events()))]))
    async with serving(app) as server:
        async with connect(server.port) as client:
            await client.send(b"GET /s/ HTTP/1.1\r\nhost: a\r\n\r\n")
            await client.until(b"first")
        with trio.fail_after(SECONDS):
            await ended.wait()
        await server.no_wires()
        assert not server.all(HandlerCrashed)


async def test_a_silent_stream_outlives_the_handler_timeout(autojump_clock: Any) -> None:
    async def events() -> AsyncIterator[str]:
        for _ in range(3):
            yield "data: x\n\n"
            await trio.sleep(3600)

    async def stream(
        request: Any,
    ) -> StreamingResponse:  # a `def` runs in a thread, which virtual time doesn't wait for
        return StreamingResponse(events())

    async with open_memory([Route("/", stream)]) as server:
        assert (await server.request("GET", "/s/")).text() == "data: x\n\n" * 3


async def test_a_lifespan_leaves_its_state_for_requests() -> None:
    ended = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        yield {"name": "ada"}
        ended.append(True)

    routes = [Route("/", lambda request: PlainTextResponse(request.state.name))]
    async with open_memory(routes, lifespan) as server:
        assert (await server.request("GET", "/s/")).text() == "ada"
    assert ended == [True]


async def test_a_request_reaches_actors_through_the_runtime() -> None:
    class Listener(Websocket):
        async def init(self, conn: Any) -> Any:
            await conn.join("news")
            return None, []

        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any: ...

        def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
            return state, [message]

    async def announce(request: Any) -> JSONResponse:
        runtime = request.scope["extensions"]["actorws"]["runtime"]
        return JSONResponse(await runtime.group.publish("news", "hello"))

    app = App()
    app.websocket("/ws", Listener)
    app.mount("/s", Starlette(routes=[Route("/", announce, methods=["POST"])]))
    async with testing.open_app(app) as server:
        client = await server.connect("/ws")
        assert (await server.request("POST", "/s/")).text() == "1"
        assert await client.receive() == "hello"


@asynccontextmanager
async def open_memory(routes: list[Any], lifespan: Any = None) -> AsyncIterator[MemoryServer]:
    app = App()
    app.mount("/s", Starlette(routes=routes, lifespan=lifespan))
    async with testing.open_app(app) as server:
        yield server
