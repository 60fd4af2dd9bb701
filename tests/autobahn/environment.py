"""Where Autobahn's testsuite is: the folder that ``.ci/prepare autobahn`` fills, and the CPython 2.7 it was filled for.

Rule owned here: the stamp is written last, so a folder without one is half made and counts as nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["Environment", "NotPrepared", "find"]

PROJECT = Path(__file__).resolve().parent.parent.parent
DRIVER = Path(__file__).with_name("driver.py")
STAMP = ".made-from"
#: To import the suite takes 0.3 s.
LIST_SECONDS = 60


class NotPrepared(Exception):
    """There is no environment; the message says what to run."""


@frozen
class Environment:
    """How to run the suite."""

    command: tuple[str, ...]
    """What runs the driver; its argument comes behind."""
    packages: Path
    """The folder that pip installed into."""

    def argv(self, spec: Mapping[str, Any]) -> list[str]:
        """The command that has the driver do something."""
        return [*self.command, json.dumps({"packages": str(self.packages), **spec})]

    def all_cases(self) -> list[str]:
        """The number of every case there is, in no order."""
        done = subprocess.run(self.argv({}), capture_output=True, check=True, timeout=LIST_SECONDS)
        cases: list[str] = json.loads(done.stdout)
        return cases


def home() -> Path:
    """The folder that is kept between runs: AUTOBAHN_HOME, by default .autobahn in the project."""
    return PROJECT / (os.environ.get("AUTOBAHN_HOME") or ".autobahn")


def find() -> Environment:
    """The environment in ``home()``. Raises ``NotPrepared`` where there is none that is whole."""
    try:
        python = (home() / STAMP).read_text().splitlines()[0]
    except FileNotFoundError:
        raise NotPrepared(
            f"no Autobahn testsuite in {home()}: with a CPython 2.7 (AUTOBAHN_PYTHON=, pyenv's or python2.7)"
            " `make autobahn` installs it"
        ) from None
    if not os.access(python, os.X_OK):
        raise NotPrepared(f"{python}, for which {home()} was made, is gone: `make autobahn` makes it anew")
    # -E and -s: nothing of the user's own environment or packages may matter.
    return Environment((python, "-E", "-s", "-W", "ignore", str(DRIVER)), home() / "py27")
