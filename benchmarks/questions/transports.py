"""Transports: the same actors over each of the wires that clients may come by.

Rule owned here: the same load drives all of them, as their protocols say: over HTTP a client's messages are POSTs.
"""

from __future__ import annotations

from benchmarks.contender import OURS
from benchmarks.load.wire_load import WireLoad
from benchmarks.question import Case, Question

NAMES = {
    "websocket": "WebSocket",
    "sse": "server-sent events",
    "stream": "HTTP stream",
    "poll": "long polling",
}


def _echo(wire: str) -> Case:
    return Case(f"echo, {NAMES[wire]}", WireLoad(wire, "echo", 64), contenders=(OURS,))


def _fan(wire: str) -> Case:
    return Case(f"broadcast to 100, {NAMES[wire]}", WireLoad(wire, "fan", 100, 4, "/topic"), contenders=(OURS,))


QUESTION = Question(
    name="transports",
    title="Over WebSocket, server-sent events, streams and polls",
    text="64 clients echo, or 100 get what one of them sends, each time over another wire. Over HTTP an echo is a "
    "POST, its answer and an event; what is delivered costs an event, and each poll is a request.",
    unit="us of server CPU per message that a client got",
    cases=(*map(_echo, NAMES), *map(_fan, NAMES)),
)
