"""Taking: the costs that the model needs, out of what a run of the benchmark has measured.

Rule owned here: which figure stands for which cost. Costs of a node without a cluster are not measured here: they keep
the values that they have in ``costs.json``, which says where those come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.cluster.ledger import SIZE
from benchmarks.cluster.spread import NODES, STRANGERS

__all__ = ["line", "take"]

_BATCHED = ("publish", "runtime, unix: ticks of 100, 100 groups")
_HELD = "runtime: {} groups and names"
#: Which figure each cost is: question, case, figure.
_DIRECT = {
    "node_publish": (*_BATCHED, "CPU of the sender, us"),
    "node_arrive": (*_BATCHED, "CPU of the receiver, us"),
    "node_group_bytes": ("holding", _HELD, "a group on the node, bytes"),
    "node_name_bytes": ("holding", _HELD, "a name on the node, bytes"),
    "engine_send": ("names", "runtime: send, 64 tasks", "CPU of the engine, us"),
    "engine_register": ("names", "runtime: register", "CPU of the engine, us"),
    "engine_look": ("spread", f"a look at {STRANGERS} nodes", "time in the engine, us for a node"),
    "engine_group_back": ("holding", _HELD, "CPU of the engine, us for a group"),
    "engine_name_back": ("holding", _HELD, "CPU of the engine, us for a name"),
    "engine_group_bytes": ("holding", _HELD, "a group in the engine, bytes"),
    "engine_name_bytes": ("holding", _HELD, "a name in the engine, bytes"),
}


def take(run: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """``before`` with the costs of this ``run``. Raises ``KeyError`` for a figure that the run doesn't have."""
    medians = {(each["question"], each["case"], each["what"]): each["median"] for each in run["figures"]}
    held = next(case for question, case, _ in medians if question == "holding" and case.startswith("runtime"))
    costs = dict(before["costs"])
    for name, (question, case, what) in _DIRECT.items():
        case = held if case == _HELD else case
        costs[name] = _cost(costs[name], medians[question, case, what], f"{question}; {case}; {what}")
    _take_spread(costs, medians)
    machine = run["machine"]
    about = f"{machine['processor']}, {machine['cores']} cores, {machine['python']}"
    return {"machine": about, "server": run["server"], "taken": run["taken"], "costs": costs}


def _take_spread(costs: dict[str, Any], medians: Mapping[tuple[str, str, str], float]) -> None:
    def of(what: str) -> tuple[float, float]:
        return line([(nodes, medians["spread", f"to {nodes} nodes", what]) for nodes in NODES])

    at_none, for_each = of("CPU of the engine, us")
    _, size = of("bytes from the engine")
    where = f"spread; to {', '.join(map(str, NODES))} nodes"
    costs["engine_publish"] = _cost(
        costs["engine_publish"], at_none, f"{where}; CPU of the engine where the line begins"
    )
    costs["engine_delivery"] = _cost(costs["engine_delivery"], for_each, f"{where}; by how much it rises")
    costs["envelope_bytes"] = _cost(
        costs["envelope_bytes"], size - SIZE, f"{where}; bytes from the engine but the payload"
    )


def _cost(before: Mapping[str, Any], value: float, where: str) -> dict[str, Any]:
    return {"value": float(f"{value:.3g}"), "unit": before["unit"], "from": where}


def line(points: list[tuple[float, float]]) -> tuple[float, float]:
    """The straight line nearest to ``points`` (least squares): its height at 0, and by how much it rises."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    rise = sum((x - middle_x) * (y - middle_y) for x, y in points) / sum((x - middle_x) ** 2 for x, _ in points)
    return middle_y - rise * middle_x, rise
