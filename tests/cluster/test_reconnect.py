"""Who comes back at once, to another node, finds its name free, though that node hears of it before the engine does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actorws import NameTaken, Websocket
from actorws.cluster.redis import RedisEngine
from actorws.testing import open_app
from tests.support.proxy import open_proxy
from tests.support.redis import RedisServer

#: Seconds that the engine hears later of the end of an actor than its client: longer than that of any real one.
LATER = 0.02
TIMES = 20


class Named(Websocket):
    """Has the only name there is, or says who else has it."""

    async def init(self, conn: Any) -> Any:
        try:
            await conn.register("name")
        except NameTaken:
            return None, ["taken"]
        return None, ["mine"]

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        return state, [frame]


async def test_who_comes_back_at_once_to_another_node_has_its_name(start: Callable[..., RedisServer]) -> None:
    server = start("redis")
    server.settle()
    async with open_proxy(server.path) as slow:
        engines = RedisEngine(slow.url), RedisEngine(server.url)
        async with open_app(Named, engine=engines[0]) as one, open_app(Named, engine=engines[1]) as other:
            slow.up.delay = LATER
            for _ in range(TIMES):
                for node in (one, other):
                    client = await node.connect()
                    assert await client.receive() == "mine"
                    await client.close()


async def test_who_does_not_go_keeps_its_name(server: RedisServer) -> None:
    async with (
        open_app(Named, engine=RedisEngine(server.url)) as one,
        open_app(Named, engine=RedisEngine(server.url)) as other,
    ):
        first = await one.connect()
        assert await first.receive() == "mine"
        assert await (await other.connect()).receive() == "taken"
        await first.send("still here")
        assert await first.receive() == "still here"
