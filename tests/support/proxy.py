"""A proxy that does to connections what networks do: nothing gets through, or one way only, or late, or never again.

In the process of the test (``open_proxy``), or in one of its own (``ProxyProcess``), which goes on while the test's
stands still. What is held is not lost, as TCP loses nothing: it arrives when it flows again, unless the connection was
cut.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

__all__ = ["Direction", "Proxy", "ProxyProcess", "open_proxy", "reset_on_close"]

PROJECT = Path(__file__).resolve().parent.parent.parent
CHUNK = 64 * 1024
#: Chunks on their way in one direction; then its sender isn't read from.
MAX_CHUNKS = 1000
NOT_IMPLEMENTED = b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Source(Protocol):
    """Where bytes come from."""

    async def receive_some(self, count: int) -> bytes | bytearray: ...


class Direction:
    """From clients to the server, or back."""

    def __init__(self) -> None:
        #: Seconds that everything takes longer.
        self.delay = 0.0
        #: Bytes that have come through.
        self.passed = 0
        self._flows = _open_gate()
        #: Those of connections that were left on the way.
        self._stranded: list[_Gate] = []
        self._hold_at: int | None = None

    def hold(self) -> None:
        """Nothing gets through from now on."""
        self._flows.is_open = trio.Event()

    @property
    def holds(self) -> bool:
        """Whether nothing gets through, now that the bytes have which were to."""
        return not self._flows.is_open.is_set()

    def hold_after(self, count: int) -> None:
        """``count`` bytes more get through, and no others."""
        self._hold_at = self.passed + count

    def flow(self) -> None:
        """What was held gets through, and whatever comes."""
        self._hold_at = None
        self._flows.is_open.set()

    def strand(self) -> None:
        """What comes on the connections of now stays on the way; on new ones everything gets through."""
        self.hold()
        self._stranded.append(self._flows)
        self._flows = _open_gate()

    def land(self) -> None:
        """What has stayed on the way arrives, late."""
        for gate in self._stranded:
            gate.is_open.set()

    async def pump(self, source: Source, target: trio.SocketStream) -> None:
        """Carry what ``source`` says to ``target``, and then that it has ended.

        Raises ``trio.BrokenResourceError`` if it was reset, when all that it had said before has got through.
        """
        send, receive = trio.open_memory_channel[tuple[float, bytes]](MAX_CHUNKS)
        reset = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver, receive, target, self._flows)
            async with send:
                try:
                    while data := await source.receive_some(CHUNK):
                        await send.send((trio.current_time() + self.delay, bytes(data)))
                except trio.BrokenResourceError as error:
                    reset = error
        if reset is not None:
            raise reset

    async def _deliver(
        self, chunks: trio.MemoryReceiveChannel[tuple[float, bytes]], target: trio.SocketStream, gate: _Gate
    ) -> None:
        try:
            async for due, data in chunks:
                await trio.sleep_until(due)
                await self._pass(data, target, gate)
            await gate.is_open.wait()
            await target.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):  # the latter: we have shut it down
            # It has gone; that its other end hears of it is up to the other direction, on which something may be held.
            async for _ in chunks:
                pass

    async def _pass(self, data: bytes, target: trio.SocketStream, gate: _Gate) -> None:
        while data:
            await gate.is_open.wait()
            # What lands late isn't held again.
            hold_at = self._hold_at if gate is self._flows else None
            part = data if hold_at is None else data[: max(0, hold_at - self.passed)]
            data = data[len(part) :]
            self.passed += len(part)
            if hold_at is not None and self.passed >= hold_at:
                self.hold()
            await target.send_all(part)


class _Gate:
    """Whether something gets through."""

    def __init__(self) -> None:
        self.is_open = trio.Event()


def _open_gate() -> _Gate:
    gate = _Gate()
    gate.is_open.set()
    return gate


class _Watched:
    """A client's side of a connection, as a proxy that understands HTTP reads it: what it forbids gets no further."""

    def __init__(self, proxy: Proxy, client: trio.SocketStream, server: _Buffered) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server

    async def receive_some(self, count: int) -> bytes | bytearray:
        data = await self._client.receive_some(count)
        head = bytes(data).partition(b"\r\n\r\n")[0].lower()
        if "websocket" in self._proxy.blocked and b"\r\nupgrade: websocket" in head:
            await self._client.send_all(NOT_IMPLEMENTED)
            return b""
        if "stream" in self._proxy.blocked and b"text/event-stream" in head:
            self._server.buffers = True
        return data


class _Buffered:
    """A server's side of a connection: a proxy that buffers passes a response on when it is complete, if ever."""

    def __init__(self, server: trio.SocketStream) -> None:
        self._server = server
        self.buffers = False

    async def receive_some(self, count: int) -> bytes | bytearray:
        data = await self._server.receive_some(count)
        while self.buffers and (more := await self._server.receive_some(count)):
            data += more
        return data


class Proxy:
    """Connections to ``target`` through ``address``: each a ``(host, port)`` or the path of a Unix socket."""

    def __init__(self, target: tuple[str, int] | str) -> None:
        self.target = target
        self.address: tuple[str, int] | str = ""
        self.up, self.down = Direction(), Direction()
        #: Connections so far.
        self.accepted = 0
        #: What a proxy that understands HTTP keeps from its clients: ``websocket`` (501), ``stream`` (buffered).
        self.blocked: set[str] = set()
        self._refuses = False
        self._open: set[tuple[trio.CancelScope, trio.SocketStream, trio.SocketStream | None]] = set()

    @property
    def url(self) -> str:
        """For an engine."""
        if isinstance(self.address, str):
            return f"unix://{self.address}"
        return f"redis://{self.address[0]}:{self.address[1]}"

    def hold(self) -> None:
        """A hole: nothing gets through either way; new connections are made and hear nothing."""
        self.up.hold()
        self.down.hold()

    def flow(self) -> None:
        self.up.flow()
        self.down.flow()

    def refuse(self) -> None:
        """New connections are closed at once."""
        self._refuses = True

    def accept(self) -> None:
        self._refuses = False

    def cut(self) -> int:
        """Reset every connection; returns how many. What was held is lost."""
        for scope, *streams in (found := tuple(self._open)):
            for stream in streams:
                if stream is not None:
                    reset_on_close(stream)
            scope.cancel()
        return len(found)

    def half_close(self) -> int:
        """Tell every client that its server says no more; it may still speak itself. Returns how many."""
        return self._shut_down(socket.SHUT_WR)

    def desert(self) -> int:
        """End every connection for its client; its server hears nothing of it until all has ``land``ed."""
        self.up.strand()
        self.down.strand()
        return self._shut_down(socket.SHUT_RDWR)

    def land(self) -> None:
        self.up.land()
        self.down.land()

    def _shut_down(self, how: int) -> int:
        for _, client, _ in (found := tuple(self._open)):
            with suppress(OSError):  # the client has ended it already
                client.socket.shutdown(how)
        return len(found)

    async def serve(self, client: trio.SocketStream) -> None:
        """Carry one connection to its end."""
        self.accepted += 1
        if self._refuses:
            reset_on_close(client)
            await client.aclose()
            return
        with trio.CancelScope() as scope:
            try:
                server = await self._connect()
            except OSError:
                await client.aclose()
                return
            entry = scope, client, server
            self._open.add(entry)
            try:
                answers = _Buffered(server)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, self.up, _Watched(self, client, answers), server, scope)
                    nursery.start_soon(self._pump, self.down, answers, client, scope)
            finally:
                self._open.discard(entry)
                client.socket.close()
                server.socket.close()

    async def _connect(self) -> trio.SocketStream:
        if isinstance(self.target, str):
            return await trio.open_unix_socket(self.target)
        return await trio.open_tcp_stream(*self.target)

    async def _pump(
        self, direction: Direction, source: Source, target: trio.SocketStream, connection: trio.CancelScope
    ) -> None:
        try:
            await direction.pump(source, target)
        except trio.BrokenResourceError:
            connection.cancel()  # One end has gone: so does the other.


def reset_on_close(stream: trio.SocketStream) -> None:
    """When it is closed, the other end gets a reset, as far as its kind of socket can do that."""
    if stream.socket.family != socket.AF_UNIX:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def open_proxy(target: tuple[str, int] | str, path: str | None = None) -> AsyncIterator[Proxy]:
    """A proxy in this process, for as long as the block lasts: on a free port, or a Unix socket at ``path``."""
    proxy = Proxy(target)
    listener = trio.socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    await listener.bind(path or ("127.0.0.1", 0))
    listener.listen(1000)
    proxy.address = path or listener.getsockname()[:2]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, proxy.serve, [trio.SocketListener(listener)]))
        yield proxy
        nursery.cancel_scope.cancel()


class ProxyProcess:
    """A proxy in a process of its own; each call returns when it was done."""

    def __init__(self, target: tuple[str, int] | str) -> None:
        argument = target if isinstance(target, str) else f"{target[0]}:{target[1]}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.proxy", argument],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        #: Where it listens.
        self.port = int(self._read())

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def tell(self, *words: str | float) -> str:
        """``hold``, ``flow``, ``cut``, ``refuse``, ``accept``; ``hold up``, ``flow down``; ``delay up 0.1``.

        ``half_close``, ``desert``, ``land``; ``block websocket``, ``block stream``, ``unblock websocket``;
        ``hold_after down 100`` (bytes, from 1), ``holds down`` (whether they have come).
        """
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the proxy has ended"
        return line.strip()

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def _do(proxy: Proxy, command: str, where: str = "", value: str = "") -> object:
    if command in ("cut", "refuse", "accept", "half_close", "desert", "land"):
        return getattr(proxy, command)()
    if command in ("block", "unblock"):
        return (proxy.blocked.add if command == "block" else proxy.blocked.discard)(where)
    directions = [proxy.up, proxy.down] if not where else [{"up": proxy.up, "down": proxy.down}[where]]
    for direction in directions:
        if command == "delay":
            direction.delay = float(value)
        elif command == "hold_after":
            direction.hold_after(int(value))
        elif command == "holds":
            return direction.holds
        else:
            {"hold": direction.hold, "flow": direction.flow}[command]()
    return None


async def _main(argument: str) -> None:
    host, colon, port = argument.rpartition(":")
    async with open_proxy((host, int(port)) if colon and port.isdecimal() else argument) as proxy:
        print(proxy.address[1], flush=True)
        async with await trio.open_file(sys.stdin.fileno(), closefd=False) as commands:
            async for line in commands:
                print(_do(proxy, *line.split()), flush=True)


if __name__ == "__main__":
    trio.run(_main, sys.argv[1])
