"""Contender: one server that is measured, actorws among them.

Rule owned here: what a server has to do so that its figures can stand beside the others'. It listens on 127.0.0.1, on
the port that is its last argument, speaks WebSocket without compression, and serves these paths:

``/``       echo: each message goes back, text as text and binary as binary, of up to 16 MiB
``/async``  the same through an ``async def`` callback, where the framework has another kind as well
``/fan``    each message goes to everybody on this path, the sender included, by code of the application: a loop over
            the members, or a callback for each of them
``/topic``  the same by what the framework itself has for it (a topic, a broadcast); else as ``/fan``

Further paths belong to single questions, which name the contenders that serve them. Each server is the quick one of its
kind, written as its documentation says, in one file that a newcomer can read. Must not know what is asked.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen

__all__ = ["OURS", "Contender", "Family"]

#: Whom it competes with: Python servers among each other, those whose work is done in C++ or Zig, and the floor.
Family: TypeAlias = Literal["python", "native", "floor"]

#: The name of actorws among the contenders.
OURS = "actorws"


@frozen
class Contender:
    """One server."""

    name: str
    family: Family
    command: tuple[str, ...]
    """What starts it, without the port. ``{python}``, ``{node}``, ``{bun}`` and ``{limit}`` stand for programs of the
    peers' environment, ``{ours}`` for the Python that has actorws, ``{servers}`` for the folder of the servers."""
    packages: tuple[str, ...] = ()
    """What it needs from PyPI, the one that it is named after first."""
    npm: tuple[str, ...] = ()
    """What it needs from npm, the same."""
