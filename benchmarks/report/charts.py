"""Charts: a picture for each question.

Rule owned here: the same file gives the same picture, byte for byte. Bars, the shortest on top, or lines where the
cases lie on an axis; the spread of the rounds is drawn on each figure, ours stands out, and the floor is a dashed line.
The background is white, so that a picture can be read on a dark page as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from benchmarks.contender import OURS, Family
from benchmarks.figures import Spread, short
from benchmarks.report.results import Answer, CaseAnswer, Run

__all__ = ["draw", "draw_all"]

#: Inches; 72 points to an inch, and a README has room for 700 pixels.
WIDTH, BAR, HEAD, FOOT = 9.0, 0.27, 0.75, 0.6
#: From this range on bars are drawn on a logarithmic scale.
WIDE = 30
OURS_COLOUR, FLOOR_COLOUR, INK = "#0b62d6", "#555555", "#222222"
FAMILY_COLOURS = {"python": "#9db8d9", "native": "#e0a458", None: "#b9b9b9"}
LINES = ("#d1495b", "#2a9d4b", "#8a5fbf", "#b07d2b", "#17a2b8", "#e377c2", "#7f7f7f", "#bcbd22", "#c65d00", "#5c6b73")
FAMILIES: dict[Family | None, str] = {"python": "blue: Python", "native": "orange: C++, Zig, Node"}
MARKERS = "osD^vP<X>h"

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "actorws",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "text.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def draw_all(run: Run, folder: Path) -> list[Path]:
    """A picture ``NAME.svg`` of each question that has figures; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for answer in run.answers:
        path = folder / f"{answer.name}.svg"
        if draw(run, answer, path):
            drawn.append(path)
        else:
            path.unlink(missing_ok=True)
    return drawn


def draw(run: Run, answer: Answer, path: Path) -> bool:
    """The picture of one question, in the form that the name ``path`` ends with; whether there was anything to show."""
    shown = [case for case in answer.cases if _spreads(case, answer)]
    if not shown:
        return False
    with matplotlib.rc_context(_STYLE):
        is_curve = answer.axis is not None and sum(case.at is not None for case in shown) > 1
        figure = _curves(run, answer, shown) if is_curve else _bars(run, answer, shown)
        metadata = {"Date": None, "Creator": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata)
    return True


def _spreads(case: CaseAnswer, answer: Answer) -> dict[str, Spread]:
    found = {who: case.spread(who, answer.figure) for who in case.figures}
    return {who: spread for who, spread in found.items() if spread is not None}


def _sheet(answer: Answer, height: float) -> Figure:
    figure = Figure(figsize=(WIDTH, height))
    # Another font than the one that this is laid out with takes more room at the edges.
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.06)
    figure.suptitle(answer.title, x=0.012, ha="left", fontsize=14, fontweight="bold")
    return figure


def _floor(run: Run) -> str | None:
    return next((entrant.name for entrant in run.entrants if entrant.family == "floor"), None)


# Bars: a panel for each case, a bar for each contender.


def _bars(run: Run, answer: Answer, cases: list[CaseAnswer]) -> Figure:
    counts = [sum(who != _floor(run) for who in _spreads(case, answer)) or 1 for case in cases]
    height = sum(BAR * count + HEAD for count in counts) + FOOT
    figure = _sheet(answer, height)
    panels = figure.subplots(len(cases), 1, squeeze=False, height_ratios=[BAR * count + 0.2 for count in counts])
    for panel, case in zip(panels[:, 0], cases, strict=True):
        _panel(panel, run, answer, case)
    families = {run.family(who) for case in cases for who in _spreads(case, answer)}
    _explain(figure, answer, [words for family, words in FAMILIES.items() if family in families])
    return figure


def _explain(figure: Figure, answer: Answer, words: list[str]) -> None:
    """Under the picture: what its colours and stars mean."""
    if any(case.is_marked(who) for case in answer.cases for who in case.figures):
        words = [*words, "* the load was more than 85 % busy"]
    figure.supxlabel("; ".join(["less is better", *words]), x=0.01, ha="left", fontsize=9)


def _panel(panel: Axes, run: Run, answer: Answer, case: CaseAnswer) -> None:
    spreads, floor = _spreads(case, answer), _floor(run)
    bars = sorted((who for who in spreads if who != floor), key=lambda who: spreads[who].median)
    values = [spread.median for spread in spreads.values()]
    is_log = min(values) > 0 and max(values) / min(values) > WIDE
    if is_log:
        panel.set_xscale("log")
        panel.set_xlim(min(values) / 2, max(values) * 4)
    else:
        panel.set_xlim(0, max(spread.highest for spread in spreads.values()) * 1.15 or 1)
    for position, who in enumerate(bars):
        _bar(panel, position, who, case, spreads[who], run)
    if floor in spreads:
        _floor_line(panel, floor, spreads[floor].median)
    panel.set_yticks(range(len(bars)), bars)
    for label, who in zip(panel.get_yticklabels(), bars, strict=True):
        label.set_fontweight("bold" if who == OURS else "normal")
    panel.set_ylim(len(bars) - 0.4, -0.6)
    panel.tick_params(axis="y", length=0)
    panel.set_title(case.name, loc="left", fontsize=11, pad=16 if floor in spreads else 6)
    panel.set_xlabel(answer.unit + (", logarithmic scale" if is_log else ""), fontsize=9)
    panel.tick_params(axis="x", labelsize=9)


def _bar(panel: Axes, position: int, who: str, case: CaseAnswer, spread: Spread, run: Run) -> None:
    colour = OURS_COLOUR if who == OURS else FAMILY_COLOURS.get(run.family(who), FAMILY_COLOURS[None])
    around = [[spread.median - spread.lowest], [spread.highest - spread.median]]
    style = {"ecolor": INK, "capsize": 2.5, "elinewidth": 1}
    panel.barh(position, spread.median, height=0.72, color=colour, xerr=around, error_kw=style)
    text = short(spread.median) + ("*" if case.is_marked(who) else "")
    weight = "bold" if who == OURS else "normal"
    panel.annotate(
        text,
        (spread.highest, position),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        weight=weight,
    )


def _floor_line(panel: Axes, floor: str, value: float) -> None:
    panel.axvline(value, color=FLOOR_COLOUR, linestyle="--", linewidth=1.2)
    panel.annotate(
        f"the floor, {floor}: {short(value)}",
        (value, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=9,
        color=FLOOR_COLOUR,
    )


# Curves: a line for each contender.


def _curves(run: Run, answer: Answer, cases: list[CaseAnswer]) -> Figure:
    figure = _sheet(answer, 4.8)
    panel = figure.subplots()
    on_axis = [case for case in cases if case.at is not None]
    looks = cycle(zip(LINES, MARKERS, strict=True))
    for who in run.in_order(answer.entrants()):
        points = [(case.at or 0.0, spread) for case in on_axis if (spread := case.spread(who, answer.figure))]
        if points:
            star = "*" if any(case.is_marked(who) for case in on_axis) else ""
            _curve(panel, f"{who}{star}", points, _look(run, who, looks))
    panel.set_xscale("log")
    panel.set_yscale("log")
    _plain_numbers(panel)
    panel.set_xticks([case.at or 0 for case in on_axis], [_place(case) for case in on_axis])
    panel.set_xlabel(answer.axis or "")
    panel.set_ylabel(f"{answer.unit}\n(both scales are logarithmic)", fontsize=10)
    panel.grid(axis="y", color="#e5e5e5")
    _explain(figure, answer, ["dashed: the floor"] if _floor(run) else [])
    figure.legend(loc="outside right upper", frameon=False, fontsize=10)
    return figure


def _place(case: CaseAnswer) -> str:
    """As the case is called where there is room for that: 256 KiB rather than 262 144."""
    return case.name if len(case.name) <= 8 else short(case.at or 0)


def _look(run: Run, who: str, looks: Iterator[tuple[str, str]]) -> dict[str, Any]:
    if who == _floor(run):
        return {"color": FLOOR_COLOUR, "linestyle": "--", "linewidth": 1.4}
    if who == OURS:
        return {"color": OURS_COLOUR, "marker": "o", "linewidth": 3.2, "zorder": 3}
    colour, marker = next(looks)
    return {"color": colour, "marker": marker, "linewidth": 1.4}


def _curve(panel: Axes, label: str, points: list[tuple[float, Spread]], look: dict[str, Any]) -> None:
    at, spreads = [where for where, _ in points], [spread for _, spread in points]
    around = [[each.median - each.lowest for each in spreads], [each.highest - each.median for each in spreads]]
    medians = [each.median for each in spreads]
    panel.errorbar(at, medians, around, label=label, markersize=5, elinewidth=1, capsize=2, **look)


def _plain_numbers(panel: Axes) -> None:
    """0.5 and 2000, not powers of ten."""
    panel.xaxis.set_minor_locator(NullLocator())
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())
