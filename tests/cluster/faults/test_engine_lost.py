"""A unique name while the engine itself fails: whoever has it keeps it, or stops before anybody else begins."""

from __future__ import annotations

import signal
import time

import trio

from tests.support.owners import LEASE, SHORT, contest, stale, timings
from tests.support.proxy import open_proxy


async def restart(server):
    """Kill it with all that it knows, and start it again after a moment."""
    server.stop()
    await trio.sleep(0.3)  # that nodes notice is part of the fault
    await trio.to_thread.run_sync(server.start)


async def kept(ledger, since):
    """The owner is there again, the rival is refused after that, and the name had one owner all the time."""
    back = await ledger.next("owner", "gap", after=since)
    await ledger.next("rival", "refused", after=back.time)
    await ledger.next("owner", "act", after=back.time + 0.1)
    assert ledger.entries("owner", "lost") == ledger.entries("rival", "act") == []
    assert len(ledger.fences("owner")) == 1
    assert stale(ledger.all_acts()) == []


async def test_an_engine_that_forgets_everything_leaves_the_name_to_its_owner(new_server, owner, new_ledger):
    """Also to one that comes back later: the rival is there first, and has to wait."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(back_at_once, await new_server(), owner, new_ledger())
        nursery.start_soon(back_later, await new_server(), owner, new_ledger())


async def back_at_once(server, owner, ledger):
    await contest(owner, ledger, server.url, lease=LEASE)
    since = time.monotonic()
    await restart(server)
    await kept(ledger, since)


async def back_later(server, owner, ledger):
    async with open_proxy(server.path) as proxy:
        await contest(owner, ledger, proxy.url, server.url, lease=LEASE)
        since = time.monotonic()
        proxy.hold()
        await restart(server)
        await ledger.next("rival", "gap", after=since)
        await trio.sleep(max(0.0, since + LEASE / 2 - time.monotonic()))  # as long as the owner is cut off
        proxy.flow()
        await kept(ledger, since)


async def test_control_without_grace_there_are_two_owners(new_server, owner, ledger):
    """As above; but the engine lets new owners in at once. The check finds what must not be."""
    server = await new_server()
    async with open_proxy(server.path) as proxy:
        _, rival = await contest(owner, ledger, proxy.url, server.url, lease=LEASE)
        proxy.hold()
        rival.send_signal(signal.SIGSTOP)  # it is not to come before there is no grace
        await restart(server)
        server.settle()
        rival.send_signal(signal.SIGCONT)
        stolen = await ledger.next("rival", "act")
        await ledger.next("owner", "act", after=stolen.time + 0.1)
        assert stale(ledger.all_acts())


async def test_while_the_engine_is_gone_or_frozen_for_longer_than_the_lease_nobody_owns(new_server, owner, new_ledger):
    """When it has forgotten everything, owners wait until all others would have come back."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gone, await new_server(), owner, new_ledger())
        nursery.start_soon(frozen, await new_server(), owner, new_ledger())


async def gone(server, owner, ledger):
    await contest(owner, ledger, server.url, lease=SHORT)
    server.stop()
    back = await after_the_lease(ledger)
    await trio.to_thread.run_sync(server.start)
    assert (await next_owner(ledger, back)).time - back >= SHORT - 0.1


async def frozen(server, owner, ledger):
    await contest(owner, ledger, server.url, lease=SHORT)
    server.freeze()
    back = await after_the_lease(ledger)
    server.thaw()
    await next_owner(ledger, back)


async def after_the_lease(ledger):
    """Wait until it is over, for the engine, too; up to now, nobody has acted since the owner has lost it."""
    lost = await ledger.next("owner", "lost")
    assert lost.value == "lease"
    await trio.sleep(timings(SHORT).margin + 0.2)
    now = time.monotonic()
    assert ledger.entries("owner", "act", after=lost.time) == ledger.entries("rival", "act") == []
    return now


async def next_owner(ledger, after):
    """The first act after a time, whoever does it, with a fence of its own."""
    with trio.fail_after(20):
        while not (found := [act for act in ledger.all_acts() if act.time > after]):
            await trio.sleep(0.01)
    again = min(found, key=lambda act: act.time)
    assert int(again.value) > ledger.fences("owner")[0]
    await trio.sleep(0.2)  # in which a second one would show itself
    assert stale(ledger.all_acts()) == []
    return again


async def test_a_step_of_the_clock_makes_two_owners_only_if_it_is_beyond_the_margin(new_server, owner, new_ledger):
    """The server's clock jumps ahead while the owner is cut off; the longer jump is the control of the shorter one."""
    within, beyond = new_ledger(), new_ledger()
    async with trio.open_nursery() as nursery:
        for ledger, seconds in (within, timings(SHORT).margin / 2), (beyond, SHORT * 3 / 4):
            nursery.start_soon(step_the_clock, await new_server(), owner, ledger, seconds)
    assert stale(within.all_acts()) == []
    assert stale(beyond.all_acts())


async def step_the_clock(server, owner, ledger, seconds):
    """To a lease it is the same whether the clock jumps or the end comes nearer. Returns when both have acted."""
    async with open_proxy(server.path) as proxy:
        await contest(owner, ledger, proxy.url, server.url, lease=SHORT)
        proxy.hold()
        key = "aw:{actorws}:L:owner"
        server.call("PEXPIRE", key, server.call("PTTL", key) - round(seconds * 1000))
        await ledger.next("rival", "act")
        await ledger.next("owner", "lost")
