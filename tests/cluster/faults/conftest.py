"""Owners in processes of their own, whose acts are checked when a test is over.

What may go wrong with a unique name, and the test that shows that nothing comes of it. A *control* takes away what is
relied on, and has to find two owners: else a test that finds none would prove nothing.

=================================================  ====================================================================
what happens                                       where it is done
=================================================  ====================================================================
the owner is killed, or frozen and thawed later    ``test_owners``: of_owners_that_were_killed_or_frozen
it hears or is heard no more, one way or both      of_owners_in_a_hole; also between real networks, where there can be
                                                   some: of_owners_whose_packets_are_lost
it reads nothing, and is sent much                 ``test_slow``
the server dies and forgets all; the owner is      ``test_engine_lost``: an_engine_that_forgets_everything
back at once, or later than its rival
control: without grace                             control_without_grace_there_are_two_owners
the server is gone, or frozen, beyond the lease    while_the_engine_is_gone_or_frozen_for_longer_than_the_lease
its clock is stepped; control: beyond the margin   a_step_of_the_clock_makes_two_owners_only_if_it_is_beyond
a failover loses what was registered last          ``test_failover``: a_name_that_the_new_primary_does_not_know
control: without grace                             control_without_grace_the_new_primary_gives_it_away
the primary is cut off from all but the owner;     a_primary_that_is_cut_off_alone_accepts_no_lease
control: with the settings that servers have
a failover by Sentinels, or by their operator;     after_a_failover_names_stay_and_new_ones_wait
control: by the operator, with those settings
the primary is demoted, and still answers          a_primary_that_is_demoted_and_still_answers_is_noticed
it was a replica meanwhile                         a_primary_that_was_a_replica_meanwhile_waits
connections are killed, again and again            ``test_holes``
nothing but the engine is away                     ``test_engine_away``
all of it, at random, many names                   ``tests/chaos/test_chaos``, and its control there
what all of these rely on: who acted when          ``test_ledger``, ``tests/chaos/test_acts``
=================================================  ====================================================================

Most tests have several contests at once, because what takes time in them is leases that run out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.support.owners import Ledger, Owner
from tests.support.redis import RedisServer


@pytest.fixture
def new_server(start: Callable[..., RedisServer]) -> Callable[..., Awaitable[RedisServer]]:
    """Starts servers that have served for a while: ``await new_server("redis", "--port", 17)``."""

    async def new_server(kind: str = "redis", *options: str | int, **more: Any) -> RedisServer:
        server: RedisServer = await trio.to_thread.run_sync(partial(start, kind, *options, **more))
        server.settle()
        return server

    return new_server


@pytest.fixture
def new_ledger(tmp_path: Path) -> Callable[[], Ledger]:
    """For tests that do several things at once."""
    numbers = count()
    return lambda: Ledger(tmp_path / f"ledger{next(numbers)}")


@pytest.fixture
def ledger(new_ledger: Callable[[], Ledger]) -> Ledger:
    return new_ledger()


@pytest.fixture
def owner(ledger: Ledger) -> Iterator[Callable[..., Owner]]:
    """Starts owners that are gone when the test is over: ``owner(url, "a", lease=8.0)``."""
    with ExitStack() as stack:

        def start(url: str, node: str, **options: Any) -> Owner:
            started = Owner(url, options.pop("ledger", ledger), node, **options)
            stack.callback(started.stop)
            return started

        yield start
