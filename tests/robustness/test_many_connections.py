"""10 000 connections: what they cost, and that it all comes back."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.wire import TEXT, frame

COUNT, WARM_UP = 10_000, 500
#: What the process is at most afterwards, of what it was: 1.03 to 1.10 by itself, up to 1.17 with this test's traffic
#: (which few blocks stay, and where, is chance), and 1.3 without tidying.
KEPT = 1.2


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough of them here and in the server, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = COUNT + 1000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.fail(f"the limit of descriptors is {hard}, {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_and_close(server: Any, count: int) -> dict[str, int]:
    """What the server uses while ``count`` connections are idle; then all are closed, half of them in good order."""
    clients: list[socket.socket] = []
    try:
        for _ in range(count):
            clients.append(server.open())
        for client in (clients[0], clients[-1]):
            client.sendall(frame(TEXT, b"hello"))
            assert client.recv(100) == b"\x81\x05hello"
        usage: dict[str, int] = server.usage()
        for client in clients[::2]:
            client.sendall(frame(0x8, b"\x03\xe8"))
    finally:
        for client in clients:
            client.close()
    return usage


@pytest.mark.usefixtures("descriptors")
def test_10_000_connections_come_and_go_and_nothing_of_them_is_left(outside: Callable[..., Any]) -> None:
    """Nor of its memory, once the server has tidied up: CPython would keep arenas for an object or two each."""
    server = outside()
    idle = server.usage()["descriptors"]

    def is_idle(usage: dict[str, int]) -> bool:
        return usage["actors"] == 0 and usage["descriptors"] == idle

    open_and_close(server, WARM_UP)
    before = server.usage_when(is_idle)
    during = open_and_close(server, COUNT)

    def is_tidy(usage: dict[str, int]) -> bool:
        return is_idle(usage) and usage["blocks"] < 1.1 * before["blocks"] and usage["rss"] < KEPT * before["rss"]

    first = server.usage_when(is_tidy)
    open_and_close(server, COUNT)
    second = server.usage_when(is_tidy)
    print({"before": before, "during": during, "first": first, "second": second})
    assert during["actors"] == COUNT
    assert (during["rss"] - before["rss"]) / COUNT < 3000, "bytes that an idle connection costs"
