"""A server in a process of its own, seen from outside."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.support.wire import SECONDS, handshake


class Outside:
    """What can be done to, and asked of, a server that serves ``tests.support.programs:idle``."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.port = int(process.address.rpartition(":")[2])
        self._number = 0

    def open(self, timeout: float = SECONDS) -> socket.socket:
        """A WebSocket, from one of many addresses of this machine: one alone has only 28 000 ports."""
        self._number += 1
        source = f"127.0.0.{2 + self._number // 5000 % 100}"
        client = socket.create_connection(("127.0.0.1", self.port), timeout, (source, 0))
        try:
            client.sendall(handshake())
            head = client.recv(4096)
            assert head.startswith(b"HTTP/1.1 101"), head
        except BaseException:
            client.close()
            raise
        return client

    def usage(self) -> dict[str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("GET", "/usage")
            answer: dict[str, int] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def usage_when(self, condition: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """What it uses when something has come true; every question gives it a tick to get there."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            usage = self.usage()
            if condition(usage):
                return usage
        raise AssertionError(f"never came true, in the end: {usage}")


@pytest.fixture
def outside(start_server: Callable[[Sequence[str]], Any]) -> Callable[..., Outside]:
    """Starts a server."""

    def start() -> Outside:
        # What a deadline leaves behind on the timers' wheel lives until that deadline, and a page of memory with it.
        brief = ["--option=handshake_timeout=2", "--option=keep_alive_timeout=2", "--option=handler_timeout=2"]
        command = [sys.executable, "-m", "actorws", "serve", "tests.support.programs:idle", "--port", "0", *brief]
        return Outside(start_server(command))

    return start
