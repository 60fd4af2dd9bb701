"""The block of ``connect``: how it is left, and that nothing is left behind."""

from __future__ import annotations

import signal
import ssl
from itertools import count
from typing import Any

import pytest
import trio
import trustme
from trio.testing import wait_all_tasks_blocked

import actorws
from actorws import Close, ConfigError, ConnectError, Remote, Stop, Timeout, UsageError, Websocket, events, open_runtime
from actorws.testing import open_app
from tests.support.client_frames import CLOSE, TEXT
from tests.support.peer import Peer
from tests.support.serving import Echo, Server, descriptors, serving
from tests.support.wire import SECONDS


class Mistake(Exception):
    pass


async def test_the_end_of_the_block_is_a_normal_close(autojump_clock: Any, peer: Peer) -> None:
    async with peer.connect() as connection:
        peer.take_leave_later()
    assert connection.reason == Stop()
    assert await connection.send_guarded("late") is False


async def test_what_the_block_raises_passes_as_it_is_and_the_server_gets_1011(
    autojump_clock: Any, peer: Peer, nursery: trio.Nursery
) -> None:
    said: list[Any] = []

    async def take_leave() -> None:
        said.append(await peer.take_leave())

    nursery.start_soon(take_leave)
    mistake = Mistake()
    with pytest.raises(Mistake) as raised:
        async with peer.connect():
            raise mistake
    assert raised.value is mistake
    assert (mistake.__context__, mistake.__cause__) == (None, None)
    await wait_all_tasks_blocked()
    assert said == [(1011, "")]


@pytest.mark.parametrize("raises", [False, True])
async def test_a_server_that_never_answers_holds_the_end_up_for_close_timeout(
    autojump_clock: Any, peer: Peer, raises: bool
) -> None:
    began = trio.current_time()
    try:
        async with peer.connect(close_timeout=3) as connection:
            if raises:
                raise Mistake
    except Mistake:
        assert raises
    assert trio.current_time() - began == pytest.approx(3, abs=0.1)
    assert connection.reason == Timeout("close")


async def test_a_server_that_answers_late_and_never_ends_tcp_has_no_more_time(
    autojump_clock: Any, peer: Peer, nursery: trio.Nursery
) -> None:
    async def answer() -> None:
        await peer.closed()
        await trio.sleep(2)
        await peer.send(CLOSE, b"\x03\xe8")
        assert await peer.rest() == b""

    began = trio.current_time()
    nursery.start_soon(answer)
    async with peer.connect(close_timeout=3) as connection:
        pass
    assert trio.current_time() - began == pytest.approx(3, abs=0.1)
    assert connection.reason == Stop()


async def test_a_block_that_is_cancelled_waits_for_nobody_and_says_going_away(autojump_clock: Any, peer: Peer) -> None:
    began = trio.current_time()
    with trio.move_on_after(1) as scope:
        async with peer.connect():
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() - began == 1
    assert await peer.closed() == (1001, "")


async def test_a_cancelled_block_raises_cancelled_and_no_group(autojump_clock: Any, peer: Peer) -> None:
    with trio.move_on_after(1):
        with pytest.raises(trio.Cancelled):
            async with peer.connect():
                await trio.sleep_forever()


@pytest.mark.parametrize("raises", [False, True])
async def test_a_block_that_is_cancelled_while_it_takes_leave_cuts_the_connection(
    autojump_clock: Any, peer: Peer, raises: bool
) -> None:
    """What the block has raised isn't lost for that."""
    began = trio.current_time()
    try:
        with trio.move_on_after(1):
            async with peer.connect():
                if raises:
                    raise Mistake
        assert not raises
    except Mistake:
        assert raises
    assert trio.current_time() - began == 1
    assert await peer.closed() == (1011 if raises else 1000, "")
    assert await peer.rest() == b""


def test_control_c_cuts_no_frame_and_ends_the_block_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it comes in the middle of a send: that one is finished, then nothing is sent but Close."""
    said: list[Any] = []

    def key(size: int) -> bytes:
        if connection.reason is None and next(numbers) == 50:
            signal.raise_signal(signal.SIGINT)
        return b"key!"

    async def read(peer: Peer) -> None:
        while (frame := await peer.frame())[0] != CLOSE:
            said.append(frame)
        said.append(frame)

    async def main() -> None:
        nonlocal connection
        async with trio.open_nursery() as nursery:
            peer = Peer(nursery, 64 * 1024)
            nursery.start_soon(read, peer)
            with pytest.raises(KeyboardInterrupt):
                async with peer.connect() as connection:
                    monkeypatch.setattr("actorws.transports.client.urandom", key)
                    for number in range(1000):
                        await connection.send(f"{number}")

    numbers = count(1)
    connection: Any = None
    trio.run(main)
    assert said == [*((TEXT, b"%d" % number) for number in range(50)), (CLOSE, (1001).to_bytes(2, "big"))]


# What is asked for


@pytest.mark.parametrize("url", [5, None, b"ws://test/", "", "ftp://test/"])
async def test_what_is_no_url_is_told_before_anything_is_tried(url: Any) -> None:
    with pytest.raises(ValueError, match=r"URL|url"):
        async with actorws.connect(url):
            pytest.fail("connected")


@pytest.mark.parametrize(
    "options",
    [{"close_timeout": -1}, {"no_such": 1}, {"max_message_size": "big"}, {"tls": True}, {"proxy": 5}],
    ids=repr,
)
async def test_an_option_that_makes_no_sense_is_named(options: Any) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        async with actorws.connect("ws://127.0.0.1:1/", **options):
            pytest.fail("connected")


def test_outside_of_trio_it_says_so() -> None:
    import asyncio

    async def main() -> None:
        async with actorws.connect("ws://127.0.0.1:1/"):
            pytest.fail("connected")

    with pytest.raises(UsageError, match="trio"):
        asyncio.run(main())


# On real sockets: nothing is left behind


async def all_closed(server: Server, before: set[str]) -> None:
    """The task of a stream closes its socket a turn after the wire is gone."""
    await server.no_wires()
    with trio.fail_after(SECONDS):
        while descriptors() - before:
            await trio.lowlevel.checkpoint()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(params=["plain", "TLS"])
def tls(request: pytest.FixtureRequest, authority: trustme.CA) -> Any:
    """The server's, the client's and the URL's scheme."""
    if request.param == "plain":
        return None, None, "ws"
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client, "wss"


async def test_a_hundred_blocks_leave_nothing_open(tls: Any) -> None:
    server_tls, client_tls, scheme = tls
    tasks = len(trio.lowlevel.current_root_task().child_nurseries)
    async with serving(Echo, tls=server_tls) as server:
        url = f"{scheme}://127.0.0.1:{server.port}/"
        before = descriptors()
        with trio.fail_after(10 * SECONDS):
            for number in range(100):
                async with actorws.connect(url, tls=client_tls, proxy=None) as connection:
                    await connection.send(f"{number}")
                    assert await connection.receive() == f"{number}"
                assert connection.reason == Stop()
        await all_closed(server, before)
        assert [ended.reason for ended in server.all(events.ActorEnded)] == [Remote(1000)] * 100
    assert len(trio.lowlevel.current_root_task().child_nurseries) == tasks


async def test_a_hundred_blocks_at_once_on_a_runtime_of_their_own(tls: Any) -> None:
    """Which outlives them, and is as it was."""
    server_tls, client_tls, scheme = tls

    async def talk(url: str, runtime: actorws.Runtime) -> None:
        async with actorws.connect(url, tls=client_tls, proxy=None, runtime=runtime) as connection:
            await connection.send("hello")
            assert await connection.receive() == "hello"

    async with serving(Echo, tls=server_tls) as server, open_runtime(()) as runtime:
        runtime.drivers  # noqa: B018  # started here, so that they count as there before
        before, url = descriptors(), f"{scheme}://127.0.0.1:{server.port}/"
        with trio.fail_after(10 * SECONDS):
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(talk, url, runtime)
            await runtime.wait_no_wires()
        assert runtime.wires == 0
        await all_closed(server, before)


@pytest.mark.parametrize("how", ["cancelled", "raises", "aborted"])
async def test_a_block_that_is_left_in_a_hurry_leaves_nothing_open(tls: Any, how: str) -> None:
    server_tls, client_tls, scheme = tls
    async with serving(Echo, tls=server_tls) as server:
        before = descriptors()
        with trio.fail_after(SECONDS), trio.CancelScope() as scope:
            try:
                async with actorws.connect(
                    f"{scheme}://127.0.0.1:{server.port}/", tls=client_tls, proxy=None
                ) as connection:
                    await connection.send("hello")
                    if how == "cancelled":
                        scope.cancel()
                        await trio.sleep_forever()
                    elif how == "aborted":
                        connection.abort()
                    else:
                        raise Mistake
            except Mistake:
                assert how == "raises"
        await all_closed(server, before)
        code = {"cancelled": 1001, "raises": 1011, "aborted": 1006}[how]
        assert [ended.reason for ended in server.all(events.ActorEnded)] == [Remote(code)]


async def test_cancelled_while_it_connects_nothing_is_left_open() -> None:
    """At every step of the way, one checkpoint after the other."""
    async with serving(Echo) as server:
        before = descriptors()
        for steps in range(40):
            async with trio.open_nursery() as nursery:

                async def cancel(nursery: trio.Nursery = nursery, steps: int = steps) -> None:
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(cancel)
                async with actorws.connect(f"ws://127.0.0.1:{server.port}/", proxy=None):
                    await trio.sleep_forever()
        await all_closed(server, before)


async def test_a_refusal_leaves_nothing_open() -> None:
    async with serving(actorws.App()) as server:
        before = descriptors()
        for _ in range(10):
            with pytest.raises(ConnectError, match="404"):
                async with actorws.connect(f"ws://127.0.0.1:{server.port}/", proxy=None):
                    pytest.fail("connected")
        await all_closed(server, before)


@pytest.mark.parametrize("in_memory", [True, False])
async def test_the_end_of_the_runtime_is_the_end_of_its_connections(in_memory: bool) -> None:
    """Whoever waits is told."""

    async def talk(url: str, **options: Any) -> None:
        async with actorws.connect(url, proxy=None, **options) as connection:
            begun.set()
            assert [message async for message in connection] == []

    begun = trio.Event()
    async with (
        serving(Echo) as server,
        open_app(Echo) as memory,
        trio.open_nursery() as nursery,
        open_runtime(()) as runtime,
    ):
        options: dict[str, Any] = {"runtime": runtime}
        if in_memory:

            async def open_stream(host: str, port: int) -> trio.abc.Stream:
                return memory.open_stream()

            options["open_stream"] = open_stream
        nursery.start_soon(told, talk, f"ws://127.0.0.1:{server.port}/", options)
        await begun.wait()


async def told(talk: Any, url: str, options: Any) -> None:
    with trio.fail_after(SECONDS), pytest.raises(actorws.ConnectionClosed):
        await talk(url, **options)


async def test_a_server_that_says_much_at_once_behind_101_is_heard(autojump_clock: Any) -> None:
    """Frames in the same packet as the handshake's answer, more of them than are handled at a time."""

    class Talker(Websocket):
        def init(self, conn: Any) -> Any:
            return None, [*(f"{number}" for number in range(1000)), Close(4000)]

        def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
            raise AssertionError

    async with open_app(Talker) as server:

        async def open_stream(host: str, port: int) -> trio.abc.Stream:
            return server.open_stream()

        async with actorws.connect("ws://test/", open_stream=open_stream) as connection:
            assert [await connection.receive() for _ in range(1000)] == [f"{number}" for number in range(1000)]
            assert await connection.receive_guarded() == (b"", False)
            assert connection.reason == Remote(4000)
