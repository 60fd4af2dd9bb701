"""Runs groups of cases against a server of ours, each in a process of the suite of its own.

Rule owned here: nothing hangs. A group has its budget; the server's death ends it at once; and what was not run is told
with its cause. Must not know what is good enough.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.autobahn.cases import Group
from tests.autobahn.environment import Environment
from tests.autobahn.processes import LOOK, end, last_line
from tests.autobahn.result import Result, read_results
from tests.autobahn.target import Target

__all__ = ["Outcome", "Suite"]


@frozen
class Outcome:
    """What came of a group."""

    group: Group
    results: tuple[Result, ...] = ()
    trouble: str | None = None
    """Why it was cut short, if it was."""
    seconds: float = 0.0


@frozen
class Suite:
    """The fuzzing client against a server."""

    environment: Environment
    target: Target
    folder: Path = field(converter=Path)
    """Where results, logs and the reports of cases that aren't OK go. It must be there."""
    messages: int = 1000
    """How many each case with compression sends."""

    def play(self, groups: Iterable[Group]) -> Iterator[Outcome]:
        """Run each group in turn. Those behind the server's death are not run."""
        for group in groups:
            yield self._play(group)

    def _play(self, group: Group) -> Outcome:
        started = time.monotonic()
        if not self.target.answers():
            return Outcome(group, trouble=self.target.trouble() or "the server does not answer")
        results, log = self.folder / f"{group.name}.jsonl", self.folder / f"{group.name}.log"
        results.unlink(missing_ok=True)
        with log.open("w") as output:
            player = subprocess.Popen(self._argv(group, results), cwd=self.folder, stdout=output, stderr=output)
        try:
            trouble = self._watch(player, group.budget)
        finally:
            end(player)
        if trouble is None and player.returncode:
            trouble = f"the suite ended with status {player.returncode}: {last_line(log)}"
        return Outcome(group, tuple(read_results(results)), trouble, time.monotonic() - started)

    def _argv(self, group: Group, results: Path) -> list[str]:
        spec: dict[str, Any] = {
            "cases": group.cases,
            "url": self.target.url,
            "messages": self.messages,
            "results": str(results),
            "reports": str(self.folder),
        }
        return self.environment.argv(spec)

    def _watch(self, player: subprocess.Popen[bytes], budget: float) -> str | None:
        """Wait for the end of a group; why it has to be cut short, if it has."""
        deadline = time.monotonic() + budget
        while player.poll() is None:
            if trouble := self.target.trouble():
                return trouble
            if time.monotonic() > deadline:
                return f"stopped after its {budget:.0f} s"
            time.sleep(LOOK)
        return None
