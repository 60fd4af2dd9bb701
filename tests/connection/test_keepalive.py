"""Signs of life of a server, and of ours for it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actorws import ConnectionClosed, Timeout
from tests.support.client_frames import CLOSE, PING, PONG, TEXT
from tests.support.peer import Peer


async def test_a_server_that_answers_no_ping_is_given_up(autojump_clock: Any, peer: Peer) -> None:
    began = trio.current_time()
    async with peer.connect(idle_timeout=10, ping_margin=2) as connection:
        with pytest.raises(ConnectionClosed, match=r"the server was silent for too long \(ping\)") as raised:
            await connection.receive()
        assert raised.value.reason == connection.reason == Timeout("ping")
        assert trio.current_time() - began == pytest.approx(10, abs=0.5)
        assert await peer.frame() == (PING, b"")
        assert await peer.closed() == (1001, "idle for too long")


@pytest.mark.parametrize("sign", [(PONG, b""), (PING, b"x"), (TEXT, b"hello")])
async def test_any_sign_of_life_is_enough(autojump_clock: Any, peer: Peer, nursery: trio.Nursery, sign: Any) -> None:
    async def live() -> None:
        while True:
            while (came := await peer.frame())[0] not in (PING, CLOSE):
                pass
            if came[0] == CLOSE:
                await peer.send(*came)
                await peer.stream.aclose()
                return
            await peer.send(*sign)

    nursery.start_soon(live)
    async with peer.connect(idle_timeout=10, ping_margin=2) as connection:
        await trio.sleep(1000)
        assert connection.reason is None


async def test_pings_are_answered_while_the_script_does_something_else(autojump_clock: Any, peer: Peer) -> None:
    async with peer.connect() as connection:
        await peer.send(PING, b"there?")
        await peer.send(PING, b"")
        assert [await peer.frame(), await peer.frame()] == [(PONG, b"there?"), (PONG, b"")]
        peer.take_leave_later()
    assert await connection.receive_guarded() == (b"", False)


async def test_a_server_that_is_not_read_from_is_not_given_up(autojump_clock: Any, peer: Peer) -> None:
    """It is us who don't listen. It is pinged all the same: that fails if it has gone."""
    async with peer.connect(mailbox_messages=1, idle_timeout=10) as connection:
        await peer.send(TEXT, b"unread")
        await trio.sleep(100)
        assert connection.reason is None
        assert await peer.frame() == (PING, b"")
        assert await connection.receive() == "unread"
        peer.take_leave_later()


async def test_without_pings_silence_is_the_end(autojump_clock: Any, peer: Peer) -> None:
    async with peer.connect(idle_timeout=10, send_pings=False) as connection:
        assert not (await connection.receive_guarded())[1]
        assert connection.reason == Timeout("idle")
        await wait_all_tasks_blocked()
        assert (await peer.closed())[0] == 1001
