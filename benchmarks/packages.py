"""Packages: a folder with what pip or npm has installed for one contender, and nothing else.

Rule owned here: a folder is filled when it is first asked for, and anew when what it was made from has changed or when
it was only half made; else it is left as it is, which needs neither time nor a network. Where packages come from is
what pip and npm are configured with. Must not know what they are for.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

__all__ = ["CannotInstall", "Report", "bun", "find", "node_modules", "run", "venv"]

#: Is told, in a line, what is about to take a while.
Report: TypeAlias = Callable[[str], None]

#: Seconds that venv, pip and npm may take, each time, and a program that is only asked what it is.
INSTALL, ASK = 300.0, 30.0
#: In each folder: what it was made from, and the versions that are in it. Written last.
STAMP = "made-from.json"
_MACHINE = f"{platform.system()} {platform.machine()}"


class CannotInstall(Exception):
    """Something can't be had; why, in a line."""


def venv(folder: Path, packages: Sequence[str], report: Report) -> tuple[Path, Mapping[str, str]]:
    """The Python of a virtual environment with ``packages`` from PyPI, and their versions.

    It is made with the interpreter that runs us, and with its pip.
    """
    return _python_of(folder), _filled(folder, packages, f"{sys.version} {sys.base_prefix}", _make_venv, report)


def node_modules(folder: Path, packages: Sequence[str], report: Report) -> tuple[Path, Mapping[str, str]]:
    """A ``node_modules`` with ``packages`` from npm, and their versions."""
    return folder / "node_modules", _filled(folder, packages, _MACHINE, _make_node_modules, report)


def bun(modules: Path) -> Path:
    """The program of the package ``bun``; npm has chosen the one for this machine."""
    for program in modules.glob("@oven/*/bin/bun"):
        return program
    raise CannotInstall(f"Bun has no program for {platform.system()} on {platform.machine()}")


def find(program: str) -> str:
    """The path of ``node`` or ``npm``."""
    path = shutil.which(program)
    if path is None:
        raise CannotInstall(f"there is no {program} (Debian: apt-get install nodejs npm)")
    return path


def run(what: str, command: Sequence[str], seconds: float = ASK) -> str:
    """What ``command`` prints; ``what`` is how people know it. Raises ``CannotInstall`` if it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"{what} took more than {seconds:g} s") from None
    except OSError as error:
        raise CannotInstall(f"{what} can't be run: {error}") from None
    if done.returncode:
        raise CannotInstall(f"{what} ended with status {done.returncode}: {_complaint(done.stderr + done.stdout)}")
    return done.stdout


def _complaint(output: str) -> str:
    """What npm says first, after its code for it, or pip last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    of_npm = [line for line in lines if line.startswith("npm error") and not line.startswith("npm error code")]
    return (of_npm[:1] or lines[-1:] or ["it said nothing"])[0]


def _filled(
    folder: Path,
    packages: Sequence[str],
    by: str,
    fill: Callable[[Path, Sequence[str]], Mapping[str, str]],
    report: Report,
) -> Mapping[str, str]:
    """The versions of what is in ``folder``, which is filled unless it was before, from the same."""
    wanted, stamp = [by, *packages], folder / STAMP
    try:
        found = json.loads(stamp.read_text())
        if found["from"] == wanted:
            return dict(found["versions"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # Never filled, or not to the end.
    report(f"installing {', '.join(packages)}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    versions = fill(folder, packages)
    stamp.write_text(json.dumps({"from": wanted, "versions": versions}))
    return versions


def _make_venv(folder: Path, packages: Sequence[str]) -> Mapping[str, str]:
    """With our own pip: to have one in each environment takes longer than most packages."""
    run("python -m venv", [sys.executable, "-m", "venv", "--without-pip", str(folder)], INSTALL)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(_python_of(folder))]
    run(f"pip install {' '.join(packages)}", [*pip, "install", "--quiet", "--prefer-binary", *packages], INSTALL)
    paths = [str(path) for path in folder.glob("lib/python*/site-packages")]
    versions = {_plain(found.name): found.version for found in metadata.distributions(path=paths)}
    return {name: versions[_plain(name)] for name in map(_name_of, packages)}


def _python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


def _name_of(requirement: str) -> str:
    """``uvloop`` of ``uvloop>=0.21``."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def _plain(name: str) -> str:
    """As PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _make_node_modules(folder: Path, packages: Sequence[str]) -> Mapping[str, str]:
    """Scripts of packages aren't run: Bun's only moves its program, and bufferutil brings what it could compile."""
    npm = [find("npm"), "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"]
    run(f"npm install {' '.join(packages)}", [*npm, *packages], INSTALL)
    manifests = {name: folder / "node_modules" / name / "package.json" for name in packages}
    return {name: str(json.loads(manifest.read_text())["version"]) for name, manifest in manifests.items()}
