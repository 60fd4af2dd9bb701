"""The server's end of a script's connection."""

from __future__ import annotations

import pytest
import trio

from actorws.testing.memory import CAPACITY
from tests.support.peer import Peer


@pytest.fixture
def peer(nursery: trio.Nursery) -> Peer:
    return Peer(nursery, CAPACITY)


@pytest.fixture
def small_peer(nursery: trio.Nursery) -> Peer:
    """Between it and the client there is room for 1000 bytes."""
    return Peer(nursery, 1000)
