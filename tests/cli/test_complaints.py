"""An address that can't be had is one line, whoever says why."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actorws.cli import command


def test_an_address_in_use_is_one_line(site: str, fails: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert fails("serve", f"{site}:app", "--port", str(port)) == f"127.0.0.1:{port} is already in use"


def test_an_address_of_another_machine_is_one_line(site: str, fails: Callable[..., str]) -> None:
    line = fails("serve", f"{site}:app", "--host", "192.0.2.1", "--port", "0")
    assert line == "can't listen on 192.0.2.1:0: this machine doesn't have that address"


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_a_host_that_cannot_be_a_name_is_one_line(site: str, fails: Callable[..., str], host: str) -> None:
    assert f"host {host!r}" in fails("serve", f"{site}:app", "--host", host, "--port", "0")


def test_a_unix_socket_in_a_missing_folder_is_one_line(site: str, fails: Callable[..., str], folder: Path) -> None:
    line = fails("serve", f"{site}:app", "--unix", f"{folder}/run/a.sock")
    assert line == f"can't listen on unix:{folder}/run/a.sock: there is no folder {folder}/run"


def test_a_unix_socket_in_use_is_one_line(site: str, fails: Callable[..., str], folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("a.sock")
        taken.listen()
        assert fails("serve", f"{site}:app", "--unix", "a.sock") == "unix:a.sock is already in use"
        assert (folder / "a.sock").exists(), "the one that has the address keeps it"


def test_a_path_too_long_for_a_unix_socket_is_one_line(site: str, fails: Callable[..., str]) -> None:
    path = "a" * 200
    assert fails("serve", f"{site}:app", "--unix", path) == f"can't listen on unix:{path}: AF_UNIX path too long"


def test_a_file_in_the_place_of_a_unix_socket_stays(site: str, fails: Callable[..., str], folder: Path) -> None:
    (folder / "notes.txt").write_text("precious")
    assert fails("serve", f"{site}:app", "--unix", "notes.txt") == "unix:notes.txt is already in use"
    assert (folder / "notes.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "no permission to listen on [::1]:80"),
        (OSError(errno.EADDRINUSE, "Address in use"), "[::1]:80 is already in use"),
        (socket.gaierror(socket.EAI_NONAME, "Name unknown"), "the host '::1' can't be resolved: Name unknown"),
        (OSError(errno.EMFILE, "Too many open files"), "can't listen on [::1]:80: too many open files (see ulimit -n)"),
        (OSError(errno.EINVAL, "Invalid argument: [::1]:80"), "can't listen on [::1]:80: Invalid argument"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: ExceptionGroup("a nursery's", [e])], ids=["bare", "group"])
def test_what_the_system_says_of_an_address_is_one_line(
    site: str, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch, error: OSError, line: str, wrap: Any
) -> None:
    def run(target: Any, **_: Any) -> None:
        raise wrap(error)

    monkeypatch.setattr(command, "run", run)
    assert fails("serve", f"{site}:app", "--host", "::1", "--port", "80") == line
