"""Makefile and .ci/prepare: a machine that lacks something is told in one line what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent

#: A Python that is too old for everything but saying so.
OLD_PYTHON = """#!/bin/sh
case "$*" in
    --version) echo Python 3.9.2 ;;
    *python_version*) echo 3.9.2 ;;
    *) exit 1 ;;
esac
"""


def refusal(*command: str, **environment: str) -> str:
    """The one line with which ``command`` fails."""
    done = subprocess.run(
        command, cwd=PROJECT, env=os.environ | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def old_python(tmp_path: Path) -> str:
    """A folder whose every Python is too old."""
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        (tmp_path / name).write_text(OLD_PYTHON)
        (tmp_path / name).chmod(0o755)
    return str(tmp_path)


def test_an_old_python_is_told_so_and_how_to_choose_another(old_python, tmp_path):
    line = refusal(".ci/prepare", "python", str(tmp_path / "venv"), PYTHON="", PATH=f"{old_python}:/usr/bin:/bin")
    assert line == (
        "actorws: Python 3.9.2 is too old: actorws needs Python 3.11 or later; "
        "choose one with PYTHON=, such as: make test PYTHON=/usr/bin/python3.12"
    )


def test_an_old_python_that_was_asked_for_is_told_so(old_python, tmp_path):
    python = f"{old_python}/python3"
    line = refusal(".ci/prepare", "python", str(tmp_path / "venv"), PYTHON=python)
    assert line == f"actorws: PYTHON={python} is Python 3.9.2; actorws needs at least 3.11: name another one"


def test_a_python_that_is_nowhere_is_told_so(tmp_path):
    line = refusal(".ci/prepare", "python", str(tmp_path / "venv"), PYTHON="/nowhere/python3")
    assert line.startswith("actorws: PYTHON=/nowhere/python3 can't be run; name a Python of at least 3.11")


def test_a_command_that_fails_leaves_nothing_that_looks_complete(tmp_path):
    """Without any source of packages; the next run begins anew."""
    venv = tmp_path / "venv"
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    command = [".ci/prepare", "python", str(venv)]
    environment = os.environ | offline | {"PYTHON": sys.executable}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("actorws: pip could not install the dependencies (see above)")
    assert not list(venv.glob(".made-from*"))


def test_a_machine_that_can_not_install_a_server_is_told_what_that_costs(tmp_path):
    """Nothing on PATH, and no apt-get either: everything else can still be tested, so it is no failure."""
    for name in ("sh", "dirname", "id"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    done = subprocess.run(
        [".ci/prepare", "redis"], cwd=PROJECT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "actorws: no redis-server: tests of the cluster are skipped; as root: apt-get install redis-server",
        "actorws: no iproute2: tests with networks of their own are skipped; as root: apt-get install iproute2",
    ]


def test_make_alone_lists_every_target_that_is_meant_for_people():
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    listed = subprocess.run(["make"], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True).stdout
    targets = "help demo test autobahn coverage soak chaos fuzz bench bench-full lint format types clean"
    assert [line.split()[1] for line in listed.splitlines()] == targets.split()
