"""A callback that raises ends its own actor, and nothing else."""

from __future__ import annotations

import pytest

from actorws import Close, Error, Remote, Websocket
from actorws.events import ActorCrashed, TerminateFailed
from tests.support.behaviour_clients import together


class Boom(Exception):
    pass


def crashing(where, error):
    class Crashing(Websocket):
        def init(self, conn):
            if where == "init":
                raise error
            return "good", None

        def handle_client_message(self, state, conn, frame):
            if where == "handle_client_message" and frame == "go":
                raise error
            return "better" if frame == "go" else state, frame

        def handle_server_message(self, state, conn, message):
            raise error

    return Crashing


async def set_off(client, callback):
    if callback == "handle_client_message":
        await client.send("go")
    elif callback == "handle_server_message":
        client.conn.send_after(0, "go")


def no_traceback():
    """Exceptions of every kind that a callback can come up with."""
    return [
        Boom("boom"),
        BaseExceptionGroup("several", [Boom("one"), SystemExit(1)]),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        StopIteration(),
        RecursionError("deep"),
        MemoryError(),
    ]


@pytest.mark.parametrize("where", ["init", "handle_client_message", "handle_server_message"])
@pytest.mark.parametrize("number", range(8))
async def test_what_a_callback_raises_ends_its_actor_with_1011(clock, serve, where, number):
    error = no_traceback()[number]
    async with serve({"/bad": crashing(where, error), "/good": crashing("nowhere", error)}, crashes="ignore") as server:
        neighbour = await server.connect("/good")
        client = await server.connect("/bad")
        await set_off(client, where)
        assert await client.receive() == Close(1011)
        assert await client.wait_closed() == Remote(1011)
        crash = await server.wait_event(ActorCrashed)
        assert crash.callback == where
        await neighbour.send("still there?")
        assert await neighbour.receive() == "still there?"
        ((state, reason),) = server.journal.terminated
        assert state == (None if where == "init" else "good")
        assert isinstance(reason, Error)
        if not isinstance(error, StopIteration):  # becomes a RuntimeError in a coroutine (PEP 479)
            assert type(reason.exception) is type(error)
            assert reason.exception is crash.exception


async def test_the_state_before_the_crash_is_the_last_one_returned(clock, serve):
    """Messages of the same read that were handled before it count."""

    class Counter(Websocket):
        def init(self, conn):
            return 0, []

        def handle_client_message(self, count, conn, frame):
            if frame == "crash":
                raise Boom
            return count + 1, [str(count)]

    async with serve(Counter, crashes="ignore") as server:
        client = await server.connect()
        await together(client, "1", "2", "crash", "never")
        assert [await client.receive() for _ in range(3)] == ["0", "1", Close(1011)]
        await client.wait_closed()
    assert [state for state, _ in server.journal.terminated] == [2]


async def test_a_behaviour_says_which_close_code_an_exception_has(clock, serve):
    """That of the nearest base class counts; other exceptions have 1011."""

    class Mapped(Websocket):
        close_codes = {LookupError: 4004, KeyError: 4005, Exception: 4000}

        def handle_client_message(self, state, conn, frame):
            raise {"key": KeyError, "index": IndexError, "boom": Boom, "exit": SystemExit}[frame]

    async with serve(Mapped, crashes="ignore") as server:
        for frame, code in [("key", 4005), ("index", 4004), ("boom", 4000), ("exit", 1011)]:
            client = await server.connect()
            await client.send(frame)
            assert await client.receive() == Close(code)


async def test_a_crash_loses_nothing_that_was_sent_before_it(clock, serve):
    class Sending(Websocket):
        def handle_client_message(self, state, conn, frame):
            conn.send("sent")
            raise Boom

    async with serve(Sending, crashes="ignore") as server:
        client = await server.connect()
        await client.send("go")
        assert [await client.receive(), await client.receive()] == ["sent", Close(1011)]


async def test_a_crash_ends_memberships_and_names_before_anyone_can_see_it(clock, serve):
    class Member(Websocket):
        def init(self, conn):
            conn.register_nowait("name")
            conn.join_nowait("group")
            return None, []

        def handle_client_message(self, state, conn, frame):
            raise Boom

        def terminate(self, state, conn, reason):
            seen.append((conn.names, conn.groups, conn.runtime.unique.whereis_nowait("name")))

    seen = []
    async with serve(Member, crashes="ignore") as server:
        client = await server.connect()
        await client.send("go")
        await client.wait_closed()
    assert seen == [(frozenset(), frozenset(), None)]


@pytest.mark.parametrize("error", [Boom("boom"), SystemExit(1), BaseExceptionGroup("both", [Boom(), SystemExit()])])
async def test_what_terminate_raises_is_told_and_swallowed(clock, serve, error):
    class Stubborn(Websocket):
        def handle_client_message(self, state, conn, frame):
            return state, frame

        def terminate(self, state, conn, reason):
            raise error

    async with serve(Stubborn, crashes="ignore") as server:
        client = await server.connect()
        await client.close()
        assert type((await server.wait_event(TerminateFailed)).exception) is type(error)
        again = await server.connect()
        await again.send("hello")
        assert await again.receive() == "hello"


async def test_a_crash_and_the_end_of_a_group_of_tasks_are_told_as_they_are(clock, serve, kind):
    """What a nursery in an async callback raises comes as the group that it is."""
    import trio

    class Nursery(Websocket):
        async def handle_client_message(self, state, conn, frame):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail)
                await trio.sleep_forever()

    async def fail():
        raise Boom

    async with serve(Nursery, crashes="ignore") as server:
        client = await server.connect()
        await client.send("go")
        assert await client.receive() == Close(1011)
        exception = (await server.wait_event(ActorCrashed)).exception
        assert isinstance(exception, ExceptionGroup)
        assert [type(leaf) for leaf in exception.exceptions] == [Boom]
