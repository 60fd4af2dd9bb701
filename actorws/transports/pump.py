"""Pump: the tasks that call a user's ``Transport`` for an ``Adapter``: one receives, one sends, one asks.

Rules owned here: never two sends at once and never two receives; a frame that was begun and not finished is the last
thing on its wire; what the user's code raises gets no further than its own actor. Must not know what a message means.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, Literal

import trio
from attrs import frozen

from actorws.conn import ReadyState
from actorws.frames import CloseCode
from actorws.reasons import Remote

if TYPE_CHECKING:
    from actorws.transports.adapter import Adapter

__all__ = ["pump"]

#: What tells that the wire is gone.
GONE: Final = (trio.EndOfChannel, trio.BrokenResourceError, trio.ClosedResourceError, ConnectionError)
#: Messages in a row, of a transport that never waits, before others have their turn.
IN_A_ROW: Final = 32


@frozen
class Failed:
    """What a call came to that raised."""

    error: BaseException
    is_gone: bool


async def attempt(call: Awaitable[Any]) -> Any:
    """What ``call`` returns, or ``Failed``. Handled by the caller, not here: else the error would be the context of
    whatever a callback raises."""
    try:
        return await call
    except GONE as error:
        return Failed(error.with_traceback(None), is_gone=True)
    except Exception as error:
        return Failed(error, is_gone=False)
    except BaseExceptionGroup as error:
        # Cancelled, and failed while it cleaned up: of no interest any more.
        cancelled, _ = error.split(trio.Cancelled)
        if cancelled is None:
            raise
        raise cancelled from None


async def pump(adapter: Adapter) -> None:
    """Carry frames both ways until the connection is over. Cancelled, it cuts the wire; raises nothing itself."""
    runtime = adapter.conn.runtime
    runtime.wire_opened()
    adapter.watch()
    try:
        with adapter.scope:
            async with trio.open_nursery() as nursery:
                reader = Reader(adapter)
                nursery.start_soon(reader.run)
                nursery.start_soon(_ping, adapter)
                await _write(adapter, reader)
                nursery.cancel_scope.cancel()
    finally:
        adapter.cut()
        runtime.wire_closed()


class Reader:
    """The task that receives."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._scope = trio.CancelScope()
        self._done = trio.Event()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Receive until the client has gone, or ``stop``."""
        with self._scope:
            await self._read_all()
        self._done.set()

    async def stop(self) -> None:
        """Receive nothing more; returns when nobody does."""
        self._scope.cancel()
        await self._done.wait()

    async def _read_all(self) -> None:
        adapter, count = self._adapter, 0
        while True:
            await self._wait_while_paused()
            received = await attempt(adapter.wire.receive())
            if isinstance(received, Failed):
                if received.is_gone:
                    adapter.left(Remote(CloseCode.ABNORMAL))
                else:
                    adapter.failed("receive", received.error)
                return
            if isinstance(received, str | bytes):
                # Paused while it was received: the actor has no room for it yet.
                await self._wait_while_paused()
            try:
                adapter.take(received)
            except Exception as error:
                # A fault of ours must not cost more than the connection in which it showed.
                adapter.failed("receive", error)
            if adapter.is_cut:
                return
            count += 1
            if not count % IN_A_ROW:
                await trio.lowlevel.checkpoint()

    async def _wait_while_paused(self) -> None:
        while self._adapter.paused:
            await self._adapter.changed.park()


@trio.lowlevel.enable_ki_protection
async def _write(adapter: Adapter, reader: Reader) -> None:
    """Send what there is, whenever there is something, and take leave at the end."""
    count = 0
    while True:
        if adapter.output:
            outcome = await attempt(adapter.wire.send(adapter.output.take()))
            if isinstance(outcome, Failed):
                _not_sent(adapter, "send", outcome)
                return
            adapter.sent()
            count += 1
            if not count % IN_A_ROW:
                await trio.lowlevel.checkpoint()
        elif adapter.farewell is not None:
            await reader.stop()
            outcome = await attempt(adapter.wire.close(adapter.farewell))
            if isinstance(outcome, Failed):
                _not_sent(adapter, "close", outcome)
            else:
                adapter.said_goodbye()
            return
        else:
            await adapter.changed.park()


def _not_sent(adapter: Adapter, method: Literal["send", "close", "ping"], outcome: Failed) -> None:
    if outcome.is_gone:
        adapter.left(Remote(CloseCode.ABNORMAL))
    else:
        adapter.failed(method, outcome.error)


@trio.lowlevel.enable_ki_protection
async def _ping(adapter: Adapter) -> None:
    """Ask the client for a sign of life, when one is due."""
    while True:
        while not adapter.pings_due:
            await adapter.changed.park()
        adapter.pings_due = False
        if adapter.ready_state is ReadyState.OPEN:
            outcome = await attempt(adapter.wire.ping())
            if isinstance(outcome, Failed):
                _not_sent(adapter, "ping", outcome)
                return
            adapter.answered(bool(outcome))
