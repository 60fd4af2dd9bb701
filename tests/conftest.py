"""What holds for every test: how hard hypothesis tries, that a skip is never an accident in CI, and real servers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No deadline in any profile: a machine that is busy with something else is not a failure.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("quick", deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As whoever runs this in the background of a shell script has it; programs that are started here would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).resolve().parent.parent
#: Upper bounds for a machine that is busy with something else; a start takes 0.4 s and an end 0.1 s.
START_SECONDS, STOP_SECONDS = 60, 30

#: Beginnings of the reasons for which a test may be skipped in CI.
EXPECTED_SKIPS = ("needs kqueue", "needs network namespaces", "judges time")


def refuse_skip(report: Any) -> None:
    """In CI, turn a skip that nobody expects into a failure that says why it was skipped."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    if not in_ci or report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    where, line, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(EXPECTED_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"{where}:{line}: skipped in CI without being expected to: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    refuse_skip(report)
    return report


class ServerProcess:
    """A server in a process of its own, started by ``argv``: what somebody at a terminal would run."""

    def __init__(self, argv: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("w") as stderr:
            self.process = subprocess.Popen(
                argv, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        assert self.process.stdout is not None
        watchdog = Timer(START_SECONDS, self.process.kill)  # A server that says nothing must not hang the suite.
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        address = re.fullmatch("listening on https?://(.+)\n", line)
        if address is None:
            self.process.kill()
            self.process.communicate()
            pytest.fail(f"{' '.join(argv)} said {line!r}\n{self.log()}")
        self.address = address[1]

    def http(self, path: str = "/") -> str:
        return f"http://{self.address}{path}"

    def ws(self, path: str = "/") -> str:
        return f"ws://{self.address}{path}"

    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        """End it as Ctrl-C does, and see that it went well. Again: nothing."""
        if self.process.returncode is not None:
            return
        try:
            self.process.send_signal(signal.SIGINT)
            rest, _ = self.process.communicate(timeout=STOP_SECONDS)
            log = self.log()
            assert self.process.returncode == 0, log
            assert rest == "", "stdout has one line for each listener and nothing else"
            assert "Traceback" not in log, log
        finally:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[[Sequence[str]], ServerProcess]]:
    """Starts commands that serve; at the end of the test each must end cleanly on SIGINT, with status 0."""
    with ExitStack() as stack:
        numbers = count(1)

        def start(argv: Sequence[str]) -> ServerProcess:
            server = ServerProcess(argv, tmp_path / f"server{next(numbers)}.log")
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def serve_example(start_server: Callable[[Sequence[str]], ServerProcess]) -> Callable[[str], ServerProcess]:
    """Starts ``examples/NAME.py`` on a free port by the command that its docstring gives."""

    def start(name: str) -> ServerProcess:
        return start_server([sys.executable, "-m", "actorws", "serve", f"examples.{name}:app", "--port", "0"])

    return start
