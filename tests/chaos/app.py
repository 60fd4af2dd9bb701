"""What the nodes serve: talkers, who send each other numbered messages, and fighters, who want one name each.

Rule owned here: an actor tells its client everything that comes to it, in that order, and of each message that it could
not send. Must not know what goes wrong around it.

A talker's client says ``KIND TARGET...``: one message to each target. The kinds: ``N`` by name, ``G`` to a group, both
waiting until the engine has it; ``n`` and ``g`` the same without waiting. Each message carries its sender's number of
all messages, and of those of its kind to its target.
"""

from __future__ import annotations

import os
import time
from collections import deque
from functools import cache
from typing import Any

import trio

from actorws import App, Close, NameTaken, Websocket
from actorws.exceptions import EngineUnavailable
from actorws.notices import Gap

__all__ = ["GROUP", "NOT_NOW", "Fighter", "Talker", "app"]

GROUP = "everybody"
#: Close code for who should try again.
NOT_NOW = 4001
#: Seconds between two acts of an owner.
PACE = 0.005
#: Seconds by which what a node has sent may be older than the gap that tells of its loss: requests wait so long.
LATE = 2.5


class Talking:
    """A talker's state."""

    def __init__(self, who: str) -> None:
        self.who = who
        self.number = 0
        self._counts: dict[tuple[str, str], int] = {}
        #: Times, and the numbers that had been reached.
        self._marks: deque[tuple[float, int]] = deque([(0.0, 0)], maxlen=10_000)

    def mark(self) -> None:
        self._marks.append((trio.current_time(), self.number))

    def next(self, kind: str, target: str) -> tuple[int, str]:
        """The next message's number for its target, and the message."""
        self.number += 1
        count = self._counts[kind, target] = self._counts.get((kind, target), 0) + 1
        return count, f"m {self.who} {self.number} {kind} {count}"

    def reached(self, when: float) -> int:
        """The number of the last message that surely was sent before ``when``."""
        return max((number for at, number in self._marks if at <= when), default=0)


class Talker(Websocket):
    """Has the name in its path, and is in the group."""

    receive_gaps = True
    options = {"mailbox_messages": 100_000, "mailbox_bytes": 64 * 1024 * 1024}

    async def init(self, conn: Any) -> Any:
        try:
            await conn.register(conn.path_params["name"], on_conflict="takeover")
            await conn.join(GROUP)
        except EngineUnavailable:
            return None, [Close(NOT_NOW)]
        return Talking(conn.path_params["who"]), ["ready"]

    async def handle_client_message(self, state: Talking, conn: Any, frame: str) -> Any:
        kind, *targets = frame.split()
        failed = []
        state.mark()
        for target in targets:
            count, message = state.next(kind, target)
            try:
                if not await _send(conn, kind, target, message):
                    failed.append(f"{target}:{count}")
            except (EngineUnavailable, trio.WouldBlock):
                failed.append(f"{target}:{count}")
        return state, [f"done {state.number} {kind} {' '.join(failed)}"]

    def handle_server_message(self, state: Talking, conn: Any, message: Any) -> Any:
        if isinstance(message, Gap):
            since = trio.current_time() - message.seconds - LATE
            return state, [f"gap {state.reached(since)} {state.number}"]
        return state, [message]


async def _send(conn: Any, kind: str, target: str, message: str) -> bool:
    match kind:
        case "N":
            return bool(await conn.send_message(target, message))
        case "n":
            return bool(conn.send_message_nowait(target, message))
        case "G":
            await conn.publish(target, message)
        case "g":
            conn.publish_nowait(target, message)
    return True


class Fighter(Websocket):
    """Acts for the name in its path, as long as it has it: each act is a line in a file that all processes share."""

    async def init(self, conn: Any) -> Any:
        name = conn.path_params["name"]
        try:
            await conn.register(name)
        except (NameTaken, EngineUnavailable):
            return None, [Close(NOT_NOW)]
        conn.send_after(0, "act")
        return name, ["ready"]

    def handle_client_message(self, name: str, conn: Any, frame: Any) -> Any:
        return name, []

    def handle_server_message(self, name: str, conn: Any, message: str) -> Any:
        # Before it is looked at whose the name is: a process that is frozen behind that can't know (see `fence`).
        now = time.monotonic_ns()
        fence = conn.fence(name)
        os.write(_acts(), f"{now} {name} {fence or 0} {os.getpid()}\n".encode())
        conn.send_after(PACE, "act")
        return name, []


@cache
def _acts() -> int:
    return os.open(os.environ["CHAOS_ACTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


app = App()
app.websocket("/talk/{name}/{who}", Talker)
app.websocket("/fight/{name}", Fighter)
