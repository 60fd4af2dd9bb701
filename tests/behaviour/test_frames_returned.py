"""What a callback may return, and what becomes of anything else."""

from __future__ import annotations

import pytest

from actorws import Close, Error, InvalidReturn, Ping, Pong, Stop, Websocket
from actorws.events import ActorCrashed, ActorEnded
from tests.support.behaviour_clients import together

FORMS = {
    "a list": (["a", b"b"], ["a", b"b"]),
    "a tuple": (("a", b"b"), ["a", b"b"]),
    "one str": ("ab", ["ab"]),
    "one bytes": (b"ab", [b"ab"]),
    "an empty str": ("", [""]),
    "empty bytes": (b"", [b""]),
    "an empty str in a list": ([""], [""]),
    "one bytearray": (bytearray(b"ab"), [b"ab"]),
    "one empty bytearray": (bytearray(), [b""]),
    "one memoryview": (memoryview(b"ab"), [b"ab"]),
    "a bytearray in a list": ([bytearray(b"ab")], [b"ab"]),
    "nothing": (None, []),
    "an empty list": ([], []),
    "an empty tuple": ((), []),
    "text outside ASCII": ("grüße \U0001f600", ["grüße \U0001f600"]),
    "the largest short frame": ("x" * 125, ["x" * 125]),
    "the smallest medium frame": (b"x" * 126, [b"x" * 126]),
    "a large frame": ("x" * 70_000, ["x" * 70_000]),
    "several large frames": ([b"x" * 20_000, b"y" * 70_000], [b"x" * 20_000, b"y" * 70_000]),
}


def returning(value, callback="handle_client_message"):
    """A behaviour one of whose callbacks returns ``value``, and the others a message that says that they ran."""

    class Returning(Websocket):
        def init(self, conn):
            return value if callback == "init" else ("good", None)

        def handle_client_message(self, state, conn, frame):
            if callback == "handle_client_message" and frame == "go":
                return value
            return state, "next"

        def handle_server_message(self, state, conn, message):
            return value if callback == "handle_server_message" else (state, "next")

    return Returning


async def set_off(client, callback):
    if callback == "handle_client_message":
        await client.send("go")
    elif callback == "handle_server_message":
        client.conn.send_after(0, "go")


CALLBACKS = ["init", "handle_client_message", "handle_server_message"]


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("form", FORMS)
async def test_each_form_of_frames(clock, serve, form, callback):
    frames, expected = FORMS[form]
    async with serve(returning(("good", frames), callback)) as server:
        client = await server.connect()
        await set_off(client, callback)
        got = [await client.receive() for _ in expected]
        await client.send("is that all?")
        assert [*got, await client.receive()] == [*expected, "next"]


@pytest.mark.websocket
async def test_control_frames_can_be_returned(clock, serve):
    async with serve(returning(("good", [Ping(b"1"), "text", Pong(b"2")]))) as server:
        client = await server.connect(automatic=False)
        await client.send("go")
        assert await client.receive() == "text"
        assert [await client.receive_control(), await client.receive_control()] == [Ping(b"1"), Pong(b"2")]


@pytest.mark.parametrize("close", [Close(4000, "enough"), [Close(4000, "enough")], ["a", Close(4000, "enough"), "b"]])
async def test_a_close_ends_the_connection_and_what_is_behind_it_is_not_sent(clock, serve, close):
    async with serve(returning(("last", close))) as server:
        client = await server.connect()
        await client.send("go")
        assert (await client.wait_closed()).code == 4000
        assert client.unread == (*(["a"] if isinstance(close, list) and "a" in close else []), Close(4000, "enough"))
        await server.wait_event(ActorEnded)
    assert server.journal.terminated == [("last", Stop())]


async def test_nothing_is_handled_behind_a_close(clock, serve):
    """Messages that were read together with the one that led to the Close are dropped."""
    async with serve(returning(("last", Close()))) as server:
        client = await server.connect()
        await together(client, "go", "never", "never")
        await client.wait_closed()
    assert [name for _, name in server.journal.calls] == ["init", "handle_client_message", "terminate"]


BAD = {
    "no tuple": "text",
    "None": None,
    "one item": ("state",),
    "three items": ("state", [], "more"),
    "a list": ["state", []],
}
BAD_FRAMES = {
    "an int": 1,
    "zero": 0,
    "False": False,
    "a dict": {"a": "b"},
    "an empty dict": {},
    "a set": {"a"},
    "a generator": (frame for frame in "a"),
    "an int in a list": ["sent?", 1],
    "None in a list": [None],
    "one int in a list": [0],
    "a list in a list": [["a"]],
}


async def assert_crash(server, client, callback, exception):
    assert await client.receive() == Close(1011)
    event = await server.wait_event(ActorCrashed)
    assert event.callback == callback
    assert isinstance(event.exception, exception)
    await client.wait_closed()
    return event.exception


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("value", BAD)
async def test_a_return_that_is_no_state_and_frames_is_a_crash(clock, serve, value, callback):
    async with serve(returning(BAD[value], callback), crashes="ignore") as server:
        client = await server.connect()
        await set_off(client, callback)
        error = await assert_crash(server, client, callback, InvalidReturn)
        assert f"Returning.{callback} must return (state, frames), not {BAD[value]!r}" in str(error)
    assert server.journal.terminated == [(None if callback == "init" else "good", Error(error))]


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("frames", BAD_FRAMES)
async def test_something_that_is_no_frame_is_a_crash_and_nothing_is_sent(clock, serve, frames, callback):
    """And the message names the callback, as it does for every invalid return."""
    async with serve(returning(("bad", BAD_FRAMES[frames]), callback), crashes="ignore") as server:
        client = await server.connect()
        await set_off(client, callback)
        error = await assert_crash(server, client, callback, InvalidReturn)
        assert f"Returning.{callback}" in str(error)
    assert server.journal.terminated == [(None if callback == "init" else "good", Error(error))]


async def test_an_awaitable_from_a_def_callback_is_an_invalid_return(clock, serve):
    """Somebody has forgotten to await."""

    class Forgetful(Websocket):
        def handle_client_message(self, state, conn, frame):
            forgotten.append(conn.join("group"))
            return forgotten[0]

    forgotten = []
    async with serve(Forgetful, crashes="ignore") as server:
        client = await server.connect()
        await client.send("go")
        error = await assert_crash(server, client, "handle_client_message", InvalidReturn)
        assert "coroutine" in str(error)
        forgotten[0].close()
