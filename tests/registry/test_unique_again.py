"""A name that another node still seems to have is asked for again, for a moment: its actor may have ended just now."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actorws.cluster.local import LocalEngine
from actorws.cluster.messages import Messages
from actorws.exceptions import ConnectionEnded, NameTaken
from actorws.registry.courier import Courier
from actorws.registry.unique import AGAIN, Unique


class Reluctant(LocalEngine):
    """The engine of one node of several: until ``free_at``, another one has every name."""

    alone = False
    free_at = float("inf")

    def __init__(self) -> None:
        super().__init__()
        self.asked_at: list[float] = []

    async def register(self, name: str, actor: int, *, takeover: bool = False) -> int:
        self.asked_at.append(trio.current_time())
        if trio.current_time() < self.free_at:
            raise NameTaken(name)
        return await super().register(name, actor, takeover=takeover)


@pytest.fixture
def engine() -> Reluctant:
    return Reluctant()


@pytest.fixture
def unique(outbox: Any, engine: Reluctant) -> Unique:
    return Unique(Courier(outbox, engine, Messages()), lambda actor, name: None)


async def test_a_name_that_is_free_a_moment_later_is_had_then(
    unique: Unique, engine: Reluctant, new_actor: Any, autojump_clock: Any
) -> None:
    began = trio.current_time()
    engine.free_at = began + 0.03
    ann = new_actor()
    await unique.register("name", ann)
    assert unique.owner("name") is ann
    assert [at - began for at in engine.asked_at] == pytest.approx([0, 0.01, 0.05])


async def test_a_name_that_stays_taken_is_told_so_after_a_quarter_of_a_second(
    unique: Unique, engine: Reluctant, new_actor: Any, autojump_clock: Any
) -> None:
    began = trio.current_time()
    with pytest.raises(NameTaken):
        await unique.register("name", new_actor())
    assert trio.current_time() - began == pytest.approx(0.25)
    assert len(engine.asked_at) == len(AGAIN) + 1


async def test_a_name_that_another_actor_of_this_node_has_is_told_so_at_once(
    unique: Unique, engine: Reluctant, new_actor: Any, autojump_clock: Any
) -> None:
    engine.free_at = 0.0
    await unique.register("name", new_actor())
    before = trio.current_time()
    with pytest.raises(NameTaken):
        await unique.register("name", new_actor())
    assert (trio.current_time(), len(engine.asked_at)) == (before, 1)


async def test_a_takeover_that_came_too_late_is_not_tried_again(
    unique: Unique, engine: Reluctant, new_actor: Any, autojump_clock: Any
) -> None:
    with pytest.raises(NameTaken):
        await unique.register("name", new_actor(), "takeover")
    assert len(engine.asked_at) == 1


async def test_for_an_actor_that_has_ended_meanwhile_nobody_asks_again(
    unique: Unique, engine: Reluctant, new_actor: Any, nursery: trio.Nursery, autojump_clock: Any
) -> None:
    ann = new_actor()

    async def end() -> None:
        await trio.sleep(0.005)
        ann.has_ended = True

    nursery.start_soon(end)
    with pytest.raises(ConnectionEnded):
        await unique.register("name", ann)
    assert len(engine.asked_at) == 1


async def test_who_was_given_the_name_meanwhile_has_it(
    unique: Unique, engine: Reluctant, new_actor: Any, nursery: trio.Nursery, autojump_clock: Any
) -> None:
    """Two tasks of one actor that want the same."""
    ann = new_actor()
    engine.free_at = trio.current_time() + 0.005
    nursery.start_soon(unique.register, "name", ann)
    await trio.sleep(0.006)
    await unique.register("name", ann)
    await trio.sleep(1)
    assert unique.names_of(ann) == {"name"}
    assert len(engine.asked_at) == 2
