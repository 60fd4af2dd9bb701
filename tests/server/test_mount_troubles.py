"""Mounted ASGI apps that fail, take their time or go on behind their answer, and clients of theirs that go."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws.events import HandlerCrashed, HandshakeRefused, ResponseCut
from tests.support.asgi import GET, START, app_of, body, client_of, failing, forever, hello, mounted
from tests.support.serving import serving
from tests.support.wire import SECONDS, connect

# Trouble


async def test_an_app_that_raises_before_its_answer_is_a_500_that_tells_nothing() -> None:
    async with serving(app_of(failing)) as server, connect(server.port) as client:
        response = await client.get("/m")
        assert (response.status, response.body) == (500, b"internal server error\n")
        (crash,) = await server.seen(HandlerCrashed)
        assert crash.path == "/m" and isinstance(crash.exception, LookupError)


async def test_an_app_that_raises_behind_its_start_is_a_500_as_long_as_nothing_has_left() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        raise LookupError

    async with mounted(app, crashes="ignore") as server:
        assert (await server.request("GET", "/m")).status == 500


@pytest.mark.parametrize("fails", [True, False])
async def test_an_answer_that_was_begun_and_not_finished_is_cut(fails: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"half", more=True))
        if fails:
            raise LookupError

    async with serving(app_of(app)) as server, connect(server.port) as client:
        await client.send(GET)
        assert b"0\r\n\r\n" not in await client.rest()
        (crash,) = await server.seen(HandlerCrashed)
        assert isinstance(crash.exception, LookupError if fails else RuntimeError)


async def test_an_app_that_returns_without_an_answer_is_a_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    async with mounted(app, crashes="ignore") as server:
        assert (await server.request("GET", "/m")).status == 500
        assert "returned" in str((await server.wait_event(HandlerCrashed)).exception)


async def test_a_message_out_of_order_raises_for_the_app_which_may_go_on() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(RuntimeError):
            await send(body())
        await hello(scope, receive, send)
        with pytest.raises(RuntimeError):
            await send(body())

    async with mounted(app) as server:
        assert (await server.request("GET", "/m")).text() == "hello"


async def test_an_app_that_exits_costs_its_own_request_only() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/m/exit":
            raise SystemExit(3)
        await hello(scope, receive, send)

    async with mounted(app, crashes="ignore") as server:
        assert (await server.request("GET", "/m/exit")).status == 500
        assert (await server.request("GET", "/m")).status == 200


# Time


async def test_an_app_has_the_handler_timeout_to_begin_its_answer(autojump_clock: Any) -> None:
    async with mounted(forever, handler_timeout=7) as server:
        began = trio.current_time()
        assert (await server.request("GET", "/m")).status == 503
        assert trio.current_time() - began == pytest.approx(7, abs=0.5)
        assert (await server.wait_event(HandshakeRefused)).limit == "handler_timeout"


async def test_the_client_is_told_in_time_of_an_app_that_cant_be_cancelled(autojump_clock: Any) -> None:
    go_on = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with trio.CancelScope(shield=True):
            await go_on.wait()
            await hello(scope, receive, send)

    async with mounted(app, handler_timeout=7) as server:
        assert (await server.request("GET", "/m")).status == 503
        go_on.set()


async def test_a_stream_that_is_silent_for_hours_goes_on(autojump_clock: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"now", more=True))
        await trio.sleep(10_000)
        await send(body(b"later", more=True))
        await trio.sleep(10_000)
        await send(body(b""))

    async with mounted(app, handler_timeout=7) as server:
        assert (await server.request("GET", "/m")).body == b"nowlater"


async def test_a_client_that_takes_nothing_of_a_stream_is_cut_in_time(autojump_clock: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        while True:
            await send(body(bytes(50_000), more=True))

    async with mounted(app, handler_timeout=7) as server:
        stream = server.open_stream()
        await stream.send_all(GET)
        cut = await server.wait_event(ResponseCut, timeout=20)
        assert cut.limit == "handler_timeout"


async def test_a_client_that_takes_a_large_piece_slowly_is_not_cut(autojump_clock: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(bytes(1_000_000), more=True))
        await send(body())

    async with mounted(app, handler_timeout=7) as server:
        stream = server.open_stream()
        await stream.send_all(GET)
        came = 0
        while came < 1_000_000:
            await trio.sleep(3)
            came += len(await stream.receive_some(64 * 1024))
        await stream.aclose()


# The client goes


@pytest.mark.parametrize("began", [True, False])
async def test_an_app_whose_client_has_gone_is_told_and_not_cancelled(began: bool) -> None:
    waiting, done = trio.Event(), trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if began:
            await send(START)
            await send(body(b"first", more=True))
        waiting.set()
        assert await receive() == {"type": "http.disconnect"}
        await trio.sleep(0.01)
        done.set()

    async with serving(app_of(app)) as server:
        async with connect(server.port) as client:
            await client.send(GET)
            await waiting.wait()
        with trio.fail_after(SECONDS):
            await done.wait()
        await server.no_wires()
        assert not server.all(HandlerCrashed)


async def test_to_send_a_piece_to_a_client_that_has_gone_raises_and_is_no_crash() -> None:
    gone, raised = trio.Event(), trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"first", more=True))
        await gone.wait()
        try:
            while True:
                await send(body(b"x" * 1000, more=True))
        except OSError:
            raised.set()
            raise

    async with serving(app_of(app)) as server:
        async with connect(server.port) as client:
            await client.send(GET)
            await client.head()
            client.reset()
        await server.no_wires()
        gone.set()
        with trio.fail_after(SECONDS):
            await raised.wait()
        await wait_all_tasks_blocked()
        assert not server.all(HandlerCrashed)


async def test_an_app_that_waits_in_send_hears_that_its_client_has_gone() -> None:
    raised = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(body(bytes(100_000), more=True))
        except OSError:
            raised.set()

    async with serving(app_of(app)) as server:
        async with connect(server.port, receive_buffer=4096) as client:
            await client.send(GET)
            await client.head()
            client.reset()
        with trio.fail_after(SECONDS):
            await raised.wait()


async def test_who_waits_in_send_hears_it_at_once(autojump_clock: Any) -> None:
    raised = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(body(bytes(100_000), more=True))
        except OSError:
            raised.append(trio.current_time())

    async with mounted(app) as server:
        stream = server.open_stream()
        await stream.send_all(GET)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        stream.reset()  # type: ignore[attr-defined]
        await trio.sleep(10)
        assert [at - began for at in raised] == [pytest.approx(0, abs=1)]


async def test_a_whole_answer_to_a_client_that_has_gone_is_no_error() -> None:
    gone, done = trio.Event(), trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await gone.wait()
        await hello(scope, receive, send)
        done.set()

    async with serving(app_of(app)) as server:
        async with connect(server.port) as client:
            await client.send(GET)
            client.reset()
        await server.no_wires()
        gone.set()
        with trio.fail_after(SECONDS):
            await done.wait()


async def test_an_app_that_does_not_care_that_its_client_has_gone_is_cancelled_in_time(autojump_clock: Any) -> None:
    cancelled = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(body(b"first", more=True))
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append(trio.current_time())

    async with mounted(app, handler_timeout=7) as server:
        stream = server.open_stream()
        await stream.send_all(GET)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        stream.reset()  # type: ignore[attr-defined]
        await trio.sleep(20)
        assert [at - began for at in cancelled] == [pytest.approx(7, abs=0.5)]


async def test_a_client_that_has_ended_its_side_only_still_gets_its_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()
        await hello(scope, receive, send)

    async with client_of(app) as client:
        await client.send(GET)
        assert isinstance(client.stream, trio.SocketStream)
        await client.stream.send_eof()
        assert (await client.rest()).endswith(b"\r\n\r\nhello")


async def test_an_app_that_stops_for_a_client_that_has_ended_its_side_is_no_crash() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(START)
        await send(body(b"first", more=True))
        await receive()

    async with serving(app_of(app)) as server, connect(server.port) as client:
        await client.send(GET)
        assert isinstance(client.stream, trio.SocketStream)
        await client.stream.send_eof()
        await client.rest()
        await server.no_wires()
        assert not server.all(HandlerCrashed)


async def test_what_is_read_behind_a_request_is_bounded() -> None:
    began = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        await trio.sleep_forever()

    async with mounted(app) as server:
        stream = server.open_stream()
        await stream.send_all(GET)
        await began.wait()
        taken = 0
        with trio.move_on_after(0.5) as scope:
            while True:
                await stream.send_all(bytes(10_000))
                taken += 10_000
        # What is read, one read more, and what the stream holds.
        assert scope.cancelled_caught and taken <= 4 * 64 * 1024


# Behind the answer


async def test_what_an_app_does_behind_its_answer_does_not_hold_the_connection(autojump_clock: Any) -> None:
    done = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        await trio.sleep(1000)
        done.append(scope["path"])

    async with mounted(app, handler_timeout=7) as server:
        began = trio.current_time()
        await server.request("GET", "/m/1")
        await server.request("GET", "/m/2")
        assert trio.current_time() - began < 1
        await trio.sleep(1001)
        assert sorted(done) == ["/m/1", "/m/2"]


async def test_a_crash_behind_the_answer_is_told_and_costs_nothing() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        raise LookupError

    async with serving(app_of(app)) as server, connect(server.port) as client:
        for _ in range(2):
            assert (await client.get("/m")).body == b"hello"
        assert {type(crash.exception) for crash in await server.seen(HandlerCrashed, 2)} == {LookupError}


async def test_a_shutdown_waits_for_what_is_done_behind_answers(autojump_clock: Any) -> None:
    ends = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        try:
            await trio.sleep(3 if scope["path"] == "/m/short" else 100)
            ends.append("finished")
        finally:
            ends.append("over")

    async with mounted(app, drain_timeout=5) as server:
        await server.request("GET", "/m/short")
        await server.request("GET", "/m/long")
        began = trio.current_time()
        await server.shut_down()
        assert trio.current_time() - began == pytest.approx(5, abs=0.5)
        assert ends == ["finished", "over"]
    assert ends == ["finished", "over", "over"]


async def test_a_server_that_ends_cuts_answers_that_do_not(autojump_clock: Any) -> None:
    async with mounted(forever) as server:
        stream = server.open_stream()
        await stream.send_all(GET)
        await wait_all_tasks_blocked()
    assert not [event for event in server.events if isinstance(event, HandlerCrashed)]
