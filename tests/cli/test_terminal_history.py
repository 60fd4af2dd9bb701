"""The file in which what was typed is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actorws.cli.terminal_history import KEPT_SIZE, MAX_SIZE, history_file


def test_it_is_where_the_xdg_specification_has_it_for_its_owner_alone(tmp_path: Path) -> None:
    path = history_file({"XDG_STATE_HOME": str(tmp_path / "new" / "state")})
    assert path == tmp_path / "new" / "state" / "actorws" / "history"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("environment", [{}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative"}])
def test_without_a_variable_it_is_below_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert history_file(environment) == tmp_path / ".local" / "state" / "actorws" / "history"


def test_one_that_others_can_read_is_mended(tmp_path: Path) -> None:
    (tmp_path / "actorws").mkdir()
    path = tmp_path / "actorws" / "history"
    path.write_text("\n# x\n+secret\n")
    path.chmod(0o644)
    assert history_file({"XDG_STATE_HOME": str(tmp_path)}) == path
    assert (path.stat().st_mode & 0o777, path.read_text()) == (0o600, "\n# x\n+secret\n")


def test_the_oldest_go_when_it_is_large(tmp_path: Path) -> None:
    (tmp_path / "actorws").mkdir()
    path = tmp_path / "actorws" / "history"
    entries = [f"\n# time\n+{number}\n" for number in range(MAX_SIZE // 10)]
    path.write_text("".join(entries))
    history_file({"XDG_STATE_HOME": str(tmp_path)})
    kept = path.read_text()
    assert KEPT_SIZE - 100 < len(kept) <= KEPT_SIZE
    assert kept.startswith("# time\n+") and kept.endswith(entries[-1])


def test_a_link_to_nowhere_is_left_as_it_is(tmp_path: Path) -> None:
    """As people have it who want no history; to change the rights of the device itself would be a disaster."""
    (tmp_path / "actorws").mkdir()
    path = tmp_path / "actorws" / "history"
    path.symlink_to("/dev/null")
    mode = os.stat("/dev/null").st_mode
    assert history_file({"XDG_STATE_HOME": str(tmp_path)}) == path
    assert os.stat("/dev/null").st_mode == mode


def test_where_there_can_be_none_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert history_file({"XDG_STATE_HOME": str(tmp_path / "file")}) is None
