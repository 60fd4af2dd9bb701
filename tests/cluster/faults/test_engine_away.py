"""While the engine is away: whoever is on one node is there for each other, and everything else is refused."""

from __future__ import annotations

from actorws import App, Websocket
from actorws.cluster.redis import RedisEngine
from actorws.exceptions import EngineUnavailable
from actorws.testing import open_app
from tests.support.nodes import until
from tests.support.owners import timings

#: Seconds: names are not lost in this test.
LONG = 30.0


class Member(Websocket):
    """Has the name of its path, and is in the room; of what it is told to do it says what came of it."""

    async def init(self, conn):
        await conn.register(conn.path[1:])
        await conn.join("room")
        return None, ["ready"]

    async def handle_client_message(self, state, conn, frame):
        what, _, name = frame.partition(" ")
        try:
            match what:
                case "publish":
                    return state, [str(await conn.publish("room", "published", exclude=conn))]
                case "send":
                    return state, [str(await conn.send_message(name, "sent"))]
                case "register":
                    return state, [str(await conn.register(name))]
        except EngineUnavailable:
            return state, ["unavailable"]

    def handle_server_message(self, state, conn, message):
        return state, [message]


async def test_members_of_one_node_reach_each_other_and_nobody_else(new_server):
    server = await new_server()
    app = App()
    app.websocket("/{name}", Member)
    async with (
        open_app(app, engine=RedisEngine(server.url, timings=timings(LONG))) as here,
        open_app(app, engine=RedisEngine(server.url, timings=timings(LONG))) as there,
    ):
        anna, ben, cora = await here.connect("/anna"), await here.connect("/ben"), await there.connect("/cora")
        assert [await client.receive() for client in (anna, ben, cora)] == ["ready"] * 3
        server.stop()
        await until(lambda: here.runtime.engine.trouble)
        for asked, said, heard in (
            ("send ben", "True", "sent"),
            ("publish", "unavailable", "published"),
            ("send cora", "unavailable", None),
            ("register another", "unavailable", None),
        ):
            await anna.send(asked)
            assert await anna.receive() == said
            if heard is not None:
                assert await ben.receive() == heard
        assert len(here.runtime.supervisor) == 2 and len(there.runtime.supervisor) == 1, "their connections stay open"
