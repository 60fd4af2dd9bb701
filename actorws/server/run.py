"""Run: a server as a whole process, which signals end.

Rules owned here: the first SIGINT, SIGTERM or SIGHUP begins the graceful shutdown, the second one ends everything at
once; SIGHUP is for a restart. Must not know how any of it is done.
"""

from __future__ import annotations

import signal
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import trio

from actorws.behaviour import Websocket
from actorws.cluster.engine import Engine
from actorws.frames import CloseCode
from actorws.observability.subscribers import Subscribers
from actorws.server.app import App
from actorws.server.serve import Served, serve

__all__ = ["run"]

#: Signals that end the server for good.
ENDING = (signal.SIGINT, signal.SIGTERM)


def run(
    app: App | type[Websocket] | Websocket,
    *,
    host: str | None = "127.0.0.1",
    port: int | None = 8000,
    unix: str | Path | None = None,
    tls: ssl.SSLContext | None = None,
    on_event: Subscribers | None = None,
    cluster: str | Engine | None = None,
    messages: Literal["checked", "any"] = "checked",
    **options: Any,
) -> None:
    """Serve ``app`` until SIGINT, SIGTERM or SIGHUP; blocks. Arguments and errors are those of ``serve``.

    The first signal begins the graceful shutdown, after which this returns. SIGHUP is for a server that is going to be
    started again: its clients are told Close 1012 instead of 1001. (Not where it is ignored, as below ``nohup``.)
    A second signal ends everything at once with ``SystemExit(1)``.
    """

    signals_seen = trio.run(
        _run,
        partial(
            serve,
            app,
            host=host,
            port=port,
            unix=unix,
            tls=tls,
            on_event=on_event,
            cluster=cluster,
            messages=messages,
            **options,
        ),
    )
    if signals_seen > 1:
        raise SystemExit(1)


async def _run(serve: Callable[..., Awaitable[None]]) -> int:
    """Run ``serve`` under the process's signals; how many came."""
    signals = _Signals()
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        # Before anyone can know that there is a server: a signal that comes right then must not just kill it.
        await nursery.start(signals.obey, nursery.cancel_scope)
        try:
            await serve(task_status=signals)
        except Exception as error:
            # Raised below: out of this block it would come in a group.
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return signals.count


def _wanted() -> list[int]:
    """The signals to obey: SIGHUP only where the system has it, and nobody wants it ignored."""
    hangup = getattr(signal, "SIGHUP", None)
    return [*ENDING] if hangup is None or signal.getsignal(hangup) == signal.SIG_IGN else [*ENDING, hangup]


class _Signals:
    """Waits for the server to be there, and for signals that end it."""

    def __init__(self) -> None:
        self.count = 0
        self._served: Served | None = None

    def started(self, value: Served) -> None:
        """``serve`` accepts connections."""
        self._served = value

    async def obey(self, everything: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
        """End the server in good order at the first signal, at once at the second, or if it isn't there yet."""
        with trio.open_signal_receiver(*_wanted()) as signals:
            task_status.started()
            async for number in signals:
                self.count += 1
                if self._served is None:
                    everything.cancel()
                elif self.count == 1:
                    is_restart = number not in ENDING
                    self._served.shut_down(CloseCode.SERVICE_RESTART if is_restart else CloseCode.GOING_AWAY)
                else:
                    self._served.runtime.hurry()
                    everything.cancel()
