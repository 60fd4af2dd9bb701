"""Orders: how the coordinator talks to a process: a line of JSON in, a line of JSON out.

Rule owned here: one order at a time, each with one answer; when the coordinator goes, the process ends. Nothing but the
standard library: the peers use it, too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["obey"]


async def obey(target: Any, in_thread: Callable[[Callable[[], str]], Awaitable[str]]) -> None:
    """Carry out what comes on stdin with ``target``'s async methods, until it ends.

    ``in_thread`` runs a blocking function beside the event loop.
    """
    _answer({"ok": "ready"})
    while line := await in_thread(sys.stdin.readline):
        order = json.loads(line)
        try:
            _answer({"ok": await getattr(target, order.pop("do"))(**order)})
        except Exception as error:
            first = _first(error)
            _answer({"error": f"{type(first).__name__}: {first}"})


def _first(error: BaseException) -> BaseException:
    """Of several exceptions one."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _answer(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)
