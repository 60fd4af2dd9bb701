"""A node that does not read costs nobody else anything: the server cuts it off, and it is told."""

from __future__ import annotations

import signal

from actorws.cluster.engine import Place
from tests.support.nodes import running
from tests.support.owners import LEASE

MIB = 1024 * 1024
#: What a server holds for one that reads nothing, before it cuts it off, by default; and what it needs itself.
BOUND, OTHERS = 32 * MIB, 16 * MIB


def memory(server):
    """The most that the server has used."""
    (line,) = [line for line in server.call("INFO", "memory").split(b"\r\n") if line.startswith(b"used_memory_peak:")]
    return int(line.partition(b":")[2])


async def test_a_node_that_does_not_read_is_cut_off_and_told(new_server, owner, ledger):
    server = await new_server()
    slow = owner(server.url, "owner", lease=LEASE)
    await slow.owns()
    async with running(server.url) as (engine, node):
        frozen = slow.send_signal(signal.SIGSTOP)
        sent = 0
        while sent < 4 * BOUND and await engine.send_to(Place("owner", 1), bytes(MIB)):
            sent += MIB
        slow.send_signal(signal.SIGCONT)
        await ledger.next("owner", "gap", after=frozen)
        assert await engine.send_to(Place("owner", 1), b"again")
        assert node.all("gap") == [], "who sent was never cut off"
    assert BOUND <= sent < BOUND + OTHERS
    assert memory(server) < BOUND + OTHERS
