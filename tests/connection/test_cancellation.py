"""Sending and receiving that is cancelled at any moment: nothing is cut, lost, doubled or out of order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from random import Random
from typing import Any

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

import actorws
from actorws import Connection, Websocket
from actorws.config import Mailbox
from actorws.connection.inbox import Inbox
from actorws.testing import open_app
from actorws.testing.memory import memory_streams
from tests.support.client_frames import TEXT
from tests.support.peer import Peer

#: When a call is cancelled, and how large its message is. Much is taken by a wire of 1000 bytes only after a while.
CALLS = st.lists(st.tuples(st.sampled_from([0.0, 0.05, 0.1, 0.3, 1.0, 100.0]), st.integers(0, 6000)), max_size=12)
PLANS = st.lists(CALLS, min_size=1, max_size=4)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    trio.run(main, clock=MockClock(autojump_threshold=0))


class SlowServer:
    """An implementation that is not ours. It takes 500 bytes every 0.1 s."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self._protocol = ServerProtocol(
            extensions=[ServerPerMessageDeflateFactory(server_no_context_takeover=False)], max_size=None
        )

    async def run(self, stream: trio.abc.HalfCloseableStream) -> None:
        protocol = self._protocol
        while protocol.state is not State.CLOSED:
            protocol.receive_data(await stream.receive_some(500))
            for event in protocol.events_received():
                if isinstance(event, Request):
                    protocol.send_response(protocol.accept(event))
                elif isinstance(event, Frame) and event.opcode is not Opcode.CLOSE:
                    assert event.opcode is Opcode.TEXT and event.fin
                    self.got.append(bytes(event.data).decode())
            for data in protocol.data_to_send():
                await (stream.send_all(data) if data else stream.aclose())
            if protocol.close_expected():
                return
            await trio.sleep(0.1)


async def facing(server: SlowServer, use: Callable[[Connection], Awaitable[None]], **options: Any) -> None:
    ours, theirs = memory_streams(1000)

    async def open_stream(host: str, port: int) -> trio.abc.Stream:
        return ours

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, theirs)
        async with actorws.connect("ws://test/", open_stream=open_stream, close_timeout=1000, **options) as connection:
            await use(connection)


async def talk(behaviour: type[Websocket], use: Callable[[Connection], Awaitable[None]]) -> None:
    async with open_app(behaviour, capacity=1000) as server:

        async def open_stream(host: str, port: int) -> trio.abc.Stream:
            return server.open_stream()

        async with actorws.connect("ws://test/", open_stream=open_stream, close_timeout=1000) as connection:
            await use(connection)


@given(plans=PLANS, compression=st.booleans(), takeover=st.booleans())
def test_the_server_gets_exactly_the_messages_whose_send_returned(
    plans: list[list[tuple[float, int]]], compression: bool, takeover: bool
) -> None:
    """Each once and whole, those of each task in their order, with a server that takes them slowly."""
    server, sent = SlowServer(), [[] for _ in plans]  # type: ignore[var-annotated]

    async def send(connection: Connection, task: int) -> None:
        for number, (patience, size) in enumerate(plans[task]):
            # Of digits, which shrink, but not to nothing.
            message = f"{task} {number} " + "".join(Random(number).choices("0123456789", k=size))
            with trio.move_on_after(patience) as scope:
                await connection.send(message)
            if not scope.cancelled_caught:
                sent[task].append(message)

    async def use(connection: Connection) -> None:
        async with trio.open_nursery() as nursery:
            for task in range(len(plans)):
                nursery.start_soon(send, connection, task)

    options = {
        "compression": compression,
        "compression_threshold": 10,
        "client_context_takeover": takeover,
        "server_context_takeover": takeover,
    }
    run(partial(facing, server, use, high_water_mark=1000, **options))
    got = server.got
    assert sorted(got) == sorted(message for messages in sent for message in messages)
    for task, messages in enumerate(sent):
        assert [message for message in got if message.startswith(f"{task} ")] == messages


@given(
    pauses=st.lists(st.sampled_from([0.0, 0.0, 0.1, 1.0]), max_size=40),
    patience=st.lists(st.sampled_from([0.0, 0.1, 0.15, 1.0]), min_size=1, max_size=5),
)
def test_every_message_is_received_once_whatever_is_cancelled(pauses: list[float], patience: list[float]) -> None:
    """By any number of tasks; each of them sees the order in which they were sent."""
    got: list[list[int]] = [[] for _ in patience]

    class Talker(Websocket):
        async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            for number, pause in enumerate(pauses):
                conn.send(f"{number}")
                await trio.sleep(pause)
            conn.close()
            return state, []

    async def receive(connection: Connection, task: int) -> None:
        while connection.reason is None:
            with trio.move_on_after(patience[task]):
                message, is_open = await connection.receive_guarded()
                if is_open:
                    got[task].append(int(message))
            await trio.sleep(0.1)

    async def use(connection: Connection) -> None:
        await connection.send("begin")
        async with trio.open_nursery() as nursery:
            for task in range(len(patience)):
                nursery.start_soon(receive, connection, task)
            # Who has no patience at all never gets anything from a connection at rest.
            nursery.start_soon(receive_all, connection)

    async def receive_all(connection: Connection) -> None:
        got.append([int(message) async for message in connection])

    run(partial(talk, Talker, use))
    assert sorted(number for numbers in got for number in numbers) == list(range(len(pauses)))
    assert all(numbers == sorted(numbers) for numbers in got)


async def test_a_message_for_a_task_that_is_cancelled_at_that_moment_is_its_own(nursery: trio.Nursery) -> None:
    """trio doesn't cancel a task that has been told to go on: so it is not lost, and nobody else need be told."""
    inbox, got = Inbox(Mailbox()), []
    scopes = [trio.CancelScope() for _ in range(3)]

    async def take(number: int) -> None:
        with scopes[number]:
            got.append((number, await inbox.take()))

    for number in range(3):
        nursery.start_soon(take, number)
        await wait_all_tasks_blocked()
    inbox.put("a")
    scopes[0].cancel()
    scopes[1].cancel()
    inbox.put("b")
    await wait_all_tasks_blocked()
    assert sorted(got) == [(0, "a"), (2, "b")]


async def test_who_comes_later_takes_nothing_from_who_waits(nursery: trio.Nursery) -> None:
    """Not even in the moment between a message and the turn of the task that it is for."""
    inbox, got = Inbox(Mailbox()), []

    async def take(name: str) -> None:
        got.append((name, await inbox.take()))

    nursery.start_soon(take, "first")
    await wait_all_tasks_blocked()
    inbox.put("a")
    nursery.start_soon(take, "second")
    await wait_all_tasks_blocked()
    assert got == [("first", "a")]
    inbox.close()


async def test_senders_go_in_the_order_in_which_they_came(
    autojump_clock: MockClock, small_peer: Peer, nursery: trio.Nursery
) -> None:
    """Also those who come when there is room for them, but not for all who wait; who gives up is not waited for."""
    scope = trio.CancelScope()

    async def send(number: int) -> None:
        with scope if number == 3 else trio.CancelScope():
            await connection.send(f"{number}" * 30_000)

    async with small_peer.connect() as connection:
        for number in range(9):
            nursery.start_soon(send, number)
            await wait_all_tasks_blocked()
        scope.cancel()
        for number in (0, 1, 2, 4, 5, 6, 7, 8):
            assert await small_peer.frame() == (TEXT, b"%d" % number * 30_000)
        small_peer.take_leave_later()


async def test_there_is_no_overtaking_when_there_is_room_again(
    autojump_clock: MockClock, small_peer: Peer, nursery: trio.Nursery
) -> None:
    """What waits is sent when all before it was taken; who comes when most of it was goes behind it."""
    async with small_peer.connect(high_water_mark=10_000) as connection:
        await connection.send("a" * 200_000)
        nursery.start_soon(connection.send, "b")
        await wait_all_tasks_blocked()
        await small_peer.look_at(198_000)
        await wait_all_tasks_blocked()
        nursery.start_soon(connection.send, "c")
        await wait_all_tasks_blocked()
        assert [(await small_peer.frame())[1][:1] for _ in range(3)] == [b"a", b"b", b"c"]
        small_peer.take_leave_later()
