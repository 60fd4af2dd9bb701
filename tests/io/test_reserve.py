"""The reserve: memory for those who are in, when there is none for anybody else."""

from __future__ import annotations

import mmap
import sys
from typing import Any

import pytest

from actorws.io.reserve import RESERVE, SPARE, Reserve


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the system gives address space away: set it to ``[False]``."""
    gives, real = [True], mmap.mmap

    def give(fd: int, size: int) -> Any:
        if not gives[0]:
            raise OSError(12, "Cannot allocate memory")
        return real(fd, size)

    monkeypatch.setattr(mmap, "mmap", give)
    return gives


def test_it_is_given_up_and_taken_again(system: list[bool]) -> None:
    reserve = Reserve()
    before = address_space()
    reserve.give_up()
    reserve.give_up()
    assert address_space() <= before - RESERVE
    assert reserve.has_room()
    assert address_space() <= before
    reserve.give_up()


def address_space() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * mmap.PAGESIZE


def test_what_others_have_taken_is_not_there_until_enough_is_free(
    system: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve, used = Reserve(), [1_000_000]
    monkeypatch.setattr(sys, "getallocatedblocks", lambda: used[0])
    reserve.give_up()
    system[0] = False
    assert not reserve.has_room()
    used[0] -= SPARE
    assert not reserve.has_room()
    used[0] -= 1
    assert reserve.has_room()
    used[0] = 0
    assert reserve.has_room(), "where the number of blocks can't be told"
    system[0] = True
    used[0] = 1_000_000
    assert reserve.has_room()
    reserve.give_up()


def test_a_process_that_has_none_from_the_beginning_serves_all_the_same(system: list[bool]) -> None:
    """Until there is a want of memory."""
    system[0] = False
    reserve = Reserve()
    assert reserve.has_room()
    reserve.give_up()
    assert not reserve.has_room()
