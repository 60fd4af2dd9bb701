"""What the five rules of the hot path are worth: each measured beside the same work done without it.

    python -m benchmarks.hot_path [seconds]

The figure is the server's CPU time per message in microseconds, which a busy machine disturbs least. The server runs
in this process, the clients in another; both on loopback. Baselines:

- no task per connection: the poller, against the stream driver (a reader and a writer task each)
- one write per connection and tick: 32 messages in flight, against one
- ``def`` callbacks run in the tick: against ``async def`` ones, in workers
- a group is one entry of the run queue: publishing to 200 members, against sending to each by name
- a frame for many is encoded once: broadcasting a frame, against making it for each member
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio
from attrs import frozen

from actorws import App, Conn, Served, Websocket, serve
from actorws.io import readiness

MEMBERS = 200
TEXT = "x" * 2000


class Echo(Websocket):
    def handle_client_message(self, state: None, conn: Conn, frame: str) -> tuple[None, list[str]]:
        return None, [frame]


class AsyncEcho(Websocket):
    async def handle_client_message(self, state: None, conn: Conn, frame: str) -> tuple[None, list[str]]:
        return None, [frame]


class Member(Websocket):
    """One of a group; a message of its client goes to all members, in the way that is measured."""

    def __init__(self, send: Callable[[Conn], None]) -> None:
        self.send = send

    def init(self, conn: Conn) -> tuple[None, None]:
        conn.join_nowait("all")
        conn.register_nowait(f"member {conn.runtime.group.count_nowait('all') - 1}")
        return None, None

    def handle_client_message(self, state: None, conn: Conn, frame: str) -> tuple[None, None]:
        self.send(conn)
        return None, None

    def handle_server_message(self, state: None, conn: Conn, message: str) -> tuple[None, list[str]]:
        return None, [message]


def publish(conn: Conn) -> None:
    conn.publish_nowait("all", "hello")


def send_to_each(conn: Conn) -> None:
    for number in range(MEMBERS):
        conn.send_message_nowait(f"member {number}", "hello")


def broadcast(conn: Conn) -> None:
    conn.broadcast_nowait("all", TEXT)


def broadcast_made(conn: Conn) -> None:
    conn.broadcast_nowait("all", lambda conn, meta: TEXT)


@frozen
class Case:
    """One side of a comparison."""

    behaviour: type[Websocket] | Websocket
    window: int = 1
    connections: int = 64
    fan: bool = False
    """Whether one client sends and all receive; else each client gets back what it sent."""
    poller: bool = True


@frozen
class Rule:
    """A rule of the hot path, with and without it."""

    name: str
    kept: Case
    broken: Case


RULES = [
    Rule("no task per connection", Case(Echo), Case(Echo, poller=False)),
    Rule("one write per connection and tick", Case(Echo, window=32), Case(Echo)),
    Rule("def callbacks inline", Case(Echo), Case(AsyncEcho)),
    Rule(
        "a group is one entry of the run queue",
        Case(Member(publish), connections=MEMBERS, fan=True),
        Case(Member(send_to_each), connections=MEMBERS, fan=True),
    ),
    Rule(
        "a frame for many is encoded once",
        Case(Member(broadcast), connections=MEMBERS, fan=True),
        Case(Member(broadcast_made), connections=MEMBERS, fan=True),
    ),
]


@contextmanager
def _driver(poller: bool) -> Iterator[None]:
    supported, readiness.is_supported = readiness.is_supported, poller and readiness.is_supported
    try:
        yield
    finally:
        readiness.is_supported = supported


async def measure(case: Case, seconds: float) -> float:
    """CPU microseconds per message that a client received."""
    app = App()
    app.websocket("/", case.behaviour)
    async with trio.open_nursery() as nursery:
        with _driver(case.poller):
            served: Served = await nursery.start(lambda task_status: serve(app, port=0, task_status=task_status))
        load = [str(served.port), str(case.connections), str(case.window), str(int(case.fan)), str(seconds)]
        before = time.process_time()
        result = await trio.run_process([sys.executable, "-m", "benchmarks.hot_path_load", *load], capture_stdout=True)
        spent = time.process_time() - before
        served.shut_down()
    return spent / max(int(result.stdout), 1) * 1e6


def main(arguments: list[str]) -> int:
    """Print the comparisons; returns the exit status."""
    try:
        seconds = float(arguments[0]) if arguments else 2.0
    except ValueError:
        print(f"seconds must be a number, not {arguments[0]!r}", file=sys.stderr)
        return 2
    print(f"{'rule':<40}{'with it':>10}{'without':>10}{'ratio':>8}   (us of server CPU per message)")
    for rule in RULES:
        kept, broken = (trio.run(measure, case, seconds) for case in (rule.kept, rule.broken))
        print(f"{rule.name:<40}{kept:>10.2f}{broken:>10.2f}{broken / kept:>8.2f}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"the load failed: {error}")
