"""Unique names under whatever happens: in the end everybody agrees on who has each, and nobody else believes to."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest
import trio

from actorws.backoff import Backoff, Waits
from actorws.cluster.redis import RedisEngine
from actorws.exceptions import EngineUnavailable, NameTaken
from tests.support.nodes import Recorder, running, until
from tests.support.proxy import Proxy, open_proxy
from tests.support.redis import KINDS, RedisServer

NAMES = ("a", "b", "c")


class Actors:
    """What users of one node believe to have, kept as the registry keeps it."""

    def __init__(self, engine: RedisEngine, node: Recorder, history: dict[str, list[int]]) -> None:
        self.engine = engine
        self.owners: dict[str, int] = {}
        self.numbers = count(1)
        self._history = history
        node.name_lost = self.lost  # type: ignore[method-assign]

    def lost(self, name: str, actor: int, why: str) -> None:
        if self.owners.get(name) == actor:
            del self.owners[name]

    async def register(self, name: str, takeover: bool, scope: trio.CancelScope) -> None:
        actor = next(self.numbers)
        with scope:
            try:
                fence = await self.engine.register(name, actor, takeover=takeover)
            except (NameTaken, EngineUnavailable):
                return
            assert fence not in self._history[name], "each owner has a fence of its own"
            self._history[name].append(fence)
            self.owners[name] = actor

    def release(self, name: str) -> None:
        actor = self.owners.pop(name, None)
        if actor is not None:
            self.engine.release(name, actor)


def owners_of(name: str, nodes: list[Actors]) -> list[tuple[str, int]]:
    return [(actors.engine.node_id, actors.owners[name]) for actors in nodes if name in actors.owners]


def agreed(name: str, nodes: list[Actors], server: RedisServer) -> bool:
    """Whether the nodes and the server say the same."""
    entry = server.names().get(name)
    found = owners_of(name, nodes)
    if entry is None:
        return not found
    node, actor, fence = entry.split("|")
    fences = [actors.engine.fence(name) for actors in nodes if name in actors.owners]
    return found == [(node, int(actor))] and fences == [int(fence)]


@pytest.mark.parametrize("seed", range(4))
async def test_in_the_end_there_is_one_owner_or_none(start: Callable[..., RedisServer], seed: int) -> None:
    server = start(KINDS[seed % len(KINDS)])
    server.settle()
    choose = random.Random(seed)
    history: dict[str, list[int]] = {name: [] for name in NAMES}
    async with AsyncExitStack() as stack:
        nodes: list[Actors] = []
        proxies: list[Proxy] = []
        for _ in range(3):
            proxies.append(await stack.enter_async_context(open_proxy(server.path)))
            engine, node = await stack.enter_async_context(running(proxies[-1].url))
            engine._sessions._link._backoff = Waits(Backoff(initial=0.01, maximum=0.05))
            nodes.append(Actors(engine, node, history))
        async with trio.open_nursery() as nursery:
            scopes: list[trio.CancelScope] = []

            def register(takeover: bool) -> None:
                scopes.append(trio.CancelScope())
                nursery.start_soon(choose.choice(nodes).register, choose.choice(NAMES), takeover, scopes[-1])

            steps: list[tuple[int, Any]] = [
                (40, lambda: register(False)),
                (30, lambda: register(True)),
                (40, lambda: choose.choice(nodes).release(choose.choice(NAMES))),
                (20, lambda: choose.choice(scopes or [trio.CancelScope()]).cancel()),
                (1, lambda: choose.choice(proxies).cut()),
                (1, lambda: server.kill_clients(node=choose.choice(nodes).engine.node_id, subscribed=True)),
            ]
            whats = [step for weight, step in steps for _ in range(weight)]
            for _ in range(500):
                choose.choice(whats)()
                for _ in range(choose.choice([0, 0, 1, 2, 5, 20])):
                    await trio.lowlevel.checkpoint()
                if choose.random() < 0.05:
                    await trio.sleep(0.02)
            await until(lambda: not any(actors.engine.trouble for actors in nodes))
        for name in NAMES:
            await until(lambda name=name: agreed(name, nodes, server))
        assert sum(map(len, history.values())) > 20, "names were had at all"
