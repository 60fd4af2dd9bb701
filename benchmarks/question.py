"""Question: what is to be found out, as cases that are measured with every contender in turn.

Rule owned here: what a case is, and what it promises. A question is one file in ``benchmarks.questions`` that has a
``QUESTION``. A case is answered in one of two ways:

- by a **load**, a program that drives a server from the other core: ``Load`` is the generator (``benchmarks.load``),
  other classes with a ``command`` may stand in for it (a browser);
- by a **program** that measures itself, where no server is asked: it is started with the variant's command and prints
  one line of JSON, the figures of one round.

A load talks to who started it: it opens its connections, prints ``{"opened": N, "open_seconds": S}``, waits for a
line on its input, works for the seconds it was given, and prints its figures: ``messages`` (what came back or was
delivered), ``seconds``, ``cpu`` (seconds of its own), and what else it has found (``p50_us``, ``p99_us`` ...). Each is
one line of JSON. What it can't do it tells on its error output, with an exit status that is not 0.
Must not know who runs it or how it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from attrs import field, frozen

__all__ = ["Case", "Drives", "Load", "Mode", "Program", "Promise", "Question"]

#: ``echo``: each connection keeps ``window`` messages in flight. ``paced``: messages leave when they are due, ``rate``
#: a second over all connections, and latency counts from when one was due, so that a server that stalls is not spared
#: (no coordinated omission). ``fan``: one connection sends, ``window`` in flight, all receive. ``chat``: everybody
#: sends ``window`` and waits until everybody's have come. ``churn``: connect, one echo, close, again. ``idle``:
#: connections are opened and held. ``slow``: as ``fan``, paced, while ``slow`` of the connections read nothing.
Mode: TypeAlias = Literal["echo", "paced", "fan", "chat", "churn", "idle", "slow"]


class Drives(Protocol):
    """A load."""

    def command(self, port: int, seconds: float) -> list[str]:
        """What starts it, against a server on 127.0.0.1. Raises ``OSError`` where it can't be run here."""


@frozen
class Load:
    """Work for the generator; its options, as it spells them."""

    mode: Mode
    connections: int
    window: int = 1
    size: int = 32
    """Bytes of a message."""
    path: str = "/"
    rate: float = 0.0
    """Messages a second, for ``paced`` and ``slow``."""
    slow: int = 0
    """Connections that read nothing, for ``slow``."""
    text: bool = False
    """Text messages instead of binary ones."""

    def command(self, port: int, seconds: float) -> list[str]:
        """Raises ``OSError`` where the generator can't be built."""
        from benchmarks.load import generator

        return generator.command(self, port, seconds)


@frozen
class Program:
    """A measurement that is no server's."""

    variants: Mapping[str, tuple[str, ...]]
    """For each variant, ours under the name ``actorws``, what starts it; ``{ours}`` stands for our Python and
    ``{seconds}`` for how long a round should take. It prints ``us`` (CPU microseconds per operation) or what the
    question's figure is, beside what else it has found."""


@frozen
class Promise:
    """What our figure is to be: at most ``factor`` times that of ``peer``, in the same run, or at most ``most``."""

    peer: str = ""
    factor: float = 1.0
    most: float = 0.0
    asked: str = ""
    """The question in which the peer's figure stands, of a case of the same name; by default the same one."""


@frozen
class Case:
    """One measurement, done with each contender in each round."""

    name: str
    by: Drives | Program
    in_quick: bool = False
    """Whether `make bench` has it, or only `make bench-full`."""
    contenders: tuple[str, ...] | None = None
    """Who can do it; by default everybody (whatever a ``Program`` has variants of)."""
    at: float | None = None
    """Where it stands on the question's ``axis``."""
    promises: tuple[Promise, ...] = ()
    fresh: bool = False
    """Whether the server has to be one that has done nothing yet."""


@frozen
class Question:
    """What is asked, and how the answer is shown."""

    name: str
    """As its file is called."""
    title: str
    text: str
    """What the figures mean, for who reads the report: a sentence or two."""
    cases: tuple[Case, ...] = field()
    figure: str = "us"
    """The figure that the table and the chart show, the smaller the better. ``us``: CPU microseconds of the server per
    message; ``bytes``: memory of the server per connection; else one that the load or the program prints."""
    unit: str = "us of server CPU per message"
    axis: str | None = None
    """What ``Case.at`` is, if the cases lie on a curve: then the chart has a line for each contender."""
