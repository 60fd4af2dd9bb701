"""The journal of the behaviour suite: what happened to every actor, and what holds for all of them.

Never two callbacks of one actor at once, none after ``terminate``, and that one exactly once.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import trio

from actorws import Conn, Reason, Websocket
from actorws.events import ActorEnded, ActorStarted, Event

__all__ = ["Journal", "instrumented"]

CALLBACKS = ("connect", "init", "handle_client_message", "handle_server_message", "handle_drain", "terminate")


class Journal:
    """What happened to every actor."""

    def __init__(self) -> None:
        self.terminated: list[tuple[Any, Reason]] = []
        self.calls: list[tuple[str, str]] = []
        self._running: Counter[Conn] = Counter()
        self._inits: Counter[Conn] = Counter()
        self._ends: Counter[Conn] = Counter()
        self._faults: list[str] = []

    def is_running(self, conn: Conn) -> bool:
        """Whether a callback of the actor has begun and has not ended."""
        return self._running[conn] > 0

    def enter(self, name: str, args: tuple[Any, ...]) -> None:
        conn = next(arg for arg in args if isinstance(arg, Conn))
        self.calls.append((conn.id, name))
        if self._running[conn]:
            self._faults.append(f"{name} was called inside another callback")
        if self._ends[conn]:
            self._faults.append(f"{name} was called after terminate")
        self._running[conn] += 1
        self._inits[conn] += name == "init"
        if name == "terminate":
            self._ends[conn] += 1
            self.terminated.append((args[0], args[2]))

    def leave(self, args: tuple[Any, ...]) -> None:
        self._running[next(arg for arg in args if isinstance(arg, Conn))] -= 1

    def check(self, events: Sequence[Event]) -> None:
        assert not self._faults
        started = [event.conn for event in events if isinstance(event, ActorStarted)]
        ended = [event.conn for event in events if isinstance(event, ActorEnded)]
        assert sorted(conn.id for conn in started) == sorted(conn.id for conn in ended)
        assert self._inits <= Counter(started), "init is entered once at most for each client that is let in"
        assert self._inits == self._ends, "terminate is called exactly once for each whose init was entered"


def instrumented(behaviour: type[Websocket], kind: str, journal: Journal) -> type[Websocket]:
    """``behaviour``, watched by ``journal``; its ``def`` callbacks become ``async def`` where that is the kind."""

    def watched(name: str, callback: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(callback)
        def run(self: Websocket, *args: Any) -> Any:
            journal.enter(name, args)
            try:
                return callback(self, *args)
            finally:
                journal.leave(args)

        @wraps(callback)
        async def run_async(self: Websocket, *args: Any) -> Any:
            journal.enter(name, args)
            try:
                await trio.lowlevel.checkpoint()
                result = callback(self, *args)
                return await result if inspect.iscoroutinefunction(callback) else result
            finally:
                journal.leave(args)

        return run_async if kind == "async def" or inspect.iscoroutinefunction(callback) else run

    callbacks = {}
    for name in CALLBACKS:
        callback = getattr(behaviour, name)
        if name in ("init", "terminate") or callback is not getattr(Websocket, name):
            callbacks[name] = watched(name, callback)
    return type(behaviour.__name__, (behaviour,), callbacks)
