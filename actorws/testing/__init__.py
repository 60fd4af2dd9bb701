"""Testing: behaviours driven in memory, without sockets and in virtual time.

A test opens an app, connects to it as often as it likes and says what it expects. With pytest-trio's
``autojump_clock`` (or ``trio.run(..., clock=trio.testing.MockClock(autojump_threshold=0))``) every wait on the clock
takes no time at all: a minute of idling is over in milliseconds::

    from actorws import Close, testing

    async def test_chat(autojump_clock):
        async with testing.open_app(Chat) as server:
            alice = await server.connect("/chat")
            await alice.send("hi")
            assert await alice.receive() == "welcome"
            assert await alice.receive() == Close(1001, "idle for too long")

Who writes an engine for clusters of their own finds out with ``check_engine`` whether it is one, and who writes a
transport with ``check_transport``. ``memory_transport`` makes one without a network, and its client's end.

Rule owned here: the public names of this package. Nothing else in actorws may import it.
"""

from actorws.testing.client import Client
from actorws.testing.engines import check_engine
from actorws.testing.http import Answer, Refused
from actorws.testing.server import MemoryServer, open_app
from actorws.testing.transports import check_transport
from actorws.testing.witness import Peer
from actorws.transports.memory import MemoryPeer, MemoryTransport, memory_transport

__all__ = [
    "Answer",
    "Client",
    "MemoryPeer",
    "MemoryServer",
    "MemoryTransport",
    "Peer",
    "Refused",
    "check_engine",
    "check_transport",
    "memory_transport",
    "open_app",
]
