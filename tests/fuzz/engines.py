"""Engines: a process that feeds a target for a while, and what came of it.

Rule owned here: time and memory have bounds, whatever a target does. Must not know the targets.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from tests.fuzz.corpus import CORPUS, DICTIONARIES, save
from tests.fuzz.seeds import seeds

__all__ = ["ENGINES", "Outcome", "available", "fuzz", "keep"]

ENGINES = ("atheris", "hypothesis")
#: MiB, seconds for one input, and bytes of one: what is larger finds nothing that smaller ones don't.
MEMORY, PATIENCE, MAX_LENGTH = 1024, 10, 2048
#: Bytes of a kept input.
_KEPT_LENGTH = 512
_STATISTICS = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
_RUNS = re.compile(r"number_of_executed_units: (\d+)")


@frozen
class Outcome:
    """What one target's turn came to."""

    runs: int
    reached: str
    """What was reached of the code, in words."""
    inputs: int
    """Those that each reach something of their own."""
    found: Path | None
    """The input that the target raised for, if one was found."""
    report: str
    """What was told about it."""


def available() -> str:
    """The best engine that is installed."""
    return ENGINES[0] if importlib.util.find_spec("atheris") is not None else ENGINES[1]


def fuzz(engine: str, target: str, seconds: int, folder: Path) -> Outcome:
    """Run a target for about ``seconds``; new inputs and findings go to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in _findings(folder):
        old.unlink()
    if engine == "hypothesis":
        arguments = ["tests.fuzz.under_hypothesis", target, str(seconds), str(folder)]
    else:
        limits = [f"-max_total_time={seconds}", f"-timeout={PATIENCE}", f"-rss_limit_mb={MEMORY}"]
        arguments = ["tests.fuzz.under_atheris", target, *limits, f"-max_len={MAX_LENGTH}", "-print_final_stats=1"]
        words = DICTIONARIES / f"{target}.dict"
        arguments += [f"-dict={words}"] if words.exists() else []
        arguments += [f"-artifact_prefix={folder}/", *_inputs(target, folder)]
    status, output = _run(arguments, seconds)
    (folder / "log").write_text(output)
    found = next(iter(_findings(folder)), None)
    if status != 0 and found is None:
        raise RuntimeError(f"{engine} ended with status {status}:\n{output[-4000:]}")
    runs = _RUNS.search(output)
    covered, features, inputs = (int(number) for number in (_STATISTICS.findall(output) or [(0, 0, 0)])[-1])
    reached = f"{covered} edges, {features} features" if engine == "atheris" else f"{covered} lines"
    return Outcome(int(runs[1]) if runs else 0, reached, inputs, found, _report(output))


def keep(target: str, folder: Path) -> int:
    """Make the kept inputs anew from those kept and those found: the smallest that reach the same. How many."""
    merged = folder / "merged"
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    limits = [f"-max_len={_KEPT_LENGTH}", f"-rss_limit_mb={MEMORY}", "-merge=1"]
    status, output = _run(["tests.fuzz.under_atheris", target, *limits, str(merged), *_inputs(target, folder)], 600)
    if status != 0:
        raise RuntimeError(f"the merge ended with status {status}:\n{output[-4000:]}")
    inputs = [path.read_bytes() for path in merged.iterdir()]
    shutil.rmtree(CORPUS / target, ignore_errors=True)
    return len(save(CORPUS / target, inputs))


def _inputs(target: str, folder: Path) -> list[str]:
    """Folders of inputs; libFuzzer puts new ones into the first."""
    mine, by_hand, kept = folder / "inputs", folder / "seeds", CORPUS / target
    save(by_hand, seeds(target))
    for each in (mine, kept):
        each.mkdir(parents=True, exist_ok=True)
    return [str(mine), str(by_hand), str(kept)]


def _run(arguments: Sequence[str], seconds: int) -> tuple[int, str]:
    """A module in a process of its own, which has a minute to start and to end beside its ``seconds``."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        output, _ = process.communicate(timeout=seconds + 60 + PATIENCE)
    finally:
        process.kill()
        process.wait()
    return process.returncode, output


def _findings(folder: Path) -> list[Path]:
    """What libFuzzer calls inputs that raised, took too long or too much memory."""
    return [path for path in sorted(folder.iterdir()) if path.name.startswith(("crash-", "timeout-", "oom-", "leak-"))]


def _report(output: str) -> str:
    """From the exception on."""
    start = max(output.find("=== Uncaught Python exception"), output.find("Traceback (most recent call last)"), 0)
    return output[start : start + 4000]
