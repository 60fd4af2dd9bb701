"""A folder of one's own: short enough for sockets, locked, and nobody else's is touched."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorws.cluster.private_folder import PREFIX, private_folder
from actorws.exceptions import ConfigError


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the folders are made: a place with a short name."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def test_it_is_for_its_owner_alone_and_goes_with_what_was_put_there(base: Path) -> None:
    with private_folder("sock", "log") as folder:
        assert folder.parent == base
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "sock").touch()
        (folder / "log").touch()
    assert list(base.iterdir()) == []


def test_what_somebody_else_put_there_stays(base: Path) -> None:
    with private_folder("sock") as folder:
        (folder / "core").touch()
    assert (folder / "core").exists()


def test_what_was_left_behind_is_removed_and_what_is_in_use_is_not(base: Path) -> None:
    left = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    (left / "sock").touch()
    with private_folder("sock") as one, private_folder("sock") as other:
        assert set(base.iterdir()) == {one, other}


def test_what_only_has_such_a_name_is_left_alone(base: Path) -> None:
    kept = base / f"{PREFIX}kept"
    kept.mkdir(mode=0o700)
    (kept / "precious").touch()
    (base / f"{PREFIX}open").mkdir(mode=0o755)
    (base / f"{PREFIX}file").touch()
    (base / f"{PREFIX}link").symlink_to(kept)
    before = set(base.iterdir())
    with private_folder("sock"):
        pass
    assert set(base.iterdir()) == before
    assert (kept / "precious").exists()


def test_a_place_with_a_long_name_is_not_for_sockets(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = base / ("a" * 80)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    with private_folder("sock") as folder:
        assert folder.parent == base


@pytest.mark.parametrize("place", ["", "/nowhere"])
def test_without_a_session_it_is_among_the_temporary_files(
    base: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", place)
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    with private_folder("sock") as folder:
        assert folder.parent == base


def test_without_any_place_it_is_said_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ConfigError, match="set XDG_RUNTIME_DIR"), private_folder("sock"):
        pass


@pytest.mark.parametrize("call", ["mkdtemp", "flock"])
def test_a_place_that_is_no_good_is_one_sentence_and_nothing_stays(
    base: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    owner = tempfile if call == "mkdtemp" else fcntl
    monkeypatch.setattr(owner, call, fail)
    why = "No space left on device" if call == "mkdtemp" else "it can't be locked"
    with pytest.raises(ConfigError, match=f"{base}: {why}; set XDG_RUNTIME_DIR"), private_folder("sock"):
        pass
    assert list(base.iterdir()) == []


def test_a_folder_that_somebody_takes_for_left_behind_is_made_again(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = tempfile.mkdtemp

    def unlucky(**options: str) -> str:
        made.append(make(**options))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", unlucky)
    with private_folder("sock") as folder:
        assert [str(folder)] == made[1:]
