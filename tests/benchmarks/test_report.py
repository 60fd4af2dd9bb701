"""The benchmarks' report: nothing is hidden, and all of it comes from the file that a run has written."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from rich.console import Console

from benchmarks.__main__ import LATEST
from benchmarks.question import Case, Promise
from benchmarks.report import charts, results, summary, table
from benchmarks.report.answers import Answers
from benchmarks.report.progress import watching
from benchmarks.report.results import Answer, CaseAnswer, Entrant, Run
from tests.support.bench import Scripted, question

README = Path(__file__).parents[2] / "README.md"
ENTRANTS = (
    Entrant("limit (C)", "floor", "gcc 12"),
    Entrant("actorws", "python", "actorws 0.1.0, trio 0.30"),
    Entrant("picows", "python", "picows 1.8"),
    Entrant("Bun", "native"),
)


def us(*values: float, busy: float = 0.5) -> dict[str, list[float]]:
    return {"us": list(values), "busy": [busy] * len(values)}


def case(figures: Mapping[str, Any], *promises: Promise, name: str = "64 connections", **more: Any) -> CaseAnswer:
    return CaseAnswer(name, promises=promises, figures=dict(figures), **more)


def made(*cases: CaseAnswer, axis: str | None = None, figure: str = "us", **more: Any) -> Run:
    answer = Answer("echo", "Echo", "What it costs.", figure, "us for each message", axis, cases)
    about = {"processor": "a fast one", "python": "CPython 3.13"}
    run = Run("2026-01-02T03:04:05Z", "full", about, 3, 1.0, ENTRANTS, {}, (answer,))
    return evolve(run, **more)


PLAIN = case({"limit (C)": us(5), "actorws": us(7, 9, 8), "picows": us(10), "Bun": us(6, busy=0.9)})


def rows(text: str) -> list[list[str]]:
    """The cells of a table."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]


# The file


def test_a_run_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    one = case(
        {"actorws": us(1, 2.5, 3)}, Promise("picows", 0.95), failed={"Bun": "it died"}, left_out={"ws": "no npm"}
    )
    run = made(one, evolve(one, name="other", at=5.0), left_out={"nobody": "no such package"})
    results.write(tmp_path / "new" / "run.json", run)
    assert results.read(tmp_path / "new" / "run.json") == run


def test_the_file_has_the_values_of_a_figure_in_a_line_with_the_digits_that_count(tmp_path: Path) -> None:
    results.write(tmp_path / "run.json", made(case({"actorws": us(7.123456789, 1234567.0, 1e-7)})))
    assert '"us": [7.12346, 1.23457e+06, 1e-07],\n' in (tmp_path / "run.json").read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "is no run of the benchmarks: Expected `object`, got `array`"),
        ("{", "is no run of the benchmarks: Input data was truncated"),
        ('{"schema": 1}', "is no run of the benchmarks: Object missing required field"),
    ],
)
def test_a_file_that_is_something_else_is_refused_in_a_sentence(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"run.json {why}")):
        results.read(tmp_path / "run.json")


def test_a_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    results.write(tmp_path / "run.json", made(PLAIN, schema=7))
    with pytest.raises(ValueError, match="has schema 7, and this reads 1"):
        results.read(tmp_path / "run.json")


def test_what_rounds_have_shown_is_put_to_the_questions_that_were_asked() -> None:
    answers = Answers()
    for value in (1, 2):
        answers.add("life", "plain", "actorws", {"us": value})
    answers.add("life", "plain", "Bun", {"us": 3})
    answers.fail("life", "plain", "Bun", "it died")
    answers.leave_out("life", "plain", "ws", "no npm")
    asked = question(Case("plain", Scripted(), promises=(Promise("Bun"),), at=3), axis="connections")
    (answer,) = results.answered([asked], answers)
    assert (answer.title, answer.axis, answer.entrants()) == ("What is life", "connections", ["actorws", "Bun", "ws"])
    assert answer.cases == (
        CaseAnswer("plain", 3, (Promise("Bun"),), {"actorws": {"us": [1, 2]}}, {"Bun": "it died"}, {"ws": "no npm"}),
    )


# The table


def test_a_table_has_medians_with_their_spread_and_ours_in_bold() -> None:
    run = made(PLAIN)
    assert rows(table.question(run, run.answers[0])) == [
        ["", "64 connections"],
        ["---------------------", "-------------:"],
        ["limit (C) (the floor)", "5 (5 - 5)"],
        ["**actorws**", "**8** (7 - 9)"],
        ["picows", "10 (10 - 10)"],
        ["Bun", "6\\* (6 - 6)"],
    ]


@pytest.mark.parametrize(("busy", "is_marked"), [(0.85, False), (0.86, True)])
def test_a_figure_is_marked_where_the_load_was_more_than_85_percent_busy_in_any_round(
    busy: float, is_marked: bool
) -> None:
    one = case({"actorws": {"us": [1, 2, 3], "busy": [0.2, busy, 0.3]}})
    text = table.report(made(one))
    assert ("**2**\\* (1 - 3)" in text) == is_marked
    assert (table.LEGEND in text) == is_marked


def test_who_failed_or_was_left_out_is_named_with_the_reason() -> None:
    one = case({"actorws": us(1)}, failed={"picows": "picows has ended"}, left_out={"Bun": "there is no | here"})
    text = table.report(made(one, left_out={"ws": "npm is not installed"}))
    assert "- left out: ws, because npm is not installed" in text
    assert "- FAILED: picows, 64 connections: picows has ended" in text
    assert "- left out: Bun, 64 connections, because there is no | here" in text
    assert ["picows", "failed"] in rows(text)
    assert ["Bun", "left out"] in rows(text)


def test_a_case_that_was_not_asked_of_a_contender_is_empty_for_it() -> None:
    run = made(PLAIN, case({"actorws": us(1)}, name="ours alone"))
    assert ["picows", "10 (10 - 10)", ""] in rows(table.question(run, run.answers[0]))


@pytest.mark.parametrize(
    ("promise", "row"),
    [
        (Promise("picows", 0.8), ["<= 0.8 x picows", "0.80 x (8 to 10)", "met"]),
        (Promise("picows", 0.79), ["<= 0.79 x picows", "0.80 x (8 to 10)", "**MISSED**"]),
        (Promise("free"), ["<= 1 x free", "inf x (8 to 0)", "**MISSED**"]),
        (Promise(most=8), ["<= 8", "8", "met"]),
        (Promise(most=7.9), ["<= 7.9", "8", "**MISSED**"]),
        (Promise("aiohttp"), ["<= 1 x aiohttp", "8", "aiohttp was not measured: it died"]),
        (Promise("ws"), ["<= 1 x ws", "8", "ws was not measured"]),
    ],
)
def test_a_promise_is_met_or_missed_or_was_not_measured(promise: Promise, row: list[str]) -> None:
    figures = PLAIN.figures | {"free": us(0)}
    run = made(evolve(PLAIN, promises=(promise,), figures=figures, failed={"aiohttp": "it died"}))
    assert rows(table.promises(run))[2:] == [["Echo, 64 connections", *row]]


@pytest.mark.parametrize(
    ("asked", "row"),
    [
        ("fan", ["<= 1 x picows in Fan", "4.00 x (8 to 2)", "**MISSED**"]),
        ("chat", ["<= 1 x picows in 'chat'", "8", "picows was not measured"]),
    ],
)
def test_a_promise_may_be_about_a_peers_figure_in_another_question(asked: str, row: list[str]) -> None:
    run = made(evolve(PLAIN, promises=(Promise("picows", asked=asked),)))
    fan = evolve(run.answers[0], name="fan", title="Fan", cases=(evolve(PLAIN, figures={"picows": us(2)}),))
    assert rows(table.promises(evolve(run, answers=(*run.answers, fan))))[2:] == [["Echo, 64 connections", *row]]


def test_a_promise_is_not_met_where_ours_has_no_figure() -> None:
    run = made(case({"Bun": us(1)}, Promise("Bun"), failed={"actorws": "it died"}))
    assert rows(table.promises(run))[2:] == [["Echo, 64 connections", "<= 1 x Bun", "", "not measured: it died"]]


def test_the_report_says_on_what_and_how_it_was_measured() -> None:
    text = table.report(made(PLAIN))
    assert "A full run of 2026-01-02T03:04:05Z: 3 rounds, 1 s for each case in each of them." in text
    assert "- processor: a fast one" in text
    assert ["actorws", "actorws 0.1.0, trio 0.30"] in rows(text)
    assert "![Echo](charts/echo.svg)" in text


# The summary


def test_the_summary_has_what_is_promised_and_nothing_else() -> None:
    other = case({"actorws": us(1)}, name="not promised")
    text = summary.summary(made(evolve(PLAIN, promises=(Promise("Bun"),)), other))
    assert [row for row in rows(text) if "--" not in row[0]] == [
        ["", "limit (C)", "**actorws**", "picows", "Bun"],
        ["Echo, 64 connections", "5", "**8**", "10", "6\\*"],
    ]
    assert "medians of 3 rounds, less is better. 2026-01-02, a fast one, CPython 3.13." in text
    assert table.LEGEND in text


def test_the_summary_is_put_between_the_markers_and_nothing_else_changes(tmp_path: Path) -> None:
    readme, run = tmp_path / "README.md", made(evolve(PLAIN, promises=(Promise("Bun"),)))
    readme.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")
    summary.put_into_readme(readme, run)
    expected = f"before\n<!-- bench:begin -->\n{summary.summary(run)}\n<!-- bench:end -->\nafter\n"
    assert readme.read_text() == expected
    summary.put_into_readme(readme, run)
    assert readme.read_text() == expected


def test_a_file_without_markers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing")
    with pytest.raises(ValueError, match=r"README\.md has no place for the table"):
        summary.put_into_readme(tmp_path / "README.md", made(PLAIN))


def test_the_readme_has_the_table_of_the_run_that_is_kept() -> None:
    kept = LATEST / "latest.json"
    expected = summary.summary(results.read(kept)) if kept.exists() else None
    assert summary.in_readme(README.read_text()) == expected, (
        f"run: python -m benchmarks --report {kept} --readme README.md"
    )


def test_the_report_and_the_charts_are_those_of_the_run_that_is_kept(tmp_path: Path) -> None:
    kept = LATEST / "latest.json"
    expected = {}
    if kept.exists():
        run = results.read(kept)
        expected = {"report.md": table.report(run), **{f"charts/{a.name}.svg": "" for a in run.answers if a.entrants()}}
    found = {str(path.relative_to(LATEST)) for path in LATEST.rglob("*") if path.suffix in (".md", ".svg")}
    assert found == set(expected)
    assert not expected or (LATEST / "report.md").read_text() == expected["report.md"]


# Charts


def drawn(run: Run, folder: Path) -> str:
    (path,) = charts.draw_all(run, folder)
    assert path == folder / "echo.svg"
    return path.read_text()


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>(.*?)</text>", svg)


def test_a_chart_has_a_bar_for_each_contender_and_the_floor_as_a_line(tmp_path: Path) -> None:
    shown = texts(drawn(made(PLAIN), tmp_path))
    assert [text for text in shown if text in ("actorws", "picows", "Bun", "limit (C)")] == ["Bun", "actorws", "picows"]
    assert {"Echo", "64 connections", "us for each message", "8", "10", "6*", "the floor, limit (C): 5"} <= set(shown)
    assert any("* the load was more than 85 % busy" in text for text in shown)


def test_bars_over_a_wide_range_have_a_logarithmic_scale_and_say_so(tmp_path: Path) -> None:
    wide = case({"actorws": us(1), "picows": us(31)})
    narrow = case({"actorws": us(1), "picows": us(29)}, name="another")
    shown = texts(drawn(made(wide, narrow), tmp_path))
    assert [text for text in shown if "us for" in text] == [
        "us for each message, logarithmic scale",
        "us for each message",
    ]


def test_cases_on_an_axis_are_lines(tmp_path: Path) -> None:
    cases = [evolve(PLAIN, name=f"{at:g} connections", at=at) for at in (16, 64, 256)]
    shown = texts(drawn(made(*cases, axis="connections"), tmp_path))
    assert {"connections", "16", "64", "256", "limit (C)", "actorws", "picows", "Bun*"} <= set(shown)


def test_the_same_run_gives_the_same_picture(tmp_path: Path) -> None:
    curve = made(*(evolve(PLAIN, name=str(at), at=at) for at in (16, 64)), axis="connections")
    for run in (made(PLAIN), curve):
        first = drawn(run, tmp_path / "first")
        assert drawn(run, tmp_path / "second") == first
        assert "<dc:date>" not in first


def test_a_question_without_a_figure_has_no_picture_and_an_old_one_goes(tmp_path: Path) -> None:
    (tmp_path / "echo.svg").write_text("old")
    run = made(case({}, failed={"actorws": "it died"}))
    assert charts.draw_all(run, tmp_path) == []
    assert not (tmp_path / "echo.svg").exists()
    assert "echo.svg" not in table.report(run)


def test_a_figure_of_nothing_can_be_drawn(tmp_path: Path) -> None:
    cases = [evolve(PLAIN, name=str(at), at=at, figures={"actorws": us(0), "Bun": us(2)}) for at in (16, 64)]
    assert "Echo" in texts(drawn(made(*cases), tmp_path))
    assert "Echo" in texts(drawn(made(*cases, axis="connections"), tmp_path))


def test_a_chart_has_room_for_more_contenders_than_there_are(tmp_path: Path) -> None:
    many = {f"peer {number}": us(number + 1) for number in range(30)}
    cases = [evolve(PLAIN, name=str(at), at=at, figures=many) for at in (16, 64)]
    assert {"peer 0", "peer 29"} <= set(texts(drawn(made(*cases, axis="connections"), tmp_path)))


# Progress


def test_a_terminal_has_a_bar_that_says_what_runs_now() -> None:
    told = io.StringIO()
    with watching(Console(file=told, force_terminal=True, width=120)) as watch:
        watch("round 1 of 3: picows", "echo, 64 connections", 7, 10)
    assert "round 1 of 3: picows: echo, 64 connections" in told.getvalue()
    assert "7/10" in told.getvalue()


def test_what_is_no_terminal_has_a_line_for_each_turn() -> None:
    told = io.StringIO()
    with watching(Console(file=told, force_terminal=False)) as watch:
        for turn, done in (("round 1 of 1: [a]", 0), ("round 1 of 1: [a]", 1), ("round 1 of 1: b", 2)):
            watch(turn, "echo", done, 4)
    assert told.getvalue() == "round 1 of 1: [a] (0 of 4 done)\nround 1 of 1: b (2 of 4 done)\n"
