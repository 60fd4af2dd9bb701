"""``check_engine`` passes every engine that there is."""

from __future__ import annotations

from inspect import cleandoc
from types import SimpleNamespace

import pytest
import trio

from actorws.cluster.engine import Node
from actorws.cluster.local import LocalEngine
from actorws.exceptions import ConfigError
from actorws.notices import Gap
from actorws.testing import check_engine
from tests.support.hub import Hub, HubEngine, lose_link


async def test_the_local_engine_is_one() -> None:
    await check_engine(LocalEngine)


async def test_the_shortest_one_there_is_is_one(autojump_clock) -> None:
    hub = Hub()
    await check_engine(lambda: HubEngine(hub), lose_link=lose_link)
    assert hub.engines == {}, "both have ended"


async def test_links_are_not_touched_unless_somebody_knows_how(autojump_clock) -> None:
    hub = Hub()
    await check_engine(lambda: HubEngine(hub))


async def test_what_an_engine_raises_itself_is_raised() -> None:
    class Misconfigured(HubEngine):
        async def run(self, node: Node, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            raise ConfigError("a bad password")

    with pytest.raises(ExceptionGroup) as caught:
        await check_engine(lambda: Misconfigured(Hub()))
    assert caught.group_contains(ConfigError, match="a bad password")


async def test_the_example_in_its_docstring_works(autojump_clock) -> None:
    hub = Hub()

    def close_connections_of(node_id: str) -> None:
        hub.engines[node_id].tell(lambda node: node.gap(Gap(0.0, "closed")))

    assert check_engine.__doc__ is not None
    _, _, example = cleandoc(check_engine.__doc__).partition("::\n")  # from 3.13 on it is indented no more
    code = "\n".join(line[4:] for line in example.splitlines() if line.startswith(" " * 4))
    names = {"MyEngine": HubEngine}
    exec(code, names)
    await names["test_my_engine_is_one"](SimpleNamespace(url=hub, close_connections_of=close_connections_of))
