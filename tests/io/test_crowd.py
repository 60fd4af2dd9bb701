"""A crowd of connections that has left gives its memory back, and only then is anything done about it."""

from __future__ import annotations

import gc

import pytest
import trio
import trio.testing

from actorws.io import allocator
from actorws.io.crowd import CROWD, DELAY, Crowd
from actorws.runtime import open_runtime


async def steps_after(came: int, left: int) -> int:
    """How often a crowd makes things anew when so many came and so many left."""
    renewed: list[float] = []
    async with open_runtime() as runtime:
        crowd = Crowd(runtime, lambda: renewed.append(trio.current_time()))
        for _ in range(came):
            crowd.came()
        for _ in range(left):
            crowd.left()
        await trio.sleep(DELAY / 2)
        assert not renewed
        await trio.sleep(10)
    return len(renewed)


@pytest.mark.parametrize(("came", "left"), [(CROWD - 1, CROWD - 1), (CROWD, CROWD * 8 // 10), (CROWD, 0)])
async def test_few_connections_or_a_crowd_that_stays_cost_nothing(
    came: int, left: int, autojump_clock: trio.testing.MockClock
) -> None:
    assert await steps_after(came, left) == 0


@pytest.mark.parametrize("left", [CROWD * 9 // 10, CROWD])
async def test_a_crowd_that_has_left_is_seen_to_once(left: int, autojump_clock: trio.testing.MockClock) -> None:
    assert 0 < await steps_after(CROWD, left) < 20


def test_emptying_the_free_lists_leaves_what_others_froze_frozen() -> None:
    keep = [[] for _ in range(2000)]  # type: ignore[var-annotated]
    gc.freeze()
    try:
        allocator.empty_free_lists()
        assert gc.get_freeze_count() >= len(keep)
    finally:
        gc.unfreeze()


def test_emptying_the_free_lists_freezes_nothing_for_good() -> None:
    allocator.empty_free_lists()
    assert gc.get_freeze_count() <= allocator.FROZEN_BY_CPYTHON
