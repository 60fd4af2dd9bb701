"""A short run of ``make chaos``, by one schedule, and what the command makes of an outcome."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import trio

from tests.chaos.__main__ import main
from tests.chaos.acts import read
from tests.chaos.chaos import Outcome, chaos
from tests.chaos.clients import messages_of
from tests.chaos.faults import Schedule


async def test_a_cluster_keeps_its_promises_under_faults(tmp_path: Path) -> None:
    outcome = await chaos(8, 182, tmp_path, print)
    assert outcome.faults == (), (outcome.faults[:5], outcome.figures)


async def _forget_without_grace(schedule: Schedule) -> None:
    """The server loses its memory while an owner can't be heard, and gives names away at once."""
    world = schedule.world
    having = {act.process for act in read(world.acts)[-100:]}
    owner = next(node for node in world.nodes if node.pid in having)
    others = [node for node in world.nodes if node is not owner]
    assert owner.proxy is not None
    owner.proxy.tell("hold")
    world.redis.stop()
    for node in others:
        node.signal(signal.SIGSTOP)  # they are not to come before there is no grace
    await trio.to_thread.run_sync(world.redis.start)
    world.redis.settle()
    for node in others:
        node.signal(signal.SIGCONT)
    await trio.sleep(1)  # as long as the owner surely believes that it is one
    owner.proxy.tell("flow")


async def test_without_grace_there_are_stale_acts(tmp_path: Path) -> None:
    """What is promised takes a grace; and the check can fail."""
    outcome = await chaos(1, 4, tmp_path, print, [_forget_without_grace])
    assert outcome.figures["stale acts"] and outcome.faults


@pytest.mark.parametrize(("faults", "status"), [((), 0), (("west has no owner",), 1)])
def test_the_exit_status_tells_and_so_does_the_seed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    faults: tuple[str, ...],
    status: int,
) -> None:
    async def instead(*_: object) -> Outcome:
        return Outcome(faults, {"acts": 3})

    monkeypatch.setattr("tests.chaos.__main__.chaos", instead)
    monkeypatch.setattr("sys.argv", ["chaos", "--seed", "17"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main() == status
    said = capsys.readouterr().out
    assert ("again with SEED=17" in said) == bool(status) and "acts: 3" in said


def test_frames_are_taken_out_whole() -> None:
    frames = b"\x81\x02hi" + b"\x81\x7e\x01\x00" + b"x" * 256 + b"\x88\x02\x03\xe8"
    buffer = bytearray()
    found: list[tuple[int, bytes]] = []
    for byte in frames:
        buffer.append(byte)
        found += messages_of(buffer)
    assert found == [(1, b"hi"), (1, b"x" * 256), (8, b"\x03\xe8")] and not buffer
