"""What waits for an actor whose callback runs: bounded, in order; client input is never dropped."""

from __future__ import annotations

import pytest
import trio

from actorws import Close, Coalesce, Websocket
from actorws.events import ActorCrashed, ActorEnded, MailboxFull
from tests.support.behaviour_clients import together


class Busy(Websocket):
    """Its first message keeps it busy until the test lets it go on."""

    def __init__(self):
        self.started, self.go = trio.Event(), trio.Event()

    def init(self, conn):
        conn.register_nowait("busy")
        return [], []

    async def handle_client_message(self, seen, conn, frame):
        if frame == "busy":
            self.started.set()
            await self.go.wait()
        return [*seen, frame], []

    def handle_server_message(self, seen, conn, message):
        return (
            ([*seen, message], []) if message != "report" else (seen, ", ".join(str(item).strip() for item in seen[1:]))
        )


@pytest.fixture
def busy():
    """The class of one behaviour, with what the test waits for on it."""

    class OneBusy(Busy):
        started, go = trio.Event(), trio.Event()

        def __init__(self):
            pass

    return OneBusy


async def busy_client(server, busy):
    client = await server.connect()
    await client.send("busy")
    await busy.started.wait()
    return client


async def report(server, busy, client):
    busy.go.set()
    while len(server.journal.calls) < 3:
        await trio.lowlevel.checkpoint()
    while client.conn._actor.mailbox is not None:
        await trio.lowlevel.checkpoint()
    client.conn.send_after(0, "report")
    return await client.receive()


def send(server, *messages):
    for message in messages:
        assert server.runtime.unique.send_message_nowait("busy", message)


async def test_messages_wait_in_order(clock, serve, busy):
    async with serve(busy) as server:
        client = await busy_client(server, busy)
        send(server, 1, 2, 3)
        await settled()
        assert await report(server, busy, client) == "1, 2, 3"


async def settled():
    """Long enough for the scheduler to have delivered what was sent."""
    for _ in range(20):
        await trio.lowlevel.checkpoint()


async def test_drop_new(clock, serve, busy):
    async with serve(busy, mailbox_messages=3, mailbox_policy="drop_new") as server:
        client = await busy_client(server, busy)
        send(server, 1, 2, 3, 4, 5)
        await settled()
        assert (await server.wait_event(MailboxFull, 2)).policy == "drop_new"
        assert await report(server, busy, client) == "1, 2, 3"


async def test_drop_old(clock, serve, busy):
    async with serve(busy, mailbox_messages=3, mailbox_policy="drop_old") as server:
        client = await busy_client(server, busy)
        send(server, 1, 2, 3, 4, 5)
        await settled()
        assert await report(server, busy, client) == "3, 4, 5"
        assert (await server.wait_event(MailboxFull, 2)).policy == "drop_old"


async def test_coalesce(clock, serve, busy):
    policy = Coalesce(lambda message: message[0] if isinstance(message, tuple) else None)
    async with serve(busy, mailbox_messages=3, mailbox_policy=policy) as server:
        client = await busy_client(server, busy)
        send(server, ("a", 1), "x", ("b", 1), ("a", 2), "no room", ("b", 2))
        await settled()
        assert await report(server, busy, client) == "('a', 2), x, ('b', 2)"
        assert [event.policy for event in server.events if isinstance(event, MailboxFull)] == ["drop_new"]


async def test_a_key_function_that_raises_is_its_own_actors_crash(clock, serve, busy):
    """Whoever sent the message is not to blame, and who else gets it is not hurt."""
    policy = Coalesce(lambda message: message["no such"])
    async with serve(busy, crashes="ignore", mailbox_policy=policy) as server:
        await busy_client(server, busy)
        send(server, {})
        crash = await server.wait_event(ActorCrashed)
        assert isinstance(crash.exception, KeyError)


async def test_the_bound_in_bytes(clock, serve, busy):
    async with serve(busy, mailbox_bytes=10, mailbox_policy="drop_new") as server:
        client = await busy_client(server, busy)
        send(server, "x" * 6, "y" * 5, "z" * 4)
        await settled()
        assert await report(server, busy, client) == "xxxxxx, zzzz"


async def test_a_broadcast_waits_its_turn(clock, serve, busy):
    """Behind the answers to what came before it, as for an actor that isn't busy."""

    class Member(busy):
        def init(self, conn):
            conn.join_nowait("all")
            return [], []

        def handle_server_message(self, seen, conn, message):
            return seen, f"published {message}"

    async with serve(Member) as server:
        client = await busy_client(server, Member)
        server.runtime.group.publish_nowait("all", 1)
        server.runtime.group.broadcast_nowait("all", "broadcast 2")
        server.runtime.group.publish_nowait("all", 3)
        await settled()
        Member.go.set()
        assert [await client.receive() for _ in range(3)] == ["published 1", "broadcast 2", "published 3"]


async def test_with_a_full_mailbox_the_client_is_not_read_and_nothing_of_it_is_lost(clock, serve, busy):
    """A flood of 4 MiB fits neither the mailbox nor the network: the client has to wait until there is room."""
    async with serve(busy, mailbox_messages=10) as server:
        client = await busy_client(server, busy)
        sent = []

        async def flood():
            for number in range(400):
                await client.send(f"{number} ".ljust(100 * 1024))
                sent.append(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await quiet(lambda: len(sent))
            assert len(sent) < 400
            # One read may bring more than there is room for: 64 KiB, or one message that is larger.
            assert len(client.conn._actor.mailbox) <= 10 + 256
            busy.go.set()
        while len(server.journal.calls) < 402:
            await trio.lowlevel.checkpoint()
        client.conn.send_after(0, "report")
        numbers = [int(text) for text in (await client.receive()).split(", ")]
        assert numbers == list(range(400))


async def quiet(value):
    """Wait until ``value`` doesn't change any more."""
    last, same = None, 0
    while same < 100:
        last, same = value(), same + 1 if value() == last else 0
        await trio.lowlevel.checkpoint()
        await trio.sleep(0.001)


@pytest.mark.not_over("trio-websocket", "memory", because="a user's transport is asked for one message at a time")
async def test_a_close_that_was_read_with_a_full_mailbox_is_answered(clock, serve, busy):
    async with serve(busy, mailbox_messages=3) as server:
        client = await busy_client(server, busy)
        await together(client, *"01234", Close(4000))
        assert (await client.wait_closed()).code == 4000
        busy.go.set()
        await server.wait_event(ActorEnded)
    assert server.journal.terminated[0][0] == ["busy", "0", "1", "2", "3", "4"]


async def test_a_client_that_goes_while_it_is_not_read_is_noticed(clock, serve, busy):
    """Its messages that were accepted are handled all the same."""
    async with serve(busy, mailbox_messages=2) as server:
        client = await busy_client(server, busy)
        await client.send("1")
        await client.send("2")
        await settled()
        client.abort()
        busy.go.set()
        await server.wait_event(ActorEnded)
    assert server.journal.terminated[0][0][:2] == ["busy", "1"]
