"""Worker process: one of a parent's workers, seen from the parent.

Rules owned here: a worker is heard of twice a second or something is wrong with it; one that hangs shows its stack
before it dies. Time in which the parent itself stood still counts for nothing. Must not know what follows from this.
"""

from __future__ import annotations

import os
import signal
import socket as _socket
from collections.abc import Callable, Mapping, Sequence

import trio

from actorws.cluster.child import Child, how_it_ended
from actorws.server.workers_link import BEAT_SECONDS, LEAVING, NOW, READY, Settings

__all__ = ["Worker"]

#: Seconds in which a beat must come. Without one the worker is no good for new connections just now.
PIECE = 2 * BEAT_SECONDS
#: Seconds that a worker which hangs has for showing its stack.
LAST_WORDS = 5.0


class Worker:
    """A process that serves. Tells ``on_change`` when any of its states has changed, from its own task."""

    def __init__(
        self,
        command: Sequence[str],
        number: int,
        sockets: Mapping[int, Sequence[_socket.socket]],
        cluster: str | None,
        folder: str | None,
    ) -> None:
        """``sockets`` by number: its own, and those of the other workers. Raises ``OSError`` if it can't be started."""
        own = tuple(socket.fileno() for socket in sockets[number])
        # Without what all listen on.
        descriptors = {
            of: tuple(socket.fileno() for socket in listening if socket.fileno() not in own)
            for of, listening in sockets.items()
            if of != number
        }
        ours, theirs = _socket.socketpair()
        with theirs:
            settings = Settings(number, theirs.fileno(), own, descriptors, cluster, folder)
            try:
                environment = settings.in_environment(os.environ)
                self._child = Child(command, environment=environment, descriptors=settings.descriptors)
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        self._channel = ours
        self.number = number
        self.ready = trio.Event()
        """Accepts connections for the first time; or has ended before."""
        self.ended = trio.Event()
        self.is_ready = False
        self.is_leaving = False
        """Was asked to end, by us or by somebody else."""
        self.is_hung = False
        self._silence = 0.0

    def __str__(self) -> str:
        return f"worker {self.number} [{self._child.pid}]"

    @property
    def accepts(self) -> bool:
        """Whether new connections are in good hands with it."""
        return self.is_ready and not self.is_leaving and self._silence < PIECE and not self.ended.is_set()

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; ``None`` while it runs."""
        return self._child.status

    @property
    def how_it_ended(self) -> str:
        """In words."""
        return how_it_ended(self._child.status or 0)

    # What it is told

    def say(self, line: bytes) -> None:
        """Tell it something, if it is there to be told."""
        try:
            self._channel.send(line)
        except OSError:
            pass  # it has ended, or it hangs and has left hundreds of lines unread

    def end(self, line: bytes) -> None:
        """Begin its shutdown."""
        self.is_leaving = True
        self.say(line)
        if not self.is_ready:
            # It is still importing what it will serve, and that may take any time.
            self._child.send_signal(signal.SIGTERM)

    def end_at_once(self) -> None:
        """Let it say goodbye, but wait for nothing."""
        self.is_leaving = True
        self.say(NOW)
        if not self.is_ready:
            self.kill()

    def kill(self) -> None:
        """End it without its help."""
        self._child.send_signal(signal.SIGKILL)

    # What is heard of it

    async def watch(self, timeout: float, on_change: Callable[[Worker], None]) -> None:
        """Watch it until it has ended. ``timeout`` seconds without a beat, and it is killed."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, timeout, on_change)
                await self._child.wait()
                nursery.cancel_scope.cancel()
        finally:
            if self._child.status is None:
                self._child.kill()
            self._channel.close()
        self.ended.set()
        self.ready.set()
        on_change(self)

    async def _listen(self, timeout: float, on_change: Callable[[Worker], None]) -> None:
        while True:
            before = self.accepts
            words = await self._hear()
            if READY in words:
                self.is_ready = True
                self.ready.set()
            if LEAVING in words:
                self.is_leaving = True
            self._silence = 0.0 if words else self._silence + PIECE
            if self.is_ready and self._silence >= timeout and not self.is_hung:
                self.is_hung = True
                on_change(self)
                await self._show_stack_and_end()
            elif self.accepts != before:
                on_change(self)

    async def _hear(self) -> bytes:
        """What it has said; nothing if that was nothing for a while.

        The silence is counted in such pieces rather than by the clock, so that when the parent has stood still (Ctrl-Z,
        a debugger, a busy machine) only one of them is lost, and what has been said meanwhile counts.
        """
        with trio.move_on_after(PIECE):
            await trio.lowlevel.wait_readable(self._channel)
            try:
                words = self._channel.recv(4096)
            except OSError:
                words = b""
            if not words:  # it has closed its end: mostly because it has ended, which its process tells in a moment
                await trio.sleep_forever()
            return words
        return b""

    async def _show_stack_and_end(self) -> None:
        self._child.send_signal(signal.SIGABRT)
        await trio.sleep(LAST_WORDS)
        self.kill()
