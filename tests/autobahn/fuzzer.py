"""Runs groups of cases against a client of ours: for each a process of the suite, its fuzzing server, and a client's.

Rule owned here: nothing hangs, and nothing outlives the run. A group has its budget; the death of either process ends
it at once; and what was not played is told with its cause. Must not know what is good enough.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.autobahn.cases import Group
from tests.autobahn.environment import PROJECT, Environment
from tests.autobahn.processes import LOOK, end, last_line
from tests.autobahn.result import read_results
from tests.autobahn.suite import Outcome

__all__ = ["Fuzzer"]

#: Groups that are under way at a time. Of the two processes one waits for the other, mostly.
SIDE_BY_SIDE = 2
#: What runs a client; its name comes behind, the server's URL by stdin.
CLIENT = (sys.executable, "-m", "tests.autobahn.fuzzed")


@frozen
class Fuzzer:
    """The fuzzing server against a client."""

    environment: Environment
    client: str
    folder: Path = field(converter=Path)
    """Where results, logs and the reports of cases that aren't OK go. It must be there."""
    messages: int = 1000
    """How many each case with compression sends."""

    def play(self, groups: Iterable[Group]) -> Iterator[Outcome]:
        """Run each group, some at a time. What came of them, as they end."""
        waiting = deque(groups)
        running: list[_Running] = []
        try:
            while waiting or running:
                while waiting and len(running) < SIDE_BY_SIDE:
                    running.append(_Running(self, waiting.popleft()))
                for one in [one for one in running if one.is_over()]:
                    running.remove(one)
                    yield one.outcome()
                time.sleep(LOOK)
        finally:
            for one in running:
                one.end()


class _Running:
    """A group that is under way."""

    def __init__(self, fuzzer: Fuzzer, group: Group) -> None:
        stem = fuzzer.folder / f"{fuzzer.client}-{group.name}"
        self._group = group
        self._began = time.monotonic()
        self._trouble: str | None = None
        self._results = stem.with_name(f"{stem.name}.jsonl")
        self._results.unlink(missing_ok=True)
        self._server_log = stem.with_name(f"{stem.name}.server.log")
        self._client_log = stem.with_name(f"{stem.name}.client.log")
        with self._server_log.open("w") as output:
            self._server = subprocess.Popen(
                self._argv(fuzzer), cwd=fuzzer.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output
            )
        assert self._server.stdout is not None
        with self._server.stdout as url, self._client_log.open("w") as output:
            self._client = subprocess.Popen(
                [*CLIENT, fuzzer.client], cwd=PROJECT, stdin=url, stdout=output, stderr=output
            )

    def _argv(self, fuzzer: Fuzzer) -> list[str]:
        spec: dict[str, Any] = {
            "cases": self._group.cases,
            "messages": fuzzer.messages,
            "results": str(self._results),
            "reports": str(fuzzer.folder),
        }
        return fuzzer.environment.argv(spec)

    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        server, client = self._server.poll(), self._client.poll()
        if server is not None:
            self._trouble = f"the fuzzing server ended with status {server}: {last_line(self._server_log)}"
        elif client is not None:
            self._trouble = self._trouble_with_client(client)
        elif time.monotonic() > self._began + self._group.budget:
            self._trouble = f"stopped after its {self._group.budget:.0f} s"
        else:
            return False
        return True

    def _trouble_with_client(self, status: int) -> str | None:
        if status:
            return f"the client ended with status {status}: {last_line(self._client_log)}"
        if "Traceback" in self._client_log.read_text(errors="replace"):
            return f"the client ended with status 0, see {self._client_log}"
        return None

    def outcome(self) -> Outcome:
        """What came of it. Nothing of it runs any more."""
        seconds = time.monotonic() - self._began
        self.end()
        return Outcome(self._group, tuple(read_results(self._results)), self._trouble, seconds)

    def end(self) -> None:
        """End what still runs of it."""
        end(self._client)
        end(self._server)
