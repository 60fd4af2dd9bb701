"""The guard as its process sees it; what comes of it, with real processes, is shown by the tests of the launcher."""

from __future__ import annotations

import os
import select
import signal
from typing import Any

import pytest

from actorws.cluster import guard


class Ended(BaseException):
    """This process has exited, or is another program now."""


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the guard does to this process instead of doing it. Its parent is 7."""
    done: list[Any] = []

    def end(*arguments: Any) -> None:
        done.append(arguments)
        raise Ended

    monkeypatch.setattr(signal, "pthread_sigmask", lambda how, signals: done.append(set(signals)))
    monkeypatch.setattr(os, "getppid", lambda: 7)
    monkeypatch.setattr(os, "execv", end)
    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(os, "kill", lambda *arguments: done.append(arguments))
    return done


def run(*arguments: str) -> None:
    with pytest.raises(Ended):
        guard.main(list(arguments))


HELD_BACK = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def test_it_becomes_the_command_that_dies_with_its_parent(system: list[Any], monkeypatch: Any) -> None:
    import ctypes

    class Library:
        def __init__(self, name: None) -> None:
            pass

        def prctl(self, option: int, number: int) -> None:
            system.append((option, number))

    monkeypatch.setattr(ctypes, "CDLL", Library)
    run("7", "death-signal", "/bin/x", "-v")
    assert system == [HELD_BACK, (1, signal.SIGKILL), ("/bin/x", ["/bin/x", "-v"])]


def test_where_the_system_has_no_such_signal_a_child_watches(
    system: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fork", lambda: 99)
    run("7", "watch", "/bin/x")
    assert system == [HELD_BACK, ("/bin/x", ["/bin/x"])]


def test_whose_parent_has_gone_already_never_becomes_the_command(system: list[Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(os, "fork", lambda: 99)
    run("8", "watch", "/bin/x")
    assert system == [HELD_BACK, (1,)]


def test_the_child_kills_the_command_when_the_pipe_has_ended(system: list[Any], monkeypatch: Any) -> None:
    looks = iter([([], [], []), ([0], [], [])])
    monkeypatch.setattr(os, "fork", lambda: 0)
    monkeypatch.setattr(select, "select", lambda *arguments: next(looks))
    run("7", "watch", "/bin/x")
    assert system == [HELD_BACK, (7, signal.SIGKILL), (0,)]


def test_the_child_ends_when_there_is_nothing_left_to_watch(system: list[Any], monkeypatch: Any) -> None:
    parents = iter([7, 7, 1])
    monkeypatch.setattr(os, "fork", lambda: 0)
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    monkeypatch.setattr(select, "select", lambda *arguments: ([], [], []))
    run("7", "watch", "/bin/x")
    assert system == [HELD_BACK, (0,)]
