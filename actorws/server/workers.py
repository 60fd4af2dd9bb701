"""Workers: several processes that serve one app on one host, and their parent, which serves nobody itself.

Rules owned here: as long as the parent lives there are as many workers as were asked for, unless they die too often;
then, or when the parent is told to end, all end in good order, within ``drain_timeout``. A new connection always finds
somebody: for a worker that is dead, hangs or begins, the others accept. Must not know what is served.

======================================  ===============================================================================
what happens                            what follows
======================================  ===============================================================================
a worker ends before all have begun     all end: with its status 1 or 2, if its own words have told why; else status 1
a worker dies later, or is asked to     another one takes its place after 25-50 ms, twice that the next time, up to 2 s;
end by somebody else                    at the sixth death in 30 s the parent gives up: status 1
a worker's event loop stands still      after 1-2 s others accept in its place, after ``hang_timeout`` its stack is
                                        logged and it is killed, which is a death
SIGTERM, SIGINT                         all end in good order, at the same time: status 0; those that are not done
                                        in time are killed: status 1
another of these                        all end at once: status 1
SIGHUP                                  each worker in turn is replaced: the new one accepts before the old one shuts
                                        down. If the new one doesn't begin, the old ones go on. (If the terminal has
                                        gone, it is as SIGTERM; ignored, as below nohup, it stays ignored.)
the parent is killed                    each worker ends in good order; the private server is killed with it
======================================  ===============================================================================
"""

from __future__ import annotations

import os
import signal
import socket as _socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

import trio

from actorws.config import ServerConfig
from actorws.exceptions import ConfigError
from actorws.server.handover_folder import handover_folder
from actorws.server.listener import url_of
from actorws.server.workers_crew import Crew, Tell
from actorws.server.workers_sockets import listening

__all__ = ["HANG_TIMEOUT", "oversee"]

#: Default seconds without a sign of life from a worker's event loop, after which it is replaced.
HANG_TIMEOUT = 10.0
#: Seconds beyond ``drain_timeout`` for a worker to end.
SLACK = 5.0


def oversee(
    command: Sequence[str],
    count: int,
    *,
    host: str | None = "127.0.0.1",
    port: int | None = 8000,
    unix: str | Path | None = None,
    secure: bool = False,
    cluster: str | None = None,
    private_server: bool = False,
    config: ServerConfig | None = None,
    hang_timeout: float = HANG_TIMEOUT,
    tell: Tell,
    announce: Callable[[str], None],
) -> int:
    """Run ``count`` processes of ``command``, whose ``begin_worker`` tells them what they are; returns the exit status.

    ``host``, ``port`` and ``unix`` are those of ``serve``; ``secure``: they will serve TCP with TLS. ``cluster`` is the
    URL of the engine that connects them, ``private_server`` starts one for them. ``config`` is what they have, too.
    ``tell`` gets what happens to them, ``announce`` each address when all of them accept.

    Raises ``OSError`` for an address that can't be had, ``ConfigError`` for a private server that can't be had, or
    where the system can't do this.
    """
    if os.name != "posix":
        raise ConfigError("several workers need Linux, macOS or a BSD")
    config = config or ServerConfig()
    meeting = handover_folder(partial(tell, "warning")) if count > 1 else nullcontext(None)
    with listening(count, host, port, unix, config.backlog) as sockets, meeting as folder:
        addresses = [url_of(s, secure=secure and s.family != _socket.AF_UNIX) for s in sockets[1]]
        parent = _Parent([socket for each in sockets.values() for socket in each], addresses, announce)
        new_crew = partial(
            Crew,
            command=command,
            sockets=sockets,
            folder=None if folder is None else str(folder),
            patience=config.drain_timeout + SLACK,
            hang_timeout=hang_timeout,
            tell=tell,
        )
        engine = _private_server(tell) if private_server else nullcontext(cluster)
        return trio.run(parent.run, engine, new_crew)


@asynccontextmanager
async def _private_server(tell: Tell) -> AsyncIterator[str]:
    from actorws.cluster.launcher import private_server

    async with private_server(tell=lambda line: tell("warning", line)) as server:
        yield server.url


class _Parent:
    """From the first worker's beginning to the last one's end, under the signals of this process."""

    def __init__(
        self, sockets: Sequence[_socket.socket], addresses: Sequence[str], announce: Callable[[str], None]
    ) -> None:
        self._sockets = sockets
        self._addresses = addresses
        self._announce = announce
        self._crew: Crew | None = None
        self._has_terminal = _has_terminal()
        #: Cancelled to give up what comes before the workers, waiting for them to begin, and for them to end.
        self._before, self._beginning, self._patience = trio.CancelScope(), trio.CancelScope(), trio.CancelScope()
        self._over = trio.Event()
        self._status = 0

    async def run(self, engine: AbstractAsyncContextManager[str | None], new_crew: Callable[..., Crew]) -> int:
        """Run workers that ``engine`` connects; returns the exit status."""
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            await nursery.start(self._obey_signals)
            with self._before:
                try:
                    async with engine as url:
                        await self._oversee(partial(new_crew, cluster=url))
                except Exception as error:
                    # Raised below: out of this block it would come in a group.
                    failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return self._status

    async def _oversee(self, new_crew: Callable[..., Crew]) -> None:
        async with trio.open_nursery() as nursery:
            crew = self._crew = new_crew(nursery, give_up=self._finish)
            with self._beginning:
                if await crew.begin() and not self._over.is_set():
                    for address in self._addresses:
                        self._announce(address)
            await self._over.wait()
            for socket in self._sockets:
                socket.close()  # each worker closes its own
            if not await crew.end(self._patience):
                self._status = 1
            nursery.cancel_scope.cancel()

    def _finish(self, status: int) -> None:
        """Begin the end. Again: nothing."""
        if not self._over.is_set():
            self._status = status
            self._over.set()
            self._beginning.cancel()
            if self._crew is None:
                self._before.cancel()

    async def _obey_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        is_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        ending, count = (signal.SIGINT, signal.SIGTERM), 0
        with trio.open_signal_receiver(*ending, *([] if is_ignored else [signal.SIGHUP])) as signals:
            task_status.started()
            async for number in signals:
                if number in ending or (self._has_terminal and not _has_terminal()):
                    count += 1
                    self._finish(0)
                    if count > 1:
                        self._patience.cancel()
                elif self._crew is not None:
                    self._crew.roll()


def _has_terminal() -> bool:
    """Whether this process has one to be controlled by, which goes when its window is closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
