import json
from contextlib import asynccontextmanager

import pytest
import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from actorws import Close, Reject, SendStatus, Websocket
from actorws.events import ActorStarted, ConnectFailed, ReadingPaused
from examples import relay
from tests.support.serving import Echo, serving

MiB = 2**20


@pytest.fixture
def between(monkeypatch):
    """Serves a behaviour, and a relay in front of it."""

    @asynccontextmanager
    async def serve_both(behaviour):
        async with serving(behaviour) as upstream, serving(relay.app) as server:
            monkeypatch.setattr(relay, "UPSTREAM", f"ws://127.0.0.1:{upstream.port}")
            yield upstream, server

    return serve_both


@asynccontextmanager
async def client_of(server, path="/", headers=()):
    with trio.fail_after(60):
        # With a stream of our own: trio-websocket leaves its socket open when it is the server that closes.
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream, trio.open_nursery() as nursery:
            yield await wrap_client_stream(nursery, stream, "localhost", path, extra_headers=list(headers))
            nursery.cancel_scope.cancel()


async def closed(client):
    """The code and words with which it is closed."""
    with pytest.raises(ConnectionClosed) as caught:
        await client.get_message()
    return caught.value.reason.code, caught.value.reason.reason


async def test_people_chat_with_others_who_are_behind_a_relay(serve_example, connect_client, monkeypatch):
    """As the docstring has it: two commands."""
    chat = serve_example("chat")
    monkeypatch.setenv("UPSTREAM", chat.ws(""))
    server = serve_example("relay")
    async with connect_client(chat.ws("/chat?name=Ada")) as ada:
        await ada.receive()
        async with connect_client(server.ws("/chat?name=Gr%C3%A4ce%20H.")) as grace:
            assert json.loads(await grace.receive())["people"] == ["Ada", "Gräce H."]
            await grace.send("good morning")
            said = {"type": "said", "name": "Gräce H.", "text": "good morning"}
            assert json.loads(await grace.receive()) == said
            assert [json.loads(await ada.receive())["type"] for _ in range(2)] == ["came", "said"]
        assert json.loads(await ada.receive()) == {"type": "left", "name": "Gräce H."}
        async with connect_client(server.ws("/chat?name=ada")) as second:
            code, words = await second.wait_closed()
            assert (code, words.partition(" ")[0]) == (4502, "Somebody")


async def test_each_message_is_what_it_was_in_its_order(between):
    messages = ["text", b"binary", "", b"", "ü" * 100_000, bytes(MiB)]
    async with between(Echo) as (_, server), client_of(server) as client:
        for message in messages:
            await client.send_message(message)
        assert [await client.get_message() for _ in messages] == messages


class Asking(Websocket):
    """Tells who its client is, and how it went."""

    def __init__(self):
        self.seen = []

    def connect(self, conn):
        if conn.query.get("token") == "wrong":
            return Reject(403)
        self.seen.append((conn.path, dict(conn.query), conn.headers.get("authorization")))

    def handle_client_message(self, state, conn, frame):
        if frame == "cut me":
            conn.abort()
        return state, Close(4000, "schön") if frame == "close me" else []

    def terminate(self, state, conn, reason):
        self.seen.append((reason.code, reason.reason))


async def test_the_server_learns_whom_it_has_before_it_and_how_they_closed(between):
    asking = Asking()
    async with between(asking) as (upstream, server):
        headers = [("Authorization", "Bearer of ten")]
        async with client_of(server, "/b%C3%A4r/%3F?a=1%262&b=", headers=headers) as client:
            await client.aclose(4321, "bye")
        await upstream.no_wires()
    assert asking.seen == [("/bär/?", {"a": "1&2", "b": ""}, "Bearer of ten"), (4321, "bye")]


@pytest.mark.parametrize("wish, code, words", [("close me", 4000, "schön"), ("cut me", 1006, None)])
async def test_the_client_is_closed_as_the_server_does_it(between, wish, code, words):
    class Server(Asking):
        def terminate(self, state, conn, reason):
            pass

    async with between(Server()) as (upstream, server):
        async with client_of(server) as client:
            await client.send_message(wish)
            assert await closed(client) == (code, words)
        await upstream.no_wires()
        await server.no_wires()


async def test_a_client_that_is_cut_is_cut_from_the_server(between):
    asking = Asking()
    async with between(asking) as (upstream, server):
        async with client_of(server):
            await upstream.seen(ActorStarted)
        await upstream.no_wires()
    assert asking.seen[1:] == [(1006, "")]


@pytest.mark.parametrize("path", ["/?token=wrong", None])
async def test_a_server_that_lets_nobody_in_makes_it_worth_another_try_later(between, path, monkeypatch):
    async with between(Asking()) as (_, server):
        if path is None:
            monkeypatch.setattr(relay, "UPSTREAM", "ws://127.0.0.1:1")
        async with client_of(server, path or "/") as client:
            assert await closed(client) == (1013, "the server behind this relay can't be reached")
        assert len(server.all(ConnectFailed)) == 1


async def test_a_relay_that_leads_to_itself_says_so(between, monkeypatch):
    async with between(Echo) as (_, server):
        monkeypatch.setattr(relay, "UPSTREAM", f"ws://127.0.0.1:{server.port}")
        async with client_of(server) as client:
            assert (await closed(client))[0] == 1013
        assert [refused.error.status for refused in server.all(ConnectFailed)] == [508]


class Gate(Websocket):
    """Takes nothing until it may, then says how much it was."""

    def __init__(self):
        self.open = trio.Event()

    async def handle_client_message(self, taken, conn, frame):
        await self.open.wait()
        taken = (taken or 0) + len(frame)
        return taken, str(taken) if len(frame) == 1 else []


async def test_who_sends_more_than_the_server_takes_has_to_wait(between):
    """And nothing is lost, nor piles up: what the relay has of it is in the bounds of its options."""
    gate, sent = Gate(), []

    async def send(client):
        for _ in range(256):
            await client.send_message(bytes(MiB // 2))
            sent.append(1)
        await client.send_message(b".")

    async with between(gate) as (upstream, server), client_of(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(send, client)
        await upstream.seen(ReadingPaused)
        await server.seen(ReadingPaused)
        assert all(actor.conn.buffered <= MiB for actor in server.served.runtime.supervisor)
        assert len(sent) < 128, "half of it at most; by far the most of that is in the system's own buffers"
        gate.open.set()
        assert await client.get_message() == str(128 * MiB + 1)


class Flood(Websocket):
    """Sends 128 MiB, as fast as they are taken; the state is how many pieces it has sent."""

    piece = bytes(MiB // 2)

    def init(self, conn):
        return self.handle_drain(0, conn)

    def handle_drain(self, sent, conn):
        while sent < 256:
            sent += 1
            if conn.send(self.piece) is not SendStatus.SENT:
                return sent, []
        return sent, "the end"

    def handle_client_message(self, sent, conn, frame):
        return sent, []


async def test_who_takes_less_than_the_server_sends_makes_it_wait(between):
    async with between(Flood) as (upstream, server), client_of(server) as client:
        await server.seen(ReadingPaused)
        (flood,) = upstream.served.runtime.supervisor
        assert flood.state < 128, "half of it at most; by far the most of that is in the system's own buffers"
        relayed = 0
        while await client.get_message() != "the end":
            relayed += 1
        assert relayed == 256


async def test_both_may_send_as_much_as_they_like_at_the_same_time(between):
    """An end that isn't read from as long as it has much to write would come to a standstill with its peer."""
    messages = [bytes([number]) * MiB for number in range(64)]

    async def send(client):
        for message in messages:
            await client.send_message(message)

    async with between(Echo) as (_, server), client_of(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(send, client)
        assert [await client.get_message() for _ in messages] == messages
