"""How an actor ends: the first reason counts, and what is left of it runs once."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws import Remote, Shutdown, Stop
from actorws.actor.life import Terminate
from actorws.events import ActorCrashed, ActorEnded, TerminateFailed
from tests.support.fake_wire import open_websocket
from tests.support.serving import Echo
from tests.support.wire import TEXT, frame


class Watched(Echo):
    def init(self, conn):
        conn.assigns = []
        return None, []

    def terminate(self, state, conn, reason):
        conn.assigns.append(reason)


class Busy(Watched):
    """Goes on with a message when it is let."""

    def __init__(self):
        self.go_on = trio.Event()

    async def handle_client_message(self, state, conn, message):
        await self.go_on.wait()
        return state, []


def reasons(seen):
    return [event.reason for event in seen if isinstance(event, ActorEnded)]


async def test_of_several_reasons_to_end_the_first_one_counts(runtime, seen):
    actor = open_websocket(runtime, Watched).actor
    conn = actor.conn
    actor.end(Remote(1006))
    actor.end(Stop())
    actor.stop(Shutdown())
    assert conn.assigns == reasons(seen) == [Remote(1006)]


async def test_a_callback_that_ends_soon_after_its_client_is_not_cut(autojump_clock, runtime, seen):
    """The deadline for it passes, and nothing comes of that."""
    busy = Busy()
    transport = open_websocket(runtime, busy, terminate_timeout=2)
    transport.receive(frame(TEXT, b"x"))
    await wait_all_tasks_blocked()
    transport.ended(None)
    await trio.sleep(1)
    assert reasons(seen) == []
    busy.go_on.set()
    await trio.sleep(10)
    assert [type(event) for event in seen] == [ActorEnded]
    assert reasons(seen) == [Remote(1006)]
    assert len(runtime.supervisor) == 0


async def test_a_worker_that_never_got_to_a_terminate_ends_its_actor_all_the_same(runtime, seen):
    """It is shielded, so no cancellation comes before it; but who starts a job is promised to be told."""
    actor = open_websocket(runtime, Watched).actor
    actor.reason = Shutdown()
    Terminate(actor).cut()
    assert reasons(seen) == [Shutdown()]
    assert len(runtime.supervisor) == 0


async def test_who_joins_after_the_client_has_gone_has_not_crashed(runtime, seen):
    class Joining(Busy):
        async def handle_client_message(self, state, conn, message):
            await super().handle_client_message(state, conn, message)
            await conn.join("group")

    busy = Joining()
    transport = open_websocket(runtime, busy)
    transport.receive(frame(TEXT, b"x"))
    await wait_all_tasks_blocked()
    transport.ended(None)
    busy.go_on.set()
    await wait_all_tasks_blocked()
    assert reasons(seen) == [Remote(1006)]
    assert not [event for event in seen if isinstance(event, ActorCrashed)]


async def test_who_joins_after_its_own_close_has_crashed(runtime, seen):
    """That is a mistake in the code, not a race with the client."""

    class Joining(Watched):
        def handle_client_message(self, state, conn, message):
            conn.close()
            conn.join_nowait("group")

    transport = open_websocket(runtime, Joining)
    transport.receive(frame(TEXT, b"x"))
    assert [type(event.exception).__name__ for event in seen if isinstance(event, ActorCrashed)] == ["ConnectionEnded"]


async def test_a_cancellation_in_a_group_of_its_own_is_no_crash(runtime, seen):
    """As libraries raise it that run several tasks."""

    class Grouping(Watched):
        async def handle_client_message(self, state, conn, message):
            try:
                await trio.sleep_forever()
            except trio.Cancelled as error:
                raise BaseExceptionGroup("all of them", [error]) from None

    transport = open_websocket(runtime, Grouping)
    transport.receive(frame(TEXT, b"x"))
    await wait_all_tasks_blocked()
    transport.actor.worker.cancel()
    await wait_all_tasks_blocked()
    assert reasons(seen) == [Shutdown()]
    assert not [event for event in seen if isinstance(event, ActorCrashed | TerminateFailed)]


@pytest.mark.parametrize("how", ["def", "async def"])
async def test_a_terminate_that_raises_is_told_and_the_actor_has_ended(runtime, seen, how):
    class Failing(Echo):
        def terminate(self, state, conn, reason):
            raise ValueError("boom")

    class AsyncFailing(Echo):
        async def terminate(self, state, conn, reason):
            raise ValueError("boom")

    transport = open_websocket(runtime, Failing if how == "def" else AsyncFailing)
    transport.ended(None)
    await wait_all_tasks_blocked()
    (failed,) = [event for event in seen if isinstance(event, TerminateFailed)]
    assert (type(failed.exception), reasons(seen)) == (ValueError, [Remote(1006)])
