"""A unique name while its owner, or the way to it, fails: the next one waits until the owner acts no more."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from functools import partial

import pytest
import trio

from actorws.cluster.timings import Timings
from tests.support.netns import NEEDS, open_network
from tests.support.owners import SHORT, contest, stale, timings
from tests.support.proxy import open_proxy

#: Seconds that a busy machine may take longer.
TOLERANCE = 3.0


def held_until(server):
    """The engine holds the owner's names at least until then."""
    asked = time.monotonic()
    return asked + server.call("PTTL", "aw:{actorws}:L:owner") / 1000


async def inherits(ledger, held, since, lease=SHORT):
    """Wait for the first act of the rival: when the lease is over of an owner that fell silent at ``since``."""
    first = await ledger.next("rival", "act")
    assert first.time >= held - 0.01, "the name was the owner's until then"
    assert first.time - since <= lease + TOLERANCE
    return first


async def ended_before(ledger, first):
    """The owner had stopped before the rival began."""
    last = ledger.entries("owner", "act", before=first.time + 1.0)[-1]
    assert last.time < first.time
    assert stale(ledger.all_acts()) == []


async def test_of_owners_that_were_killed_or_frozen_for_longer_than_their_lease(new_server, owner, new_ledger):
    """On both kinds of servers; and, all durations being the defaults, within 10 s."""
    async with trio.open_nursery() as nursery:
        for kind, lease in ("redis", SHORT), ("valkey", SHORT), ("redis", Timings().lease):
            nursery.start_soon(kill, await new_server(kind), owner, new_ledger(), lease)
        nursery.start_soon(freeze, await new_server(), owner, new_ledger())


async def kill(server, owner, ledger, lease):
    first, _ = await contest(owner, ledger, server.url, lease=lease)
    held = held_until(server)
    killed = first.send_signal(signal.SIGKILL)
    await ended_before(ledger, await inherits(ledger, held, killed, lease))


async def freeze(server, owner, ledger):
    """Thawed, it acts no more: not even once, before it has heard of anything."""
    first, _ = await contest(owner, ledger, server.url, lease=SHORT)
    held = held_until(server)
    frozen = first.send_signal(signal.SIGSTOP)
    inherited = await inherits(ledger, held, frozen)
    thawed = time.monotonic()
    first.send_signal(signal.SIGCONT)
    assert (await ledger.next("owner", "lost", after=thawed)).time - thawed < TOLERANCE
    await ledger.next("owner", "refused", after=thawed)
    await ended_before(ledger, inherited)
    assert ledger.entries("owner", "act", after=inherited.time) == []


async def test_of_owners_in_a_hole(new_server, owner, new_ledger):
    """Nothing gets through between owner and engine, or only one way; then all of it does."""
    async with trio.open_nursery() as nursery:
        for held in ("up", "down"), ("up",), ("down",):
            nursery.start_soon(hole, held, await new_server(), owner, new_ledger())


async def hole(held, server, owner, ledger):
    async with open_proxy(server.path) as proxy:
        await contest(owner, ledger, proxy.url, server.url, lease=SHORT)

        def lose():
            for direction in held:
                getattr(proxy, direction).hold()

        await silence(server, ledger, lose, proxy.flow)


async def silence(server, ledger, lose, heal):
    """The owner ends by itself, before the rival begins; when all is well again, it has heard of that."""
    since, held = time.monotonic(), held_until(server)
    lose()
    lost = await ledger.next("owner", "lost")
    assert lost.value == "lease" and lost.time - since <= SHORT - timings(SHORT).margin + TOLERANCE
    inherited = await inherits(ledger, held, since)
    healed = time.monotonic()
    heal()
    await ledger.next("owner", "gap", after=healed)
    await ledger.next("owner", "refused", after=healed)
    await ended_before(ledger, inherited)


@pytest.fixture
def networks():
    """One for each way to lose packets."""
    with ExitStack() as stack:
        found = {fault: stack.enter_context(open_network()) for fault in ("out", "in", "cable")}
        if None in found.values():
            pytest.skip(NEEDS)
        yield found


async def test_of_owners_whose_packets_are_lost(networks, new_server, owner, new_ledger):
    """As in a hole, but between networks: what the owner sends, what it is sent, or the cable is pulled."""
    async with trio.open_nursery() as nursery:
        for fault, network in networks.items():
            options = "--bind", "127.0.0.1", network.here, "--protected-mode", "no"
            server = await new_server("redis", *options, tcp=True)
            nursery.start_soon(lose_packets, network, fault, server, owner, new_ledger())


async def lose_packets(network, fault, server, owner, ledger):
    url = f"redis://{network.here}:{server.port}"
    await contest(owner, ledger, url, server.url, lease=SHORT, prefix=network.prefix)
    await silence(server, ledger, partial(network.lose, fault), partial(network.heal, fault))
