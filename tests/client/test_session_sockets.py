"""Sessions of outbound connections over real sockets, through a proxy that cuts them."""

from __future__ import annotations

import trio

from actorws import App, Backoff, events, open_runtime
from actorws.events import Event
from tests.support.outbound_sessions import Many, Side
from tests.support.proxy import open_proxy
from tests.support.serving import serving
from tests.support.wire import SECONDS

OFTEN = Backoff(initial=0.01, maximum=0.02, health_time=1000)


async def test_a_proxy_that_cuts_costs_no_message() -> None:
    ours, theirs, app, seen = Side(), Many(), App(), list[Event]()
    app.websocket("/", theirs, session_buffer_messages=100_000)
    async with (
        serving(app) as server,
        open_proxy(("127.0.0.1", server.port)) as proxy,
        open_runtime(seen.append) as runtime,
    ):
        address = proxy.address
        connector = await runtime.connect(
            f"ws://{address[0]}:{address[1]}/", ours, backoff=OFTEN, session_buffer_messages=100_000
        )
        with trio.fail_after(SECONDS):
            for number in range(10):
                ours.now.say(*(f"{number} {i} up" for i in range(500)))
                theirs.now.say(*(f"{number} {i} down" for i in range(500)))
                while proxy.accepted <= number or connector._attempt._ended.is_set():
                    await trio.sleep(0.001)
                proxy.cut()
            while len(ours.now.heard) < 5001 or len(theirs.now.heard) < 5001:
                await trio.sleep(0.001)
        assert ours.now.heard == theirs.now.said and theirs.now.heard == ours.now.said
        assert len(ours.lives) == 1 and proxy.accepted > 5
        connector.close()
        await connector.wait_ended()
    assert not [event for event in seen if isinstance(event, events.BackgroundCrashed)]
