"""A process that this one has started: its end is noticed, and told in words."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import pytest
import trio
import trio.testing

from actorws.cluster.child import Child, how_it_ended
from tests.support.wire import SECONDS

SLEEPS = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(1000)"]


@pytest.fixture(params=["by its descriptor", "in a thread"])
def way(request: pytest.FixtureRequest, monkeypatch: Any) -> None:
    """An old kernel has no descriptors of processes."""
    if request.param == "in a thread":

        def fail(pid: int) -> int:
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(os, "pidfd_open", fail, raising=False)


async def test_a_signal_ends_it_and_that_is_noticed(way: None) -> None:
    child = Child(SLEEPS)
    assert child.status is None
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + SECONDS
        nursery.start_soon(child.wait)
        await trio.testing.wait_all_tasks_blocked(0.01)
        child.send_signal(signal.SIGTERM)
    assert (child.status, await child.wait()) == (-signal.SIGTERM, -signal.SIGTERM)
    child.send_signal(signal.SIGTERM)
    child.kill()


async def test_killed_it_is_reaped() -> None:
    child = Child(SLEEPS)
    child.kill()
    assert child.status == -signal.SIGKILL
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, 0)


def test_how_it_ended_is_told_in_words() -> None:
    assert how_it_ended(3) == "ended with status 3"
    assert how_it_ended(-9) == "was killed by SIGKILL"
    assert how_it_ended(-200) == "was killed by signal 200"
