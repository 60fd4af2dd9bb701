"""Lifespans of mounted apps: begun before the server accepts, over behind its last connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from actorws import App, UsageError, serve, testing
from actorws.events import BackgroundCrashed
from tests.support.asgi import hello
from tests.support.serving import serving
from tests.support.wire import connect


class Living:
    """An app that notes what happens to it; ``startup`` and ``shutdown`` are what it does then."""

    def __init__(
        self,
        startup: Callable[[Any], Awaitable[None]] | None = None,
        shutdown: Callable[[Any], Awaitable[None]] | None = None,
    ) -> None:
        self.log: list[str] = []
        self.states: list[Any] = []
        self.startup, self.shutdown = startup, shutdown

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.log.append("request")
            self.states.append(scope.get("state"))
            await hello(scope, receive, send)
            return
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.0"}
        assert await receive() == {"type": "lifespan.startup"}
        scope["state"].update(shared=self.log)
        self.log.append("startup")
        await (self.startup or complete("startup"))(send)
        assert await receive() == {"type": "lifespan.shutdown"}
        self.log.append("shutdown")
        await (self.shutdown or complete("shutdown"))(send)


def complete(what: str) -> Callable[[Any], Awaitable[None]]:
    async def send_it(send: Any) -> None:
        await send({"type": f"lifespan.{what}.complete"})

    return send_it


def failed(what: str, message: str) -> Callable[[Any], Awaitable[None]]:
    async def send_it(send: Any) -> None:
        await send({"type": f"lifespan.{what}.failed", "message": message})
        raise LookupError("the cause")

    return send_it


def app_of(*mounted: Any) -> App:
    app = App()
    for number, each in enumerate(mounted):
        app.mount(f"/{number}", each)
    return app


async def test_the_server_accepts_behind_the_startup_and_shuts_the_app_down_behind_its_connections() -> None:
    living = Living()
    async with serving(app_of(living)) as server:
        assert living.log == ["startup"]
        async with connect(server.port) as client:
            await client.get("/0")
        assert living.log == ["startup", "request"]
    assert living.log == ["startup", "request", "shutdown"]


async def test_in_memory_it_is_the_same() -> None:
    living = Living()
    async with testing.open_app(app_of(living)) as server:
        await server.request("GET", "/0")
    assert living.log == ["startup", "request", "shutdown"]


async def test_each_request_gets_a_copy_of_the_state() -> None:
    living = Living()
    async with testing.open_app(app_of(living)) as server:
        await server.request("GET", "/0")
        living.states[0]["own"] = True
        await server.request("GET", "/0")
    assert living.states[1] == {"shared": living.log} and living.states[1]["shared"] is living.log


async def test_an_app_that_is_mounted_twice_lives_once() -> None:
    living = Living()
    async with testing.open_app(app_of(living, living)) as server:
        await server.request("GET", "/1")
    assert living.log == ["startup", "request", "shutdown"]


async def test_apps_are_shut_down_in_the_opposite_order() -> None:
    order = []

    def noting(name: str) -> Living:
        async def shutdown(send: Any) -> None:
            order.append(name)
            await complete("shutdown")(send)

        return Living(shutdown=shutdown)

    async with testing.open_app(app_of(noting("first"), noting("second"))):
        pass
    assert order == ["second", "first"]


@pytest.mark.parametrize("asks", [True, False])
async def test_an_app_that_knows_no_lifespan_is_served_without(asks: bool) -> None:
    states = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" and asks:
            await receive()
        assert scope["type"] == "http"
        states.append("state" in scope)
        await hello(scope, receive, send)

    async with testing.open_app(app_of(app)) as server:
        assert (await server.request("GET", "/0")).text() == "hello"
    assert states == [False]


async def test_a_server_whose_app_fails_at_its_startup_does_not_start() -> None:
    before, living = Living(), Living(startup=failed("startup", "no database"))
    with pytest.raises(UsageError, match="the app mounted at '/1' failed at its startup: no database") as caught:
        await serve(app_of(before, living), port=0)
    assert isinstance(caught.value.__cause__, LookupError)
    assert before.log == ["startup", "shutdown"]


async def test_in_memory_it_does_not_start_either() -> None:
    with pytest.raises(UsageError, match="no database"):
        async with testing.open_app(app_of(Living(startup=failed("startup", "no database")))):
            pytest.fail("it was served")


async def test_a_failed_shutdown_is_told() -> None:
    living = Living(shutdown=failed("shutdown", "it hangs"))
    seen: list[Any] = []
    with pytest.raises(ExceptionGroup):
        async with testing.open_app(app_of(living), on_event=seen.append) as server:
            await server.request("GET", "/0")
        server._seen.raise_crashes()
    assert [str(event.exception) for event in seen if isinstance(event, BackgroundCrashed)] == ["it hangs", "the cause"]


async def test_an_app_whose_lifespan_breaks_in_between_is_served_on_and_told() -> None:
    async def startup(send: Any) -> None:
        await complete("startup")(send)
        raise LookupError

    living = Living(startup=startup)
    async with testing.open_app(app_of(living), crashes="ignore") as server:
        crash = await server.wait_event(BackgroundCrashed)
        assert crash.name == "the app mounted at '/0'" and isinstance(crash.exception, LookupError)
        assert (await server.request("GET", "/0")).status == 200


async def test_a_shutdown_that_hangs_is_cut_in_time(autojump_clock: Any) -> None:
    async def shutdown(send: Any) -> None:
        await trio.sleep_forever()

    began = trio.current_time()
    async with testing.open_app(app_of(Living(shutdown=shutdown))):
        pass
    assert 9 < trio.current_time() - began < 15


async def test_cancelled_the_server_still_shuts_its_apps_down(autojump_clock: Any) -> None:
    async def shutdown(send: Any) -> None:
        await trio.sleep(1)
        await complete("shutdown")(send)
        living.log.append("complete")

    living = Living(shutdown=shutdown)
    with trio.move_on_after(1):
        async with testing.open_app(app_of(living)):
            await trio.sleep_forever()
    assert living.log == ["startup", "shutdown", "complete"]


async def test_an_app_that_asks_on_and_on_holds_nothing_up() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await send({"type": (await receive())["type"] + ".complete"})

    with trio.fail_after(8):
        async with testing.open_app(app_of(app)):
            pass


@pytest.mark.parametrize("kind", ["lifespan.shutdown.complete", "lifespan.sideways"])
async def test_a_message_out_of_order_raises_for_the_app(kind: str) -> None:
    raised = []

    async def startup(send: Any) -> None:
        try:
            await send({"type": kind})
        except RuntimeError as error:
            raised.append(str(error))
        await complete("startup")(send)

    async with testing.open_app(app_of(Living(startup=startup))):
        assert raised == [f"the app sent {kind!r} out of order"]
