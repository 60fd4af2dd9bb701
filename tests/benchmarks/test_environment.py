"""The environment of the benchmarks: what is installed when, and who is left out for what reason.

Nothing here needs a network: pip has wheels that the tests make and no index, and node and npm are scripts.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from benchmarks import environment, packages
from benchmarks.contender import Contender
from benchmarks.environment import Environment, Prepared
from benchmarks.limit import build

NO_SUCH = Contender("nobody's", "python", ("{python}",), ("actorws-no-such-package",))
NODE = Contender("ws", "native", ("{node}", "{servers}/ws_node.js"), npm=("ws",))
BUN = Contender("Bun", "native", ("{bun}", "{servers}/bun.js"), npm=("bun",))
FLOOR = Contender("limit (C)", "floor", ("{limit}",))

FAKE_NPM = """
import json, os, sys
from pathlib import Path
folder = Path(sys.argv[sys.argv.index("--prefix") + 1])
for name in (word for word in sys.argv[2:] if not word.startswith(("-", "/"))):
    package = folder / "node_modules" / name
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": "8.0.0"}))
"""
NPM_THAT_FAILS = """
import sys
sys.exit("npm error code E404\\nnpm error 404 Not Found - GET https://there/ws\\nnpm error A complete log is elsewhere")
"""


@pytest.fixture(autouse=True)
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., Prepared]:
    """Has what was reported in ``prepare.reported``, of all calls."""
    reported: list[str] = []

    def prepare(*contenders: Contender) -> Prepared:
        return Environment(tmp_path / "cache").prepare(contenders, reported.append)

    prepare.reported = reported  # type: ignore[attr-defined]
    return prepare


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the programs that there are, from Python, all that is on PATH."""

    def make(**sources: str) -> None:
        folder = tmp_path / "programs"
        folder.mkdir()
        for name, source in sources.items():
            (folder / name).write_text(f"#!{sys.executable}\n{source}")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return make


def wheel(folder: Path, version: str) -> Path:
    """``tiny``, which has nothing but its version."""
    path = folder / f"tiny-{version}-py3-none-any.whl"
    info = f"tiny-{version}.dist-info"
    with ZipFile(path, "w") as file:
        file.writestr("tiny.py", f"version = {version!r}\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return path


def tiny(folder: Path, version: str = "1.0") -> Contender:
    return Contender(
        "Tiny!", "python", ("{python}", "-c", "import tiny; print(tiny.version)"), tiny_at(folder, version)
    )


def tiny_at(folder: Path, version: str) -> tuple[str, ...]:
    return (f"tiny @ {wheel(folder, version).as_uri()}",)


def said(prepared: Prepared) -> str:
    command = prepared.commands["Tiny!"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout.strip()


# What is installed, and when


def test_packages_are_installed_for_the_interpreter_that_runs_us(prepare, tmp_path):
    prepared = prepare(tiny(tmp_path))
    assert (prepared.left_out, said(prepared)) == ({}, "1.0")
    assert prepared.versions["Tiny!"].startswith("tiny 1.0, CPython 3.")
    folder = f"peers-{sys.version_info.major}.{sys.version_info.minor}/tiny"
    assert Path(prepared.commands["Tiny!"][0]) == tmp_path / "cache" / folder / "bin" / "python"
    assert len(prepare.reported) == 1 and prepare.reported[0].startswith("installing tiny @ ")


def test_a_second_time_nothing_is_installed_so_no_network_is_needed(prepare, tmp_path):
    contender = tiny(tmp_path)
    first = prepare(contender)
    (tmp_path / "tiny-1.0-py3-none-any.whl").unlink()
    assert prepare(contender) == first
    assert len(prepare.reported) == 1


def test_other_packages_are_installed_in_a_new_environment(prepare, tmp_path):
    first = prepare(tiny(tmp_path))
    left = Path(first.commands["Tiny!"][0]).parents[1] / "left"
    left.touch()
    assert said(prepare(tiny(tmp_path, "2.0"))) == "2.0"
    assert not left.exists()


def test_an_environment_that_was_made_only_half_is_made_again(prepare, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(packages, "_make_venv", half_a_venv)
        with pytest.raises(KeyboardInterrupt):
            prepare(tiny(tmp_path))
    assert said(prepare(tiny(tmp_path))) == "1.0"


def half_a_venv(folder: Path, wanted: object) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text("half a program")
    raise KeyboardInterrupt


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_stamp_that_says_nothing_counts_as_none(prepare, tmp_path, text):
    python = Path(prepare(tiny(tmp_path)).commands["Tiny!"][0])
    (python.parents[1] / packages.STAMP).write_text(text)
    assert said(prepare(tiny(tmp_path))) == "1.0"
    assert len(prepare.reported) == 2


def test_ours_needs_nothing_and_says_what_it_consists_of(prepare):
    prepared = prepare(Contender("actorws", "python", ("{ours}", "-m", "actorws")))
    assert prepared.commands == {"actorws": [sys.executable, "-m", "actorws"]}
    assert [word.split()[0] for word in prepared.versions["actorws"].split(", ")] == ["actorws", "trio", "CPython"]
    assert prepare.reported == []


def test_packages_for_node_are_found_by_a_server_that_is_elsewhere(prepare, programs, tmp_path):
    programs(node="print('v20.1.0')", npm=FAKE_NPM)
    prepared = prepare(NODE)
    modules, servers = tmp_path / "cache" / "node" / "ws" / "node_modules", environment.SERVERS
    node = str(tmp_path / "programs" / "node")
    assert prepared.commands == {"ws": ["env", f"NODE_PATH={modules}", node, f"{servers}/ws_node.js"]}
    assert prepared.versions == {"ws": "ws 8.0.0, Node.js 20.1.0"}


def test_the_cache_is_where_the_environment_variable_says():
    command = [sys.executable, "-c", "from benchmarks.environment import CACHE; print(CACHE)"]
    variables = {**os.environ, "ACTORWS_BENCH_CACHE": "/somewhere/else"}
    assert subprocess.check_output(command, env=variables, text=True, timeout=60) == "/somewhere/else\n"


# Who is left out


def test_who_can_not_be_installed_is_left_out_and_takes_nobody_with_it(prepare, tmp_path):
    prepared = prepare(NO_SUCH, tiny(tmp_path))
    assert list(prepared.left_out) == ["nobody's"] and list(prepared.commands) == ["Tiny!"]
    why = prepared.left_out["nobody's"]
    assert why.startswith("pip install actorws-no-such-package ended with status 1: ERROR: No matching distribution")
    assert "\n" not in why


def test_who_was_left_out_is_tried_again(prepare, tmp_path):
    missing = tiny(tmp_path)
    (tmp_path / "tiny-1.0-py3-none-any.whl").unlink()
    assert "Tiny!" in prepare(missing).left_out
    assert said(prepare(tiny(tmp_path))) == "1.0"


def test_an_installation_that_takes_too_long_is_given_up(prepare, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "INSTALL", 0.001)
    assert prepare(tiny(tmp_path)).left_out == {"Tiny!": "python -m venv took more than 0.001 s"}


def test_without_node_its_servers_are_left_out(prepare, programs):
    programs()
    why = "there is no node (Debian: apt-get install nodejs npm)"
    assert prepare(NODE, BUN).left_out == {"ws": why, "Bun": why}


def test_without_npm_they_are_left_out_too(prepare, programs):
    programs(node="print('v20.1.0')")
    assert prepare(NODE).left_out == {"ws": "there is no npm (Debian: apt-get install nodejs npm)"}


def test_what_npm_complains_of_is_the_reason(prepare, programs):
    programs(node="print('v20.1.0')", npm=NPM_THAT_FAILS)
    why = "npm install ws ended with status 1: npm error 404 Not Found - GET https://there/ws"
    assert prepare(NODE).left_out == {"ws": why}


def test_a_node_that_does_not_run_is_a_reason(prepare, programs):
    programs(node="raise SystemExit(3)", npm=FAKE_NPM)
    assert prepare(NODE).left_out == {"ws": "node --version ended with status 3: it said nothing"}


def test_a_machine_for_which_there_is_no_bun_is_a_reason(prepare, programs):
    programs(node="print('v20.1.0')", npm=FAKE_NPM)
    assert prepare(BUN).left_out["Bun"].startswith("Bun has no program for ")


def test_a_floor_that_can_not_be_built_is_left_out_for_the_reason_that_the_compiler_gave(prepare, monkeypatch):
    def fail() -> Path:
        raise OSError("limit can't be built: there is no C compiler 'cc'")

    monkeypatch.setattr(build, "binary", fail)
    assert prepare(FLOOR).left_out == {"limit (C)": "limit can't be built: there is no C compiler 'cc'"}


# Two at a time


def test_another_run_that_installs_is_waited_for_but_not_for_ever(prepare, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "OTHERS", 0.2)
    (tmp_path / "cache").mkdir()
    with (tmp_path / "cache" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match=r"another run has kept .*/lock for 0.2 s: end it first"):
            prepare()
    assert prepare() == Prepared()


def test_a_cache_that_can_not_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        Environment(tmp_path / "file" / "cache").prepare([])
