"""Inline callbacks: never one inside another, whatever a transport does; those that take long are named."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from actorws import Close, Websocket
from actorws.events import ActorCrashed, SlowCallback
from actorws.protocol.encoder import encode
from tests.support.fake_wire import FakeWire, open_websocket
from tests.support.serving import Echo
from tests.support.wire import TEXT, frame


class Answering(FakeWire):
    """A peer that answers the first frames before they are sent: no driver does that."""

    answers = 2

    def cork(self, chunk):
        super().cork(chunk)
        if self.answers:
            self.answers -= 1
            self.receiver.receive(frame(TEXT, b"answer"))


class Nested(Websocket):
    """Notes where each callback begins and ends."""

    def init(self, conn):
        conn.assigns = []
        return None, ["hello"]

    def handle_client_message(self, state, conn, message):
        conn.assigns.append("begin")
        conn.send(message)
        conn.assigns.append("end")
        return state, []


async def test_what_comes_while_a_callback_sends_waits_for_its_end(runtime, seen):
    """In ``init`` and in a message's callback alike; nothing of it is lost."""
    transport = open_websocket(runtime, Nested, wire=Answering)
    conn = transport.actor.conn
    assert conn.assigns == []
    await wait_all_tasks_blocked()
    assert conn.assigns == ["begin", "end"] * 2
    assert transport.wire.taken == encode("hello") + encode("answer") * 2
    transport.receive(frame(TEXT, b"inline again"))
    assert conn.assigns == ["begin", "end"] * 3
    assert not [event for event in seen if isinstance(event, ActorCrashed)]


async def test_what_comes_while_a_messages_callback_sends_waits_too(runtime):
    transport = open_websocket(runtime, Nested)
    transport.wire.tick()
    transport.wire.__class__ = Answering
    transport.receive(frame(TEXT, b"first"))
    assert transport.actor.conn.assigns == ["begin", "end"]
    await wait_all_tasks_blocked()
    assert transport.actor.conn.assigns == ["begin", "end"] * 3


async def test_every_inline_callback_that_takes_long_is_named(runtime, seen):
    class Slow(Echo):
        def init(self, conn):
            return None, []

        def handle_drain(self, state, conn):
            return state, []

    transport = open_websocket(runtime, Slow, takes=0, slow_callback=0)
    transport.send("one")
    transport.wire.tick()
    transport.send("two")
    transport.wire.take_everything()
    transport.receive(frame(TEXT, b"hello"))
    named = [event.callback for event in seen if isinstance(event, SlowCallback)]
    assert named == ["init", "handle_drain", "handle_client_message"]


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_nothing_reaches_an_actor_that_has_ended(runtime, seen, kind):
    """Whoever still has a reference to it: nothing is called, sent or raised."""

    class Ended(Echo):
        def handle_server_message(self, state, conn, message):
            raise AssertionError("called")

        def handle_drain(self, state, conn):
            raise AssertionError("called")

    class AsyncEnded(Ended):
        async def handle_client_message(self, state, conn, message):
            raise AssertionError("called")

    transport = open_websocket(runtime, Ended if kind == "def" else AsyncEnded)
    actor, wire = transport.actor, transport.wire
    actor.conn.abort()
    chunk = encode("x")
    actor.receive(["x"])
    actor.deliver([("x", None)])
    actor.deliver_frames(["x"], [chunk], chunk, {})
    actor.deliver_made("x")
    actor.deliver_made(Close())
    actor.drained()
    actor.abort()
    await wait_all_tasks_blocked()
    assert wire.taken == b""
    assert actor.mailbox is None and actor.worker is None
