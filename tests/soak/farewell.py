"""Farewell: the end of a server that has clients of all kinds.

Rule owned here: SIGTERM tells who listens with Close 1001, waits for nobody longer than it may, and ends with status 0.
Must not know what happened before.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio

from tests.soak.server import DRAIN_TIMEOUT, Server
from tests.soak.slackers import COUNT, SIZE, SMALL
from tests.soak.world import Fault
from tests.support.wire import CLOSE, TEXT, Client, connect, frame, handshake, open_client

__all__ = ["FAREWELL_CLIENTS", "end_server"]

#: Clients of each kind.
POLITE, DEAF, STUCK, HALF = 10, 3, 2, 2
FAREWELL_CLIENTS = POLITE + DEAF + STUCK + HALF
#: Seconds beyond the drain timeout for a machine that is busy with something else.
SPARE = 5


async def end_server(server: Server) -> float:
    """Open connections, end the server by SIGTERM; how long that took."""
    port = server.port
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        for path in ("/echo", "/chat", "/chat/async", "/echo/async", "/quiet") * (POLITE // 5):
            nursery.start_soon(_polite, await stack.enter_async_context(open_client(port, path)))
        for _ in range(DEAF):
            await stack.enter_async_context(open_client(port, "/echo"))
        for _ in range(STUCK):
            stuck = await stack.enter_async_context(open_client(port, "/output/drop_new", receive_buffer=SMALL))
            await stuck.send(frame(TEXT, b"push %d %d" % (COUNT, SIZE)))
        for _ in range(HALF):
            half = await stack.enter_async_context(connect(port))
            await half.send(handshake("/echo")[:-2])
        began = trio.current_time()
        server.process.terminate()
        with trio.move_on_after(DRAIN_TIMEOUT + SPARE):
            status = await server.process.wait()
            if status != 0:
                raise Fault(f"SIGTERM ended the server with status {status}, not 0")
            return trio.current_time() - began
    raise Fault(f"SIGTERM didn't end the server within its {DRAIN_TIMEOUT} s (and {SPARE} s to spare)")


async def _polite(client: Client) -> None:
    """Answers Close as it should."""
    while (came := await client.frame())[0] == TEXT:
        pass
    if came[0] != CLOSE or came[1][:2] != b"\x03\xe9":
        raise Fault(f"a server that goes away says {came}, not Close 1001")
    await client.send(frame(CLOSE, came[1][:2]))
    await client.rest()
