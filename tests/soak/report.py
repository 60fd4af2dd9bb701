"""Report: the figures of a soak, as lines for a person.

Rule owned here: what is printed; nothing is judged here. Must not know where figures come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.soak.leaks import COUNTED, MEMORY
from tests.soak.load import BAD, GOOD
from tests.soak.probe import Probe
from tests.soak.world import World

__all__ = ["figures", "left_behind", "progress"]

MiB = 1024 * 1024


def progress(seconds: float, world: World, probe: Probe, rss: int, share: float) -> str:
    """One line while it runs."""
    opened = sum(count for name, count in world.figures.items() if name.startswith("client "))
    messages = world.figures["messages"]
    return (
        f"{seconds:5.0f} s: {world.present} clients, {opened:,} so far; {messages:,} messages; probe p99 "
        f"{probe.percentile(0.99):.1f} ms, max {probe.percentile(1):.0f}; server {share:.0%} CPU, {rss / MiB:.0f} MiB"
    )


def figures(world: World, probe: Probe) -> str:
    """What happened."""
    lines: list[str] = []
    for title, kinds in (("good clients", GOOD), ("bad clients", BAD)):
        counts = {run.__name__.replace("_", " "): world.figures[f"client {run.__name__}"] for run in kinds}
        lines.append(f"{title}: {sum(counts.values()):,}")
        lines += _columns({name: f"{count:,}" for name, count in counts.items()})
    counts = {name: count for name, count in world.figures.items() if not name.startswith("client ")}
    counts["MiB"] = counts.pop("bytes", 0) // MiB
    counts |= {"owed and delivered": world.ledger.delivered, "withdrawn by leaving": world.ledger.withdrawn}
    lines += ["what happened", *_columns({name: f"{count:,}" for name, count in counts.items()})]
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    times = ", ".join(f"{name} {probe.percentile(share):.1f}" for name, share in shares.items())
    lines.append(f"probe: {len(probe.milliseconds):,} echoes in ms: {times}")
    return "\n".join(lines)


def left_behind(states: Mapping[str, Mapping[str, Any]]) -> str:
    """The server's statistics side by side, each below its title."""
    lines = [f"{'left behind':16}" + "".join(f"{title:>16}" for title in states)]
    for name in (*COUNTED, *MEMORY, "peak", "garbage"):
        lines.append(f"  {name:14}" + "".join(f"{state[name]:>16,}" for state in states.values()))
    return "\n".join(lines)


def _columns(values: Mapping[str, str]) -> list[str]:
    cells = [f"  {name:22}{value:>12}" for name, value in values.items()]
    return ["".join(cells[begin : begin + 3]) for begin in range(0, len(cells), 3)]
