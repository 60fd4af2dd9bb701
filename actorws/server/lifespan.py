"""Lifespan: a mounted app's own beginning and end, by the ASGI lifespan protocol 2.0.

Rules owned here: an app is served when its startup is complete, and not at all if that failed; one that knows no
lifespan is served without; its shutdown comes behind its last request, and is bounded. Must not know requests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from actorws.events import BackgroundCrashed, Emit
from actorws.exceptions import UsageError

if TYPE_CHECKING:
    from actorws.server.asgi_scope import AsgiApp, Message, Scope
    from actorws.server.mount import Mount

__all__ = ["Lifespan", "open_lifespans"]

#: Seconds for all apps together to shut down, and once the server is cancelled.
SHUTDOWN, CUT = 10.0, 2.0


class Lifespan:
    """One app's, in a task of its own from its startup to its shutdown."""

    def __init__(self, name: str, emit: Emit) -> None:
        self.name = name
        self._emit = emit
        self._started = trio.Event()
        self._ending = trio.Event()
        self._ended = trio.Event()
        self._asked = 0
        #: Around the app. From its startup on shielded, for it must see its shutdown where the server is cancelled.
        self._scope = trio.CancelScope()
        #: Whether the app has a lifespan: it took part in its startup.
        self._supported = False
        self.state: dict[str, Any] | None = None
        """What the app left for its requests; ``None`` if it knows no lifespan."""
        self.failure: UsageError | None = None
        """Why it can't be served, if so."""

    async def run(self, app: AsgiApp) -> None:
        """Run it until its shutdown is complete. Raises nothing."""
        state: dict[str, Any] = {}
        self.state = state
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        try:
            with self._scope:
                await app(scope, self._receive, self._send)
        except Exception as error:
            # Told of its startup, it may still say so by raising that it has no use for that.
            if self._supported:
                self._tell(error)
            elif self.failure is not None:
                self.failure.__cause__ = error
        finally:
            if not self._supported:
                self.state = None
            self._started.set()
            self._ended.set()

    async def wait_started(self) -> None:
        """Wait for the startup. Raises ``UsageError`` if it failed."""
        await self._started.wait()
        if self.failure is not None:
            # Many apps raise what was wrong behind the message that says so.
            with trio.move_on_after(CUT):
                await self._ended.wait()
            raise self.failure
        self._scope.shield = True

    def cancel(self) -> None:
        """End it, whatever it does."""
        self._scope.cancel()

    async def shut_down(self) -> None:
        """Ask for the shutdown, and wait for it."""
        self._ending.set()
        await self._ended.wait()

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing to wait for any more."""
        return self._ended.is_set()

    async def _receive(self) -> Message:
        await trio.lowlevel.checkpoint()
        self._asked += 1
        if self._asked == 1:
            return {"type": "lifespan.startup"}
        await self._ending.wait()
        if self._asked == 2:
            return {"type": "lifespan.shutdown"}
        # Some ask on and on. That is the end too.
        self._ended.set()
        return await trio.sleep_forever()

    async def _send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        kind, what = message["type"], str(message.get("message", "")).strip()
        if kind == "lifespan.startup.complete" and not self._started.is_set():
            self._supported = True
            self._started.set()
        elif kind == "lifespan.startup.failed" and not self._started.is_set():
            self.failure = UsageError(f"{self.name} failed at its startup: {what or 'it does not say why'}")
            self._started.set()
        elif kind == "lifespan.shutdown.failed" and self._ending.is_set():
            self._tell(RuntimeError(what or "the shutdown failed"))
        elif kind != "lifespan.shutdown.complete" or not self._ending.is_set():
            raise RuntimeError(f"the app sent {kind!r} out of order")

    def _tell(self, error: Exception) -> None:
        try:
            self._emit(BackgroundCrashed(self.name, error))
        except Exception:
            pass  # observing must not change what is observed


@asynccontextmanager
async def open_lifespans(
    mounts: Iterable[Mount], emit: Emit
) -> AsyncIterator[Callable[[AsgiApp], dict[str, Any] | None]]:
    """Start the apps of ``mounts``, each once, one after another; at the block's end shut them down, last one first.

    What is yielded gives an app's state. Raises ``UsageError`` for an app whose startup fails.
    All shutdowns together have ``SHUTDOWN`` seconds; where the block is cancelled, before or meanwhile, ``CUT``.
    """
    lifespans: dict[int, Lifespan] = {}
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        try:
            for mount in mounts:
                if id(mount.app) not in lifespans:
                    lifespan = Lifespan(f"the app mounted at {mount.prefix or '/'!r}", emit)
                    nursery.start_soon(lifespan.run, mount.app, name="actorws lifespan")
                    await lifespan.wait_started()
                    lifespans[id(mount.app)] = lifespan
            yield lambda app: lifespans[id(app)].state
        except BaseException as error:
            # Raised below: out of this block it would come in a group.
            failure = error
        last_first = list(lifespans.values())[::-1]
        try:
            if failure is None:
                await _shut_down(last_first, SHUTDOWN)
        finally:
            with trio.CancelScope(shield=True):
                await _shut_down([each for each in last_first if not each.has_ended], CUT)
            for lifespan in last_first:
                lifespan.cancel()
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _shut_down(lifespans: list[Lifespan], seconds: float) -> None:
    with trio.move_on_after(seconds):
        for lifespan in lifespans:
            await lifespan.shut_down()
