"""Wire load: work for a server over the wires that only actorws has; what ``load.c`` is for plain WebSockets.

    python -m benchmarks.load.wire_load PORT WIRE MODE CONNECTIONS WINDOW PATH SECONDS

``echo``    each connection keeps WINDOW messages in flight
``fan``     the first one sends, WINDOW in flight until everybody has them; all receive
``resume``  connections are cut, 64 at a time, and come back to their sessions

Rule owned here: what was sent has come back in the end, or there is no figure. It speaks the protocol of loads in
``benchmarks.question``. Python drives it, so it is busier than the C generator: what it took is in its figures.
"""

from __future__ import annotations

import json
import resource
import selectors
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Literal, TypeAlias

from attrs import frozen

from benchmarks.load.http_wires import PollClient, SseClient, StreamClient
from benchmarks.load.websocket_wires import SessionClient, WebsocketClient
from benchmarks.load.wire import Client, WireFailed

__all__ = ["WireLoad", "main"]

#: Seconds for what is in flight to come when the time is over.
PATIENCE = 30.0
#: Connections that are cut at a time.
CUT = 64

Mode: TypeAlias = Literal["echo", "fan", "resume"]

#: ``session``: a WebSocket whose client comes back to the same actor when it was lost.
WIRES: Mapping[str, Callable[[int, str], Client]] = {
    "websocket": WebsocketClient,
    "session": SessionClient,
    "sse": SseClient,
    "stream": StreamClient,
    "poll": PollClient,
}


@frozen
class WireLoad:
    """Work for this program, as ``benchmarks.question.Load`` is for the generator."""

    wire: str
    mode: Mode
    connections: int
    window: int = 1
    path: str = "/"

    def command(self, port: int, seconds: float) -> list[str]:
        """What starts it."""
        what = [str(port), self.wire, self.mode, str(self.connections), str(self.window), self.path, f"{seconds:g}"]
        return [sys.executable, "-m", "benchmarks.load.wire_load", *what]


class Crowd:
    """All connections, and what is in flight on them."""

    def __init__(self, clients: Sequence[Client], window: int) -> None:
        self.clients = clients
        self.window = window
        self.messages = 0
        self.micros: list[float] = []
        """Of each message, or of each publish until the last has it."""
        self._selector = selectors.DefaultSelector()
        for client in clients:
            for connection in client.sockets:
                self._selector.register(connection, selectors.EVENT_READ, client)

    def close(self) -> None:
        """Let go of all of them."""
        self._selector.close()
        for client in self.clients:
            client.close()

    def work(self, begin: Callable[[], int], answer: Callable[[Client, int, bool], int], seconds: float) -> None:
        """``begin`` sends, ``answer`` is told what came and whether the time isn't over; both return what they sent.

        Raises ``WireFailed`` if something that was sent does not come.
        """
        in_flight = begin()
        end = time.perf_counter() + seconds
        while in_flight:
            now = time.perf_counter()
            if now > end + PATIENCE:
                raise WireFailed(f"{in_flight} messages did not come in {PATIENCE:g} s")
            for key, _ in self._selector.select(1.0):
                count = key.data.take(key.fileobj)
                if count > in_flight:
                    raise WireFailed("more messages came than were sent")
                if count:
                    self.messages += count
                    in_flight += answer(key.data, count, now < end) - count

    def echo(self, seconds: float) -> None:
        """Everybody gets what they sent."""
        sent = {client: deque[float]() for client in self.clients}

        def send(client: Client, count: int) -> int:
            client.send(count)
            sent[client].extend([time.perf_counter()] * count)
            return count

        def answer(client: Client, count: int, goes_on: bool) -> int:
            now = time.perf_counter()
            if count > len(sent[client]):
                raise WireFailed("a connection got more messages than it had sent")
            self.micros += [(now - sent[client].popleft()) * 1e6 for _ in range(count)]
            return send(client, count) if goes_on else 0

        self.work(lambda: sum(send(client, self.window) for client in self.clients), answer, seconds)

    def fan(self, seconds: float) -> None:
        """All get what the first one sends."""
        sent = deque[float]()
        members = len(self.clients)
        done = self.messages // members

        def publish(count: int) -> int:
            self.clients[0].send(count)
            sent.extend([time.perf_counter()] * count)
            return count * members

        def answer(client: Client, count: int, goes_on: bool) -> int:
            nonlocal done
            complete, done = self.messages // members - done, self.messages // members
            now = time.perf_counter()
            self.micros += [(now - sent.popleft()) * 1e6 for _ in range(complete)]
            return publish(complete) if goes_on and complete else 0

        self.work(lambda: publish(self.window), answer, seconds)

    def resume(self, seconds: float) -> None:
        """Some are cut and come back, then the next."""
        sessions = [client for client in self.clients if isinstance(client, SessionClient)]
        if not sessions:
            raise WireFailed("only a session can be resumed: choose the wire 'session'")
        end = time.perf_counter() + seconds
        turn = iter(sessions)
        while time.perf_counter() < end:
            cut = list(islice(turn, CUT))
            if not cut:
                turn = iter(sessions)
                continue
            began = time.perf_counter()
            come_back(cut)
            self.micros += [(time.perf_counter() - began) / len(cut) * 1e6] * len(cut)
            self.messages += len(cut)


def come_back(cut: Sequence[SessionClient]) -> None:
    """Lose their wires, and go on with their sessions on new ones."""
    for client in cut:
        client.close()
    for client in cut:
        client.begin()
    for client in cut:
        client.finish()
        client.greet()
    for client in cut:
        client.await_greeting()


def run(port: int, wire: str, mode: str, connections: int, window: int, path: str, seconds: float) -> None:
    """Raises ``WireFailed`` or ``OSError`` if it doesn't go as it should."""
    clients = [WIRES[wire](port, path) for _ in range(connections)]
    began = time.perf_counter()
    for client in clients:
        client.open()
    crowd = Crowd(clients, window)
    work: Mapping[str, Callable[[float], None]] = {"echo": crowd.echo, "fan": crowd.fan, "resume": crowd.resume}
    say(opened=len(clients), open_seconds=time.perf_counter() - began)
    sys.stdin.readline()
    began, cpu = time.perf_counter(), time.process_time()
    work[mode](seconds)
    took, spent = time.perf_counter() - began, time.process_time() - cpu
    say(messages=crowd.messages, seconds=took, cpu=spent, **percentiles(crowd.micros))
    crowd.close()


def percentiles(values: list[float]) -> dict[str, float]:
    """As the generator calls them."""
    ranked = sorted(values)
    shares = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99, "p999_us": 0.999}
    found = {name: ranked[min(int(share * len(ranked)), len(ranked) - 1)] for name, share in shares.items()}
    return found | {"max_us": ranked[-1]}


def say(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


def main(argv: Sequence[str]) -> int:
    """The command. Returns the exit status."""
    try:
        port, wire, mode, connections, window, path, seconds = argv
        numbers = int(port), int(connections), int(window), float(seconds)
        if wire not in WIRES or mode not in ("echo", "fan", "resume") or min(numbers) <= 0:
            raise ValueError
    except ValueError:
        print(f"expected PORT WIRE MODE CONNECTIONS WINDOW PATH SECONDS, not {' '.join(argv)!r}", file=sys.stderr)
        return 2
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    try:
        run(numbers[0], wire, mode, *numbers[1:3], path, numbers[3])
    except (WireFailed, OSError) as error:
        print(f"{mode} over {wire}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
