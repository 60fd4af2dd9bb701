"""Simulate: the plan to internet scale, as a document.

    python -m benchmarks.cluster.simulate                    # print it
    python -m benchmarks.cluster.simulate --take FILE.json   # costs.json anew, from a run of the benchmark
    python -m benchmarks.cluster.simulate --write SCALE.md   # write it

Rule owned here: no number in ``SCALE.md`` is typed by hand: what was measured comes from ``costs.json``, the rest from
``model`` and ``scenarios``, and the words between from ``SCALE.template.md``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from math import isinf
from pathlib import Path
from typing import Any

import attrs

from benchmarks.cluster.model import Costs, Plan, TooLarge, largest, plan, servers
from benchmarks.cluster.scenarios import LIMITS, SCENARIOS, Scenario
from benchmarks.cluster.taking import take

__all__ = ["COSTS", "DOCUMENT", "document", "main"]

FOLDER = Path(__file__).parent
COSTS, TEMPLATE, DOCUMENT = (FOLDER / name for name in ("costs.json", "SCALE.template.md", "SCALE.md"))
#: How many times the users of a scenario, where one primary is not enough any more.
GROWN = (1, 10)


def document(figures: Mapping[str, Any]) -> str:
    """The whole of ``SCALE.md``, from what is in ``costs.json``."""
    costs = Costs(**{name: cost["value"] for name, cost in figures["costs"].items()})
    plans = [plan(scenario, costs) for scenario in SCENARIOS]
    parts = {
        "machine": figures["machine"],
        "server": figures["server"],
        "taken": figures["taken"],
        "costs": _costs(figures["costs"]),
        "limits": _limits(),
        "scenarios": "\n".join(f"- **{scenario.name}**: {scenario.what}." for scenario in SCENARIOS),
        "nodes": _nodes(plans),
        "engine": _engine(plans),
        "ends": _ends(costs),
        "servers": _servers(costs),
        "names_at_most": _number(LIMITS.recovery / costs.engine_name_back * 1e6),
        "subscriptions_at_most": _number(LIMITS.recovery / costs.engine_group_back * 1e6),
        "nodes_at_most": _number((LIMITS.engine_cpu * LIMITS.look_around / costs.engine_look * 1e6) ** 0.5),
        "deliveries_at_most": _number(LIMITS.engine_cpu / costs.engine_delivery * 1e6),
        "publishes_at_most": _number(LIMITS.engine_cpu / (costs.engine_publish + costs.engine_delivery) * 1e6),
        "sends_at_most": _number(LIMITS.engine_cpu / costs.engine_send * 1e6),
        "recovery": f"{LIMITS.recovery:g}",
        "engine_cpu": _percent(LIMITS.engine_cpu),
        "nats_factor": f"{LIMITS.nats_factor:g}",
        "nats_cores": f"{LIMITS.nats_cores:g}",
    }
    return TEMPLATE.read_text().format_map(parts)


def _costs(costs: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (name.replace("_", " "), _digits(cost["value"]), cost["unit"], cost["from"]) for name, cost in costs.items()
    ]
    return _table(("what", "cost", "unit", "where it comes from"), rows)


def _limits() -> str:
    fields = attrs.asdict(LIMITS)
    return _table(("what", "value"), [(name.replace("_", " "), _digits(value)) for name, value in fields.items()])


def _nodes(plans: Sequence[Plan]) -> str:
    rows = [
        (
            found.scenario.name,
            _number(found.scenario.users),
            _number(found.deliveries),
            _number(found.nodes),
            found.bound_by,
            _percent(found.node_cpu),
            _bytes(found.node_memory),
        )
        for found in plans
    ]
    head = ("scenario", "users", "deliveries to clients /s", "nodes", "bound by", "CPU of a node", "memory of a node")
    return _table(head, rows)


def _engine(plans: Sequence[Plan]) -> str:
    rows = []
    for found in plans:
        engine = found.engine
        exceeded = engine.exceeds(LIMITS)
        rows.append(
            (
                found.scenario.name,
                _number(engine.publishes),
                _number(engine.deliveries),
                _number(engine.sends),
                _percent(engine.cpu),
                f"{_bytes(engine.bandwidth)}/s",
                _bytes(engine.memory),
                f"{engine.recovery:.1f} s",
                f"no: {exceeded}" if exceeded else "yes",
            )
        )
    head = ("scenario", "publishes/s", "deliveries to nodes /s", "sends by name /s", "CPU", "out", "memory", "recovery")
    return _table((*head, "bears it"), rows)


def _ends(costs: Costs) -> str:
    rows = []
    for scenario in SCENARIOS:
        factor, why = largest(scenario, costs)
        users = "beyond anything" if isinf(factor) else _number(scenario.users * factor)
        rows.append((scenario.name, users, "-" if isinf(factor) else f"{_digits(factor)} x", why or "-"))
    return _table(("scenario", "users that one primary bears", "of the scenario", "what gives out then"), rows)


def _servers(costs: Costs) -> str:
    rows = []
    for scenario in SCENARIOS:
        for factor in GROWN:
            rows.append((scenario.name, _number(scenario.users * factor), *_needed(scenario.grown(factor), costs)))
    head = ("scenario", "users", "nodes", "primaries, by hash", "primaries, by partition", "NATS servers")
    return _table(head, rows)


def _needed(scenario: Scenario, costs: Costs) -> list[str]:
    try:
        found = [plan(scenario, costs).nodes, *servers(scenario, costs).values()]
    except TooLarge:
        return ["no number is enough", "-", "-", "-"]
    return ["no number is enough" if isinf(count) else _number(count) for count in found]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    lines.insert(1, "|" + "---|" * len(head))
    return "\n".join(lines)


def _number(value: float) -> str:
    """A large number in short: two digits that count."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


def _bytes(value: float) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} bytes"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:,.0f} %".replace(",", " ")


def _digits(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 1000 else f"{value:.3g}"


def main(arguments: Sequence[str]) -> int:
    """Take, write or print; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster.simulate", description=__doc__)
    parser.add_argument("--take", type=Path, metavar="FILE.json", help="a file that the benchmark has written")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="where the document goes; SCALE.md: beside this file"
    )
    options = parser.parse_args(arguments)
    figures = json.loads(COSTS.read_text())
    if options.take is not None:
        try:
            figures = take(json.loads(options.take.read_text()), figures)
        except (OSError, ValueError, LookupError, StopIteration) as error:
            return _refuse(f"{options.take} has not what is needed: {error!r}")
        nothing = [name for name, cost in figures["costs"].items() if cost["value"] <= 0]
        if nothing:
            return _refuse(f"{options.take} is of too short a run: {', '.join(nothing)} would cost nothing")
        COSTS.write_text(json.dumps(figures, indent=1) + "\n")
    text = document(figures)
    if options.write is None:
        print(text)
    else:
        (FOLDER / options.write if options.write.name == str(options.write) else options.write).write_text(text)
    return 0


def _refuse(why: str) -> int:
    print(f"benchmarks.cluster.simulate: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
