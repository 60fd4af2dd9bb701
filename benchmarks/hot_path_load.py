"""Clients for a measurement; prints how many messages they received.

    python -m benchmarks.hot_path_load PORT CONNECTIONS WINDOW FAN SECONDS

Each keeps WINDOW messages of 32 bytes in flight; with FAN 1 only the first one sends, one message at a time, and all
receive what comes of it. Blocking sockets and no parser: what comes is counted in bytes of the first answer's size.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
#: A text message of 32 bytes under a mask of zeros.
MESSAGE = bytes((0x81, 0x80 | 32)) + bytes(4) + b"x" * 32


def connect(port: int) -> socket.socket:
    """A client that is let in."""
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(REQUEST)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(1000)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return client


def size_of_answer(data: bytes) -> int:
    """Bytes of the frame that ``data`` begins with."""
    length = data[1]
    return length + 2 if length < 126 else int.from_bytes(data[2:4], "big") + 4


def run(port: int, connections: int, window: int, fan: bool, seconds: float) -> int:
    """Send and receive for ``seconds``; return how many messages came."""
    clients = [connect(port) for _ in range(connections)]
    senders = clients[:1] if fan else clients
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client, selectors.EVENT_READ, client)
    for client in senders:
        client.sendall(MESSAGE * window)
    size = received = 0
    rest = dict.fromkeys(clients, 0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in selector.select(0.1):
            client = key.data
            data = client.recv(1 << 18)
            size = size or size_of_answer(data)
            count, rest[client] = divmod(rest[client] + len(data), size)
            received += count
            if count and (not fan or client is clients[0]):
                client.sendall(MESSAGE * (1 if fan else count))
    for client in clients:
        client.close()
    return received


if __name__ == "__main__":
    port, connections, window, fan = map(int, sys.argv[1:5])
    print(run(port, connections, window, bool(fan), float(sys.argv[5])))
