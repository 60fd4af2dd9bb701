"""A unique name while the replica is made the primary, which may not know of it."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from tests.support.nodes import QUICK, running, until
from tests.support.owners import SHORT, contest, stale
from tests.support.proxy import open_proxy
from tests.support.redis import free_port
from tests.support.sentinels import SERVICE, Watched

#: Seconds: a failover has to fit into it, on a busy machine, too.
LONG = 8.0
#: Seconds after which Sentinels take a primary for dead, where it isn't about them.
SOON = 1.0
#: What servers are asked to be run with: a primary that nobody follows any more then knows that it is alone.
SETTINGS = "--min-replicas-to-write", 1, "--min-replicas-max-lag", 1
#: And the silence that goes with it: see the operator's page.
DOWN_AFTER = 3.0


@pytest.fixture
def watched(start, tmp_path):
    """Starts a primary that can be watched."""

    async def watched(*options, down_after=SOON):
        servers = Watched(start, tmp_path, down_after)
        await trio.to_thread.run_sync(partial(servers.open_servers, *options))
        return servers

    return watched


async def begin_rival(servers, owner, url, **options):
    """At the new primary, as soon as there is one."""
    await servers.failed_over()
    rival = owner(url, "rival", **options)
    await rival.up()
    rival.go()


async def lose_writes(servers, owner):
    """Until the primary is dead the replica hears of nothing any more; meanwhile the owner takes the name."""
    await owner.up()
    servers.replica.freeze()
    servers.primary.call("CLIENT", "KILL", "TYPE", "replica")
    taken = await owner.owns()
    servers.primary.stop()
    servers.replica.thaw()
    assert servers.replica.names() == {}
    return taken


@asynccontextmanager
async def failed_over(servers, owner, *, grace):
    """The owner is cut off from the Sentinels until the rival is at the new primary, which has forgotten the name.

    The block has the time since when, and a function that ends it.
    """
    await servers.watch()
    async with open_proxy(("127.0.0.1", servers.sentinels[0].port)) as proxy:
        first = owner(f"redis+sentinel://127.0.0.1:{proxy.address[1]}/{SERVICE}", "owner", lease=LONG)
        await first.up()
        proxy.hold()
        taken = await lose_writes(servers, first)
        await servers.failed_over()
        if not grace:
            servers.replica.call("DEL", "aw:{actorws}:G")
            servers.replica.settle()
        await begin_rival(servers, owner, servers.url, lease=LONG)
        yield taken.time, proxy.flow


async def test_a_name_that_the_new_primary_does_not_know_stays_with_its_owner(watched, owner, ledger):
    servers = await watched()
    async with failed_over(servers, owner, grace=True) as (since, heal):
        await trio.sleep(0.2)  # the rival's, to take what it can get
        heal()
        back = await ledger.next("owner", "gap", after=since)
        await ledger.next("owner", "act", after=back.time + 0.1)
        assert servers.replica.names() == {"x": f"owner|1|{ledger.fences('owner')[0]}"}
        assert ledger.entries("owner", "lost") == ledger.entries("rival", "act") == []
        assert len(ledger.fences("owner")) == 1
        assert stale(ledger.all_acts()) == []


async def test_control_without_grace_the_new_primary_gives_it_away(watched, owner, ledger):
    async with failed_over(await watched(), owner, grace=False) as (_, heal):
        stolen = await ledger.next("rival", "act")
        await ledger.next("owner", "act", after=stolen.time + 0.1)
        heal()
        lost = await ledger.next("owner", "lost")
        assert lost.value == "taken"
        assert stale(ledger.all_acts())


async def test_a_primary_that_is_cut_off_alone_accepts_no_lease(watched, owner, new_ledger):
    """It is cut off from its replica and the Sentinels; the owner still reaches it.

    The control: with the settings that servers have by themselves, there are two owners.
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(split, await watched(*SETTINGS, down_after=DOWN_AFTER), owner, new_ledger(), alone)
        nursery.start_soon(split, await watched(), owner, new_ledger(), two_owners)


async def split(servers, owner, ledger, then):
    async with open_proxy(("127.0.0.1", servers.primary.port)) as proxy:
        await servers.watch(proxy.address[1])
        await owner(servers.primary.url, "owner", ledger=ledger, lease=SHORT).owns()
        proxy.hold()
        await begin_rival(servers, owner, servers.url, ledger=ledger, lease=SHORT)
        await ledger.next("rival", "act")
        await then(ledger, proxy.flow)


async def alone(ledger, heal):
    lost = await ledger.next("owner", "lost")
    assert lost.value == "lease"
    heal()
    await trio.sleep(0.5)  # in which the owner would show that it believes the old primary
    assert ledger.entries("owner", "act", after=lost.time) == []
    assert stale(ledger.all_acts()) == []


async def two_owners(ledger, _=None):
    stolen = await ledger.next("rival", "act")
    await ledger.next("owner", "act", after=stolen.time + 0.1)
    assert stale(ledger.all_acts())


async def test_after_a_failover_names_stay_and_new_ones_wait(watched, owner, new_ledger):
    """The Sentinels have found the primary dead, or their operator has asked for it.

    The control: without the settings there are two owners if it was the operator. Sentinels tell the old primary only
    after some seconds; until then it serves whom it has.
    """
    async with trio.open_nursery() as nursery:
        for fail in (lambda servers: servers.primary.stop(), by_hand):
            nursery.start_soon(fail_over, await watched(*SETTINGS), fail, owner, new_ledger())
        nursery.start_soon(fail_over_without_settings, await watched(), owner, new_ledger())


def by_hand(servers):
    servers.sentinels[0].call("SENTINEL", "FAILOVER", SERVICE)


async def fail_over(servers, fail, owner, ledger):
    await servers.watch()
    servers.primary.settle("other")
    await contest(owner, ledger, servers.url, lease=LONG)
    await until(lambda: servers.replica.names() and servers.replica.call("EXISTS", "aw:{other}:G"))
    since = time.monotonic()
    fail(servers)
    await servers.failed_over()
    for node in ("owner", "rival"):
        await ledger.next(node, "gap", after=since)
    async with running(f"{servers.url}?app=other", timings=QUICK) as (engine, _):
        await engine.register("new", 1)
    assert time.monotonic() - since >= QUICK.lease - 0.1
    await ledger.next("rival", "refused", after=time.monotonic())
    assert set(servers.replica.names()) == {"x"}
    assert ledger.entries("owner", "lost") == ledger.entries("rival", "act") == []
    assert stale(ledger.all_acts()) == []


async def fail_over_without_settings(servers, owner, ledger):
    await servers.watch()
    await owner(servers.url, "owner", ledger=ledger, lease=SHORT).owns()
    by_hand(servers)
    await begin_rival(servers, owner, servers.replica.url, ledger=ledger, lease=SHORT)
    await two_owners(ledger)


async def test_a_primary_that_is_demoted_and_still_answers_is_noticed(new_server, start, owner, ledger):
    """No connection ends, and even a publish comes back; yet whoever stays there is alone."""
    old, new = await new_server(tcp=True), await trio.to_thread.run_sync(partial(start, "redis", tcp=True))
    first, rival = owner(old.url, "owner", lease=SHORT), owner(new.url, "rival", lease=SHORT)
    await first.owns()
    connections = {client["id"] for client in old.clients()}
    old.call("REPLICAOF", "127.0.0.1", new.port)
    await until(lambda: not connections & {client["id"] for client in old.clients()})
    await rival.up()
    rival.go()
    lost = await ledger.next("owner", "lost")
    inherited = await ledger.next("rival", "act")
    assert lost.value == "lease" and ledger.entries("owner", "act", after=inherited.time) == []
    assert stale(ledger.all_acts()) == []


async def test_a_primary_that_was_a_replica_meanwhile_waits_for_the_owners_of_another(new_server):
    """It still has what it knew, and has not been started anew; but names may have been given away elsewhere."""
    server = await new_server()
    async with running(server.url, timings=QUICK) as (engine, _):
        await engine.register("x", 1)
    server.call("REPLICAOF", "127.0.0.1", free_port())
    server.call("REPLICAOF", "NO", "ONE")
    since = trio.current_time()
    async with running(server.url, timings=QUICK) as (engine, _):
        await engine.register("x", 1)
        assert trio.current_time() - since >= QUICK.lease - 0.1
