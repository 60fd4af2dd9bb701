"""5 000 parked polls, and as many streams: what each costs, and how long a message to all of them takes."""

from __future__ import annotations

import http.client
import json
import resource
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from tests.support.wire import SECONDS, handshake

COUNT = 5_000
MESSAGE = "a message of no great length, as they mostly are"
GET = "GET /?transport={} HTTP/1.1\r\nHost: a\r\n{}\r\n"
#: Bytes of everything, and how many times the work of a WebSocket.
MOST_BYTES, MOST_WORK = 2_500, 3.0


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Enough of them here and in the server, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = COUNT + 1000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.fail(f"the limit of descriptors is {hard}, {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Outside:
    """A server in a process of its own, and its clients."""

    def __init__(self, process: Any) -> None:
        self.port = int(process.address.rpartition(":")[2])
        self.clients: list[socket.socket] = []

    def request(self, method: str, path: str, body: str = "") -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, path, body or None)
            return connection.getresponse().read()
        finally:
            connection.close()

    def usage(self) -> dict[str, int]:
        usage: dict[str, int] = json.loads(self.request("GET", "/usage"))
        return usage

    def open(self, kind: str) -> socket.socket:
        """One that has begun and waits."""
        client = socket.create_connection(("127.0.0.1", self.port), SECONDS)
        self.clients.append(client)
        client.sendall(handshake() if kind == "websocket" else GET.format(kind, "").encode())
        if kind == "websocket":
            read_until(client, b"\r\n\r\n")
            return client
        data = read_until(client, b'"received":0}')
        if kind == "poll":
            session = json.loads(data[data.index(b"{") :])["session"]
            client.sendall(GET.format("poll", f"Actorws-Session: {session}\r\nActorws-Received: 0\r\n").encode())
        return client

    def close(self) -> None:
        while self.clients:
            self.clients.pop().close()


def read_until(client: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        piece = client.recv(4096)
        assert piece, data
        data += piece
    return data


@pytest.fixture
def start(start_server: Callable[[Sequence[str]], Any]) -> Iterator[Callable[[], Outside]]:
    servers: list[Outside] = []

    def start() -> Outside:
        # What a deadline leaves behind on the timers' wheel lives until that deadline.
        brief = ["--option=handshake_timeout=2", "--option=keep_alive_timeout=2", "--option=handler_timeout=2"]
        command = [sys.executable, "-m", "actorws", "serve", "tests.support.session_programs:waiting", "--port", "0"]
        servers.append(Outside(start_server([*command, *brief])))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def measure(server: Outside, kind: str) -> tuple[float, float]:
    """Bytes of one that waits, and microseconds of the server's work for one that is told something."""
    before = server.usage()
    clients = [server.open(kind) for _ in range(COUNT)]
    during = server.usage()
    assert during["actors"] == COUNT
    assert int(server.request("POST", "/publish", MESSAGE)) == COUNT
    for client in clients:
        read_until(client, MESSAGE.encode())
    after = server.usage()
    server.close()
    return (during["rss"] - before["rss"]) / COUNT, (after["cpu"] - during["cpu"]) / COUNT


def test_parked_polls_and_streams_are_as_light_as_they_are_many(start: Callable[[], Outside]) -> None:
    figures = {kind: measure(start(), kind) for kind in ("websocket", "sse", "stream", "poll")}
    print({kind: f"{size:.0f} bytes, {work:.1f} us" for kind, (size, work) in figures.items()})
    for kind in ("sse", "stream", "poll"):
        size, work = figures[kind]
        assert size <= MOST_BYTES, kind
        assert work <= MOST_WORK * figures["websocket"][1], kind
