"""Worker: this process, if it is one of several that a parent has started to serve the same addresses.

Rules owned here: a worker obeys its parent and outlives it only to tell its clients goodbye; a terminal's signals are
its parent's business; a SIGTERM to it alone begins its shutdown, however often it comes. Must not know its siblings,
but for where they are found.
"""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import socket as _socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Any

import trio
from attrs import frozen

from actorws.behaviour import Websocket
from actorws.config import ServerConfig
from actorws.frames import CloseCode
from actorws.observability.subscribers import Subscribers
from actorws.server.app import App
from actorws.server.serve import Served, serve
from actorws.server.workers_link import BEAT, BEAT_SECONDS, LEAVING, READY, Settings

__all__ = ["Begun", "begin_worker", "run_worker"]

#: Signals that a terminal sends to all processes of a command: the parent passes on what they mean.
NOT_OURS = ("SIGINT", "SIGHUP")
#: Seconds beyond ``drain_timeout`` after which a worker without a parent ends, whatever it is doing.
PATIENCE = 3.0


class Leash:
    """Sees to it that this process ends some time after its parent, even if it hangs."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        #: Until it serves there is nobody to say goodbye to.
        self.seconds = PATIENCE
        Thread(target=self._watch, name="actorws-parent", daemon=True).start()

    def _watch(self) -> None:
        parent = select.poll()
        parent.register(self._channel, 0)  # asks for nothing but the end, which is always told
        parent.poll()
        time.sleep(self.seconds)
        with suppress(OSError):
            os.write(2, b"worker [%d] has lost its parent and does not come to its end: it stops\n" % os.getpid())
        os._exit(1)


@frozen
class Begun:
    """What ``run_worker`` needs of ``begin_worker``."""

    settings: Settings
    leash: Leash


def begin_worker(environment: MutableMapping[str, str]) -> Begun | None:
    """What this process is, if a parent has started it as a worker; to be called before anything else."""
    settings = Settings.from_environment(environment)
    if settings is None:
        return None
    for number in (getattr(signal, name, None) for name in NOT_OURS):
        if number is not None:
            # Not SIG_IGN, which would go on to the processes that the app starts. But ignored already, as by nohup, it
            # stays so.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, _leave_it)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    with suppress(OSError, AttributeError, ValueError):  # stderr is closed, or no file
        if not faulthandler.is_enabled():
            faulthandler.enable()  # shows the stack when the parent ends a worker that hangs, by SIGABRT
    return Begun(settings, Leash(settings.channel))


def _leave_it(number: int, frame: FrameType | None) -> None:
    pass


def run_worker(
    app: App | type[Websocket] | Websocket,
    begun: Begun,
    *,
    tls: ssl.SSLContext | None = None,
    on_event: Subscribers | None = None,
    **options: Any,
) -> None:
    """Serve ``app`` as the worker that has ``begun``, until its parent says so or is gone; blocks.

    Arguments and errors are otherwise those of ``run``; told to end at once it raises ``SystemExit(1)``.
    """
    settings = begun.settings
    if settings.cluster is not None:
        options["cluster"] = settings.cluster
    drain_timeout = ServerConfig.of(**{k: v for k, v in options.items() if k != "cluster"}).drain_timeout
    begun.leash.seconds = drain_timeout + PATIENCE
    with ExitStack() as stack:
        # Never closed before this: that is how the parent's end is noticed, and ours.
        channel = stack.enter_context(_inherited(settings.channel))
        sockets = [stack.enter_context(_inherited(descriptor)) for descriptor in settings.sockets]
        folder = None if settings.folder is None else Path(settings.folder)
        server = partial(serve, app, sockets=sockets, tls=tls, on_event=on_event, siblings=folder, **options)
        if trio.run(_run, _Worker(channel, settings.others), server):
            raise SystemExit(1)


def _inherited(descriptor: int) -> _socket.socket:
    socket = _socket.socket(fileno=descriptor)
    socket.setblocking(False)
    return socket


async def _run(worker: _Worker, serve: Callable[..., Awaitable[None]]) -> bool:
    """Run ``serve`` under the parent's orders; whether it was told to end at once."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        worker.everything = nursery.cancel_scope
        await nursery.start(worker.obey_signals)
        nursery.start_soon(worker.obey_parent)
        nursery.start_soon(worker.beat)
        try:
            await serve(task_status=worker)
        except Exception as error:
            # Raised below: out of this block it would come in a group.
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return worker.is_hurried


class _Worker:
    """Listens to the parent and to signals, and says how it goes."""

    everything: trio.CancelScope

    def __init__(self, channel: _socket.socket, others: Mapping[int, Sequence[int]]) -> None:
        self._channel = channel
        self._others = others
        self._served: Served | None = None
        self._is_ending = False
        self.is_hurried = False
        #: By number, what ends the accepting for other workers.
        self._also: dict[int, list[Callable[[], None]]] = {}

    def started(self, value: Served) -> None:
        """``serve`` accepts connections."""
        self._served = value
        self._say(READY)

    def _say(self, word: bytes) -> None:
        try:
            self._channel.send(word)
        except OSError:
            pass  # the parent is gone, or doesn't listen

    async def beat(self) -> None:
        """Say again and again that this loop turns."""
        while True:
            await trio.sleep(BEAT_SECONDS)
            self._say(BEAT)

    async def obey_signals(self, *, task_status: trio.TaskStatus[None]) -> None:
        """End in good order at SIGTERM."""
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                self._say(LEAVING)
                self._end(CloseCode.GOING_AWAY)

    async def obey_parent(self) -> None:
        """Do what the lines say; when there are no more, there is no parent."""
        rest = b""
        while True:
            await trio.lowlevel.wait_readable(self._channel)
            try:
                data = self._channel.recv(4096)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._obey(line.decode().split())
        self._end(CloseCode.GOING_AWAY)

    def _obey(self, words: list[str]) -> None:
        match words:
            case ["also", *numbers]:
                self._accept_for({int(number) for number in numbers})
            case ["end", code]:
                self._end(int(code))
            case ["now"]:
                self.is_hurried = True
                if self._served is not None:
                    self._served.runtime.hurry()
                self.everything.cancel()

    def _end(self, code: int) -> None:
        if not self._is_ending:
            self._is_ending = True
            # Held by anybody, they would go on taking connections that nobody accepts.
            for descriptor in {fd for fds in self._others.values() for fd in fds}:
                os.close(descriptor)
        if self._served is None:
            self.everything.cancel()
        else:
            self._served.shut_down(code)

    def _accept_for(self, numbers: set[int]) -> None:
        if self._served is None or self._is_ending:
            return
        for number in self._also.keys() - numbers:
            for close in self._also.pop(number):
                close()
        for number in sorted(numbers & self._others.keys() - self._also.keys()):
            # A copy: the descriptor is needed again the next time.
            sockets = [_inherited(os.dup(descriptor)) for descriptor in self._others[number]]
            self._also[number] = [self._served.accept_on(socket) for socket in sockets]
