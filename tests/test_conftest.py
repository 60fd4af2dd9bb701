"""The rule of conftest.py: in CI, a skip that nobody expects is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
EXPECTED = 'import pytest\n\ndef test(): pytest.skip("needs kqueue")\n'
UNEXPECTED = 'import pytest\n\ndef test(): pytest.skip("no browser here")\n'
UNEXPECTED_MODULE = 'import pytest\n\npytest.importorskip("a_module_that_is_nowhere")\n'
EXPECTED_FAILURE = "import pytest\n\n@pytest.mark.xfail\ndef test(): assert False\n"


def run_pytest(folder: Path, test: str, ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env=os.environ | {"CI": ci}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("test", [UNEXPECTED, UNEXPECTED_MODULE], ids=["test", "module"])
def test_in_ci_an_unexpected_skip_fails_and_says_why(tmp_path: Path, test: str) -> None:
    done = run_pytest(tmp_path, test, ci="true")
    assert done.returncode != 0
    assert "skipped in CI without being expected to" in done.stdout
    assert "no browser here" in done.stdout or "a_module_that_is_nowhere" in done.stdout


@pytest.mark.parametrize("test", [EXPECTED, EXPECTED_FAILURE], ids=["skip", "xfail"])
def test_in_ci_what_is_expected_passes(tmp_path: Path, test: str) -> None:
    assert run_pytest(tmp_path, test, ci="true").returncode == 0


def test_elsewhere_a_skip_is_a_skip(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, UNEXPECTED, ci="").returncode == 0
