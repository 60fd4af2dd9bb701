"""What the soaked server says about itself changes with each thing that a client can leave behind."""

from __future__ import annotations

import json
from typing import Any

import trio

from actorws import Conn, Websocket
from tests.soak.app import serves
from tests.soak.leaks import COUNTED, leaks
from tests.support.serving import Server, serving
from tests.support.wire import connect, open_client


class Hanging(Websocket):
    async def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
        conn.send("hanging")
        await trio.sleep_forever()


async def statistics(server: Server) -> dict[str, Any]:
    async with connect(server.port) as client:
        response = await client.get("/soak/statistics?tidy=1")
    answer: dict[str, Any] = json.loads(response.body)
    return answer


async def test_a_client_that_holds_everything_is_seen_in_every_count() -> None:
    """But for the run queue, which is empty between two ticks, and for tasks: an idle connection has none."""
    async with serving(serves()) as server:
        before = await statistics(server)
        await server.no_wires()
        async with open_client(server.port, "/chat") as client:
            assert (await client.message()).startswith("= ")
            for line, answer in (("join room", "= 0"), ("claim name", "= yes"), ("remind 1 60", "= yes")):
                await client.text(line)
                assert await client.message() == answer
            during = await statistics(server)
            await client.close()
        # Its timer, and the deadline of the connection itself.
        seen = {"actors": 1, "wires": 1, "names": 1, "groups": 1, "members": 1, "timers": 2, "descriptors": 2}
        assert {name: during[name] - before[name] for name in COUNTED} == {"tasks": 0, "queued": 0} | seen
        await server.no_wires()
        assert leaks(await statistics(server), before) == []


async def test_a_callback_that_runs_is_seen_as_a_task() -> None:
    app = serves()
    app.websocket("/hanging", Hanging, terminate_timeout=0.1)
    async with serving(app) as server:
        before = await statistics(server)
        async with open_client(server.port, "/hanging") as client:
            await client.text("hang")
            assert await client.message() == "hanging"
            during = await statistics(server)
        assert during["tasks"] == before["tasks"] + 1
