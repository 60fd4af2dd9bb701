"""``python -m tests.autobahn.fuzzed CLIENT``: a client of ours for the fuzzing server, whose URL it reads from stdin.

It echoes through every case that the server has. The status is 0 when each came to its end and nothing of any is left;
what a case was worth, the server says.
Rule owned here: which clients there are, and what they offer. Must not know what is in a case.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Set
from contextlib import suppress
from typing import Any, TypeAlias

import trio
from attrs import evolve, frozen

from actorws import ConnectionClosed, Websocket, connect
from actorws.conn import Conn
from actorws.runtime import Runtime, open_runtime
from tests.autobahn.cases import COMPRESSION, SECTIONS
from tests.autobahn.judge import RACES

__all__ = ["CLIENTS", "Client"]

MiB = 1024 * 1024
#: How many cases are played at a time: some wait for a second or two.
SIDE_BY_SIDE = 4
#: For the last sockets to be closed, upper bound.
LEAVE_SECONDS = 30
#: The largest message has 16 MiB, others 65 536 fragments; an echo and one more behind it must fit in the output.
OPTIONS: Mapping[str, Any] = {
    "max_message_size": 32 * MiB,
    "max_fragments": 70_000,
    "backpressure_limit": 64 * MiB,
    "compression": True,
}
#: Both sides go on with what came before, and the smallest message is compressed, too.
TAKEOVER: Mapping[str, Any] = {
    **OPTIONS,
    "client_context_takeover": True,
    "server_context_takeover": True,
    "compression_threshold": 0,
}
#: Plays the case behind a URL with options, in a runtime where it needs one.
Play: TypeAlias = Callable[[Runtime, str, Mapping[str, Any]], Awaitable[None]]


@frozen
class Client:
    """One way of being a client."""

    play: Play
    options: Mapping[str, Any] = OPTIONS
    sections: Set[int] = frozenset(SECTIONS)
    """What it plays."""
    races: Set[str] = frozenset()
    """Cases that may be NON-STRICT."""

    async def play_all(self, url: str, agent: str) -> None:
        """Play every case of the fuzzing server at ``url``, who is told that we are ``agent``."""
        cases = iter([f"{url}/runCase?case={case}&agent={agent}" for case in range(1, await _count(url) + 1)])
        async with open_runtime() as runtime:
            async with trio.open_nursery() as nursery:
                for _ in range(SIDE_BY_SIDE):
                    nursery.start_soon(self._play_each, runtime, cases)
            with trio.fail_after(LEAVE_SECONDS):
                await runtime.supervisor.wait_empty()
                await runtime.wait_no_wires()
        await _update_reports(url, agent)

    async def _play_each(self, runtime: Runtime, cases: Iterator[str]) -> None:
        for case in cases:
            await self.play(runtime, case, self.options)


class Echo(Websocket):
    """Says everything back."""

    def handle_client_message(self, state: Any, conn: Conn, frame: str | bytes) -> Any:
        return state, [frame]


async def _as_behaviour(runtime: Runtime, url: str, options: Mapping[str, Any]) -> None:
    connector = await runtime.connect(url, Echo, restart="temporary", proxy=None, **options)
    await connector.wait_ended()


async def _as_script(_: Runtime, url: str, options: Mapping[str, Any]) -> None:
    with suppress(ConnectionClosed):
        async with connect(url, proxy=None, **options) as connection:
            async for message in connection:
                await connection.send(message)


async def _count(url: str) -> int:
    async with connect(f"{url}/getCaseCount", proxy=None) as connection:
        return int(await connection.receive())


async def _update_reports(url: str, agent: str) -> None:
    async with connect(f"{url}/updateReports?agent={agent}", proxy=None) as connection:
        async for _ in connection:
            raise AssertionError("the server says something when it has nothing but to close")


_BEHAVIOUR = Client(_as_behaviour)
#: A script gets its message when the connection has failed for what came right behind it: it can't answer any more.
_SCRIPT = Client(_as_script, races=RACES)

CLIENTS: Mapping[str, Client] = {
    "behaviour": _BEHAVIOUR,
    "script": _SCRIPT,
    "behaviour-takeover": evolve(_BEHAVIOUR, options=TAKEOVER, sections=frozenset(COMPRESSION)),
    "script-takeover": evolve(_SCRIPT, options=TAKEOVER, sections=frozenset(COMPRESSION)),
}


def main() -> None:
    """Be the client that the argument names."""
    client, url = sys.argv[1], sys.stdin.readline().strip()
    if not url:
        sys.exit("the fuzzing server has not said where it is")
    trio.run(CLIENTS[client].play_all, url, client)


if __name__ == "__main__":
    main()
