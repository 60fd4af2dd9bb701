"""A connection that came to the wrong server goes on in the right one: two servers in one process."""

from __future__ import annotations

import array
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from actorws import App, events
from actorws.events import HandoverFailed
from actorws.server import handover_arrivals
from actorws.server.handover_folder import socket_path
from actorws.server.handover_message import connect as connect_to
from actorws.server.handover_message import give
from tests.support.handover import WhichNode, app, naming, to_node
from tests.support.serving import Server, descriptors, serving
from tests.support.wire import SECONDS, TEXT, Client, connect, frame, handshake


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short name, as sockets need it."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


@asynccontextmanager
async def servers(folder: Path, count: int = 2, served: Any = app) -> AsyncIterator[list[Server]]:
    """Servers that find each other; at the end they may have no connection, nor a descriptor more than before."""
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(serving(served, siblings=folder)) for _ in range(count)]
        before = descriptors()
        yield found
        for server in found:
            await server.no_wires()
        assert descriptors() == before


def node_of(server: Server) -> str:
    return server.served.runtime.id


def quiet(*found: Server) -> bool:
    return not any(server.all(HandoverFailed) for server in found)


async def place(client: Client) -> str:
    """Of the client, as a server would write it."""
    stream = client.stream
    assert isinstance(stream, trio.SocketStream)
    host, port = stream.socket.getsockname()
    return f"{host}:{port}"


# Where a request goes


async def test_a_websocket_that_names_a_node_reaches_it_whichever_server_accepts(folder: Path) -> None:
    async with servers(folder) as found, AsyncExitStack() as stack:
        for count in range(100):
            accepting, wanted = found[count % 2], found[count // 2 % 2]
            client = await stack.enter_async_context(connect(accepting.port))
            await client.upgrade(to_node(node_of(wanted)))
            assert await client.message() == f"{node_of(wanted)} {await place(client)}"
        # Two of each four have changed places; the servers know of no more connections than they have.
        assert [server.served.runtime.wires for server in found] == [50, 50]
        assert quiet(*found)
        await stack.aclose()


@pytest.mark.parametrize(
    ("header", "form"), [("actorws_session", "{}"), ("last_event_id", "{}.12"), ("Last_Event_ID", "{}.0")]
)
async def test_a_header_names_a_node_too(folder: Path, header: str, form: str) -> None:
    async with servers(folder) as (one, other), connect(one.port) as client:
        await client.upgrade(**{header: form.format(naming(node_of(other)))})
        assert (await client.message()).startswith(node_of(other))


async def test_the_session_s_id_counts_before_what_else_is_there(folder: Path) -> None:
    async with servers(folder) as (one, other), connect(one.port) as client:
        headers = {"actorws_session": naming(node_of(one)), "last_event_id": naming(node_of(other)) + ".1"}
        await client.upgrade(to_node(node_of(other)), **headers)
        assert (await client.message()).startswith(node_of(one))


@pytest.mark.parametrize(
    "name", ["", "0123456789abcdef", "..", "../x", "%2e%2e%2fx", "a/b", "%00", "x" * 65, "x" * 5000, "é".encode().hex()]
)
async def test_who_names_a_node_that_is_not_here_is_served_where_it_came(folder: Path, name: str) -> None:
    async with servers(folder) as (one, other):
        async with connect(one.port) as client:
            await client.upgrade(to_node(name))
            assert (await client.message()).startswith(node_of(one))
        assert quiet(one, other)


@pytest.mark.parametrize("value", ["", ".", "..", "a.b.c", "a.1", "../../x.1.s", "x" * 5000, "\xff.1.s"])
async def test_a_header_that_is_no_id_names_nobody(folder: Path, value: str) -> None:
    async with servers(folder) as (one, other):
        async with connect(one.port) as client:
            await client.upgrade(actorws_session=value)
            assert (await client.message()).startswith(node_of(one))
        assert quiet(one, other)


async def test_plain_requests_of_other_routes_stay_where_they_came(folder: Path) -> None:
    async with servers(folder) as (one, other), connect(one.port) as client:
        answer = await client.get(f"/node?actorws-node={node_of(other)}")
        assert answer.body.decode() == node_of(one)


async def test_alone_nobody_looks_for_others() -> None:
    async with serving(app) as server, connect(server.port) as client:
        await client.upgrade(to_node("0123456789abcdef"))
        assert (await client.message()).startswith(node_of(server))


# How it goes on


async def test_traffic_goes_both_ways_and_a_close_is_seen(folder: Path) -> None:
    async with servers(folder) as (one, other):
        async with connect(one.port) as client:
            await client.upgrade(to_node(node_of(other)))
            await client.message()
            for size in (1, 1000, 100_000, 1_000_000):
                await client.echo("x" * size)
            await client.text("push")
            for _ in range(100):
                assert len((await client.frame())[1]) == 80_000
            await client.close()
        [ended] = await other.seen(events.ActorEnded)
        assert str(ended.reason) == "Remote(code=1000, reason='')"
        assert not one.all(events.ActorStarted)


async def test_a_client_that_vanishes_is_missed_by_who_has_it(folder: Path) -> None:
    async with servers(folder) as (one, other):
        async with connect(one.port) as client:
            await client.upgrade(to_node(node_of(other)))
            await client.message()
            client.reset()
        await other.seen(events.ActorEnded)


async def test_frames_that_come_with_the_handshake_are_not_lost(folder: Path) -> None:
    async with servers(folder) as (one, other), connect(one.port) as client:
        await client.send(handshake(to_node(node_of(other))) + frame(TEXT, b"early") + frame(TEXT, b"bird")[:4])
        assert (await client.head()).status == 101
        assert (await client.message()).startswith(node_of(other))
        assert await client.message() == "early"


async def test_a_head_that_comes_in_pieces_is_handed_over_when_it_is_there(folder: Path) -> None:
    async with servers(folder) as (one, other), connect(one.port) as client:
        for byte in b"\r\n" + handshake(to_node(node_of(other))):
            await client.send(bytes([byte]))
        assert (await client.head()).status == 101
        assert (await client.message()).startswith(node_of(other))


async def test_a_connection_that_was_kept_is_handed_over_by_its_second_request(folder: Path) -> None:
    async with servers(folder) as (one, other), connect(one.port) as client:
        assert (await client.get("/node")).body.decode() == node_of(one)
        await client.upgrade(to_node(node_of(other)))
        assert (await client.message()).startswith(node_of(other))


async def test_answers_that_are_due_come_before_those_of_the_other(folder: Path) -> None:
    """Written in one piece, so that the answers of the first are not even on their way when the second is asked for."""
    async with servers(folder) as (one, other), connect(one.port) as client:
        await client.send(b"GET /node HTTP/1.1\r\nhost: a\r\n\r\n" * 3 + handshake(to_node(node_of(other))))
        for _ in range(3):
            assert (await client.response()).body.decode() == node_of(one)
        assert (await client.head()).status == 101
        assert (await client.message()).startswith(node_of(other))


async def test_a_client_that_has_not_taken_its_answers_is_handed_over_when_it_has(folder: Path) -> None:
    async with servers(folder) as (one, other), connect(one.port, receive_buffer=4096) as client:
        await client.send(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n" + handshake(to_node(node_of(other))))
        assert len((await client.response()).body) == 8_000_000
        assert (await client.head()).status == 101
        assert (await client.message()).startswith(node_of(other))


async def test_what_is_refused_is_refused_by_who_has_it(folder: Path) -> None:
    async with servers(folder) as (one, other):
        async with connect(one.port) as client:
            await client.send(handshake(to_node(node_of(other)), sec_websocket_version="12"))
            assert (await client.response()).status == 426
            assert await client.rest() == b""
        assert len(await other.seen(events.HandshakeRefused)) == 1
        assert not one.all(events.HandshakeRefused)


@pytest.mark.parametrize(
    "coding", ["content-length: 10\r\n\r\n01234", "transfer-encoding: chunked\r\n\r\n5\r\n01234\r"]
)
async def test_a_request_is_handed_over_before_its_body_is_there(folder: Path, coding: str) -> None:
    async with servers(folder) as (one, other):
        async with connect(one.port) as client:
            path = to_node(node_of(other))
            await client.send(f"POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n{coding}".encode())
            assert (await client.response()).status >= 400  # nothing that this behaviour is for
        assert len(await other.seen(events.HandshakeRefused)) == 1
        assert not one.all(events.HandshakeRefused)


# Once


async def test_what_was_handed_over_stays_even_if_it_is_for_somebody_else(folder: Path) -> None:
    async with servers(folder) as (one, other), connect(one.port) as idle:
        ours, theirs = socket.socketpair()
        with theirs:
            request = handshake(to_node(node_of(other)))
            assert give(socket_path(folder, node_of(one)), theirs, ("192.0.2.7", 1), request)
        ours.setblocking(False)
        async with trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as stream:
            client = Client(stream)
            assert (await client.head()).status == 101
            assert await client.message() == f"{node_of(one)} 192.0.2.7:1"
        assert (await idle.get("/node")).body.decode() == node_of(one)


async def test_a_later_request_of_the_connection_may_go_on_to_a_third(folder: Path) -> None:
    """A proxy keeps connections, on which requests of many clients come."""
    async with servers(folder, 3) as (one, two, three):
        ours, theirs = socket.socketpair()
        with theirs:
            plain = b"GET /node HTTP/1.1\r\nhost: a\r\n\r\n"
            request = plain + handshake(to_node(node_of(three)))
            assert give(socket_path(folder, node_of(two)), theirs, "", request)
        ours.setblocking(False)
        async with trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as stream:
            client = Client(stream)
            assert (await client.response()).body.decode() == node_of(two)
            assert (await client.head()).status == 101
            assert (await client.message()).startswith(node_of(three))
        assert quiet(one, two, three)


# Trouble


async def test_who_has_died_is_told_of_once_and_the_request_is_served_here(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path(folder, "dead")))
    async with servers(folder, 1) as [server]:
        for _ in range(2):
            async with connect(server.port) as client:
                await client.upgrade(to_node("dead"))
                assert (await client.message()).startswith(node_of(server))
        [failed] = server.all(HandoverFailed)
        assert failed.node == "dead" and "refused" in failed.why


async def test_who_is_too_busy_to_listen_is_not_waited_for(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        busy = stack.enter_context(socket.socket(socket.AF_UNIX))
        busy.bind(str(socket_path(folder, "busy")))
        busy.listen(0)
        with pytest.raises(OSError, match=r"."):
            for _ in range(3):
                stack.enter_context(connect_to(socket_path(folder, "busy")))
        server = (await stack.enter_async_context(servers(folder, 1)))[0]
        async with connect(server.port) as client:
            await client.upgrade(to_node("busy"))
            assert (await client.message()).startswith(node_of(server))
        assert [failed.node for failed in server.all(HandoverFailed)] == ["busy"]


async def test_in_a_shutdown_what_comes_is_refused(folder: Path) -> None:
    asked = []

    class Lingering(WhichNode):
        def connect(self, conn: Any) -> None:
            asked.append(conn)

        async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
            await trio.sleep_forever()

    staying = App()
    staying.websocket("/", Lingering, terminate_timeout=SECONDS)
    async with serving(staying, siblings=folder) as one:
        async with serving(staying, siblings=folder, drain_timeout=2 * SECONDS) as other:
            async with connect(other.port) as held, connect(one.port) as client:
                await held.upgrade()
                await held.message()
                other.served.shut_down()
                await other.seen(events.ServerDraining)
                await client.send(handshake(to_node(node_of(other))))
                answer = await client.response()
                assert (answer.status, answer.headers["retry-after"]) == (503, "5")
                assert len(asked) == 1
            other.served.runtime.hurry()
        assert not socket_path(folder, node_of(other)).exists()
        assert quiet(one, other)


async def test_without_a_place_for_its_socket_a_server_serves_all_the_same(folder: Path) -> None:
    async with serving(app, siblings=folder / "nosuch") as server, connect(server.port) as client:
        assert [failed.node for failed in server.all(HandoverFailed)] == [node_of(server)]
        await client.upgrade(to_node("another"))
        assert (await client.message()).startswith(node_of(server))


# What comes that should not


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_what_is_malformed_is_dropped_with_what_came_along(folder: Path, count: int) -> None:
    async with servers(folder, 1) as [server]:
        with connect_to(socket_path(folder, node_of(server))) as sibling, socket.socket() as precious:
            rights = array.array("i", [precious.fileno()] * count)
            sibling.sendmsg([b"\xff" * 9], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if count else [])
            [failed] = await server.seen(HandoverFailed)
            assert failed.why.startswith("a message was dropped: ")
            assert sibling.recv(1) == b""


async def test_who_does_not_say_all_is_not_waited_for_long(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover_arrivals, "PATIENCE", 0.05)
    async with servers(folder, 1) as [server]:
        with connect_to(socket_path(folder, node_of(server))) as sibling:
            sibling.send(b"\0\0")
            [failed] = await server.seen(HandoverFailed)
            assert failed.why == "a message was dropped: it was too slow"


async def test_of_those_who_do_not_say_all_there_are_not_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover_arrivals, "MOST", 2)
    monkeypatch.setattr(handover_arrivals, "PATIENCE", 10 * SECONDS)
    async with servers(folder, 1) as [server], AsyncExitStack() as stack:
        first, *_ = [stack.enter_context(connect_to(socket_path(folder, node_of(server)))) for _ in range(3)]
        await server.seen(HandoverFailed)
        first.setblocking(True)
        assert first.recv(1) == b""
        assert len(server.all(HandoverFailed)) == 1
        await stack.aclose()
        await server.seen(HandoverFailed, 3)


async def test_another_user_s_process_is_not_listened_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover_arrivals, "is_ours", lambda socket: False)
    async with servers(folder) as (one, other), connect(one.port) as client:
        await client.send(handshake(to_node(node_of(other))))
        assert await client.rest() == b""
