"""``python -m tests.chaos.node URL``: one node of the cluster, whose lease is short."""

from __future__ import annotations

import logging
import sys

from actorws import run
from actorws.cluster.redis import RedisEngine
from actorws.events import Event, ListenerStarted
from actorws.observability.logs import log_events
from tests.chaos.app import app
from tests.support.nodes import QUICK

__all__ = ["main"]


def _announce(event: Event) -> None:
    if isinstance(event, ListenerStarted):
        print(f"listening on {event.address}", flush=True)


def main(url: str) -> None:
    """Serve until a signal comes."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
    run(app, port=0, cluster=RedisEngine(url, timings=QUICK), on_event=[log_events(), _announce])


if __name__ == "__main__":
    main(sys.argv[1])
