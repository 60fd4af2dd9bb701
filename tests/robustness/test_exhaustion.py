"""Out of descriptors, and stopped by the system: a server that goes on as soon as it can."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import Any

from tests.support.wire import SECONDS, TEXT, frame, handshake


def echo(client: socket.socket) -> None:
    client.sendall(frame(TEXT, b"hello"))
    assert client.recv(100) == b"\x81\x05hello"


def test_without_descriptors_it_rests_and_serves_again_when_there_are_some(outside: Callable[..., Any]) -> None:
    server = outside("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    clients: list[socket.socket] = []
    waiting: list[socket.socket] = []
    try:
        for _ in range(120):
            client = socket.create_connection(("127.0.0.1", server.port), SECONDS)
            client.sendall(handshake())
            clients.append(client)
        # Those that got in are served, also while the others wait.
        for client in clients[:30]:
            assert client.recv(4096).startswith(b"HTTP/1.1 101")
            echo(client)
        pid = server.process.process.pid
        before = cpu(pid)
        waiting = clients[80:]
        waiting[0].settimeout(1.0)
        try:
            assert waiting[0].recv(1) == b"", "it should not have been accepted"
        except TimeoutError:
            pass
        assert cpu(pid) - before < 0.3, "seconds of CPU in a second in which there is nothing to do"
        for client in clients[:80]:
            client.close()
        del clients[:80]
        waiting[-1].settimeout(SECONDS)
        assert waiting[-1].recv(4096).startswith(b"HTTP/1.1 101")
        echo(waiting[-1])
    finally:
        for client in clients:
            client.close()
    log = server.process.log()
    assert 1 <= log.lower().count("too many open files") < 100, log
    assert "Traceback" not in log


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_server_that_was_stopped_and_goes_on_has_lost_nothing(outside: Callable[..., Any]) -> None:
    server = outside()
    clients = [server.open() for _ in range(20)]
    try:
        server.process.process.send_signal(signal.SIGSTOP)
        for client in clients:
            client.sendall(frame(TEXT, b"hello"))
        clients[0].close()
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as late:
            late.sendall(handshake() + frame(TEXT, b"late"))
            server.process.process.send_signal(signal.SIGCONT)
            for client in clients[1:]:
                assert client.recv(100) == b"\x81\x05hello"
            came = b""
            while not came.endswith(b"\x81\x04late"):
                came += late.recv(4096)
    finally:
        for client in clients:
            client.close()
    assert server.usage_when(lambda usage: usage["actors"] == 0)
