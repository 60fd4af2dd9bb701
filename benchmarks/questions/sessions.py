"""Sessions: what it costs that a client may lose its wire and miss nothing.

Rule owned here: the plain echo beside the resumable one, by the same load.
"""

from __future__ import annotations

from benchmarks.contender import OURS
from benchmarks.load.wire_load import Mode, WireLoad
from benchmarks.question import Case, Question


def _case(name: str, wire: str, mode: Mode, connections: int, window: int = 1, *, path: str = "/resumable") -> Case:
    # Only actorws has them.
    return Case(name, WireLoad(wire, mode, connections, window, path), contenders=(OURS,))


QUESTION = Question(
    name="sessions",
    title="Resumable sessions",
    text="Echo over a plain WebSocket and over one that can be resumed, where both sides number, keep and acknowledge "
    "what they send. Coming back: 1000 sessions, whose wires are cut 64 at a time, go on over new ones.",
    unit="us of server CPU per message, or per return",
    cases=(
        _case("plain, 64 connections", "websocket", "echo", 64, path="/"),
        _case("resumable, 64 connections", "session", "echo", 64),
        _case("plain, 64 connections, 32 in flight", "websocket", "echo", 64, 32, path="/"),
        _case("resumable, 64 connections, 32 in flight", "session", "echo", 64, 32),
        _case("coming back, 1000 sessions", "session", "resume", 1000),
    ),
)
