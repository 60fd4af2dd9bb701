"""Preparing the testsuite and finding it: what is half made counts as nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.autobahn.environment import PROJECT, NotPrepared, find

#: Looks like a CPython 2.7 whose pip does what the file beside it says.
PYTHON27 = """#!/bin/sh
case "$*" in
    *version_info*) exit 0 ;;
    *sys.executable*) echo "$0"; echo 2.7.18 ;;
    *) mkdir -p "$AUTOBAHN_HOME/py27"; echo "$*" >>"$0.calls"; exit "$(cat "$0.status")" ;;
esac
"""
#: Says of itself that it can't be used.
NO_PYTHON = "#!/bin/sh\nexit 1\n"


def executable(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.fixture
def python27(tmp_path: Path) -> Path:
    """An interpreter whose pip succeeds."""
    python = executable(tmp_path / "python27", PYTHON27)
    Path(f"{python}.status").write_text("0")
    return python


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOBAHN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def prepare(tmp_path: Path, status: int = 0, **environment: str) -> str:
    """What ``.ci/prepare autobahn`` says, with a pip for Python 3 that downloads nothing."""
    executable(tmp_path / "venv/bin/python", "#!/bin/sh\n")
    command = [".ci/prepare", "autobahn", str(tmp_path / "venv")]
    done = subprocess.run(
        command, cwd=PROJECT, env=os.environ | environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    return done.stderr


def test_without_a_python_2_that_is_said_in_a_line_and_nothing_is_made(tmp_path, home):
    executable(tmp_path / "bin/python2.7", NO_PYTHON)
    said = prepare(tmp_path, AUTOBAHN_PYTHON="", HOME=str(tmp_path), PATH=f"{tmp_path}/bin:/usr/bin:/bin")
    assert said == "actorws: no CPython 2.7: Autobahn's testsuite is skipped; name one with AUTOBAHN_PYTHON=\n"
    assert not home.exists()


def test_an_interpreter_that_was_asked_for_and_is_none_is_a_failure(tmp_path, home):
    said = prepare(tmp_path, status=1, AUTOBAHN_PYTHON=sys.executable)
    assert said == f"actorws: AUTOBAHN_PYTHON={sys.executable} is no CPython 2.7 that can be run; name another one\n"


def test_what_was_made_is_found_and_not_made_again(tmp_path, home, python27):
    assert "installing" in prepare(tmp_path, AUTOBAHN_PYTHON=str(python27))
    assert prepare(tmp_path, AUTOBAHN_PYTHON=str(python27)) == ""
    assert find().command[0] == str(python27)
    assert find().packages == home / "py27"


def test_what_was_half_made_is_not_found_and_is_made_again(tmp_path, home, python27):
    Path(f"{python27}.status").write_text("1")
    said = prepare(tmp_path, AUTOBAHN_PYTHON=str(python27))
    assert said.splitlines()[-1].startswith("actorws: pip could not install Autobahn's testsuite")
    assert (home / "py27").exists()
    with pytest.raises(NotPrepared, match="`make autobahn` installs it"):
        find()
    Path(f"{python27}.status").write_text("0")
    assert "installing" in prepare(tmp_path, AUTOBAHN_PYTHON=str(python27))
    find()


def test_what_was_made_for_another_interpreter_is_made_again(tmp_path, home, python27):
    prepare(tmp_path, AUTOBAHN_PYTHON=str(python27))
    other = python27.rename(tmp_path / "other")
    Path(f"{python27}.status").rename(f"{other}.status")
    with pytest.raises(NotPrepared, match="is gone"):
        find()
    assert f"for {other}" in prepare(tmp_path, AUTOBAHN_PYTHON=str(other))
    assert find().command[0] == str(other)
