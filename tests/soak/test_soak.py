"""A short soak, with all the checks of a long one; and soaks of servers that are broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
#: Far more than a soak of a few seconds takes, with all that it waits for.
SECONDS = 200


def soak(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.soak", "--clients=40", f"--log={tmp_path / 'server.log'}", *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=SECONDS)


def test_a_server_among_good_and_bad_clients_loses_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    """Status 0 says so; that the figures say it too shows that there was something to lose."""
    done = soak(tmp_path, "--seconds=8", "--seed=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("soak: passed (seed 1)\n")
    assert "owed and delivered" in done.stdout
    assert done.stderr == ""


def test_a_lost_message_fails_the_soak_with_the_seed_to_do_it_again(tmp_path: Path) -> None:
    done = soak(tmp_path, "--app=tests.soak.broken:lossy", "--seconds=20", "--seed=2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "soak: FAILED: ledger: " in done.stdout
    assert "never came, but a later one did" in done.stdout
    assert "again with SEED=2" in done.stdout


def test_a_server_that_ends_by_itself_fails_the_soak(tmp_path: Path) -> None:
    done = soak(tmp_path, "--app=tests.soak.broken:dying", "--seconds=20", "--seed=3")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "soak: FAILED: the server ended by itself, with status 3" in done.stdout
