"""Transport check: whether a transport keeps what ``actorws.Transport`` asks for.

Rule owned here: every promise that a client and an actor can see is looked at; what needs a certain fault of a certain
wire is for that transport's own tests. Must not know any transport.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import trio

from actorws.behaviour import Websocket
from actorws.testing import transport_promises as promises
from actorws.testing.transport_promises import Can, Door, Visit
from actorws.testing.witness import PATIENCE, Subject, until

__all__ = ["Serve", "check_transport"]

#: ``serve(behaviour, **options)``: serves for as long as the block lasts.
Serve = Callable[..., AbstractAsyncContextManager[Door]]

FIRST = "welcome"


async def check_transport(serve: Serve, *, binary: bool = True, empty: bool = True, codes: bool = True) -> None:
    """Raise ``AssertionError`` with the first promise of ``actorws.Transport`` that a transport breaks.

    ``serve(behaviour, **options)`` is an async context manager that serves ``behaviour``, an instance, over the
    transport with these options of ``actorws.config.Config``, in this process and a runtime of its own. It yields
    something with ``await connect()``, which returns the client's end of a new connection: ``send``, ``receive``,
    ``close`` and ``vanish``, as ``actorws.testing.Peer`` has them. For a transport over a TCP stream, with
    pytest-trio::

        @asynccontextmanager
        async def serve(behaviour, **options):
            async def handle(stream):
                await run_over(Lines(stream), behaviour, runtime, **options)

            async with open_runtime() as runtime, trio.open_nursery() as nursery:
                listener, = await nursery.start(trio.serve_tcp, handle, 0)
                yield LinesClients(listener.socket.getsockname()[1])
                nursery.cancel_scope.cancel()

        async def test_my_transport_is_one():
            await check_transport(serve, binary=False)

    Tell what the transport doesn't have: ``binary`` messages, ``empty`` ones, ``codes`` and reasons when either side
    closes (the end of a connection must be seen all the same). One of the callbacks crashes on purpose.

    Neither the limits of the transport's own protocol are looked at, nor cancelled ``receive`` calls: these are for its
    own tests. Takes a few seconds; a promise that doesn't come true is given up after half a minute. What ``serve`` or
    the client's end raises is raised as it is.
    """
    can = Can(binary=binary, empty=empty, codes=codes)
    for check in (promises.messages, promises.others, promises.endings):
        await _served(check, serve, can)
    await _served(promises.slow_client, serve, can, backpressure_limit=8 * promises.PIECE)
    await _served(promises.busy_actor, serve, can, mailbox_messages=4)


async def _served(
    check: Callable[[Callable[[], Awaitable[Visit]]], Awaitable[None]], serve: Serve, can: Can, **options: Any
) -> None:
    """Run one check with a server of its own."""
    subject: Websocket = Subject(FIRST)
    assert isinstance(subject, Subject)
    failure: AssertionError | None = None
    async with serve(subject, idle_timeout=None, close_timeout=PATIENCE, **options) as door:
        try:
            await check(partial(Visit.begin, door, subject, can))
            ended = "every actor must end when its client has gone"
            await until(
                ended, subject, lambda: all(one.reasons for one in subject.witnesses), lambda: subject.witnesses
            )
        except AssertionError as error:
            # Raised below: out of the blocks of ``serve`` it might come in a group.
            failure = error
    if failure is not None:
        raise failure
    await trio.lowlevel.checkpoint()
    for witness in subject.witnesses:
        times = len(witness.reasons)
        assert times == 1, f"terminate must be called exactly once for each actor; it was {times} times"
