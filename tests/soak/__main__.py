"""``python -m tests.soak``: a server among good and bad clients for minutes; exit status 1 if anything is wrong.

Rule owned here: what failed first is said last, with the seed to do it again. Must not know how it is found out.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path
from random import randrange

import trio

from tests.soak.load import leaves
from tests.soak.server import ServerEnded
from tests.soak.soak import APP, Plan, soak
from tests.soak.world import Fault

#: Descriptors of a client, here and there.
DESCRIPTORS = 20


def main() -> int:
    """Run it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300, help="of load, warm-up included (default 300)")
    parser.add_argument("--seed", type=int, default=None, help="of the schedule (default: another one each time)")
    parser.add_argument("--clients", type=int, default=100, help="at a time (default 100)")
    parser.add_argument("--app", default=APP, help="the server to serve (default %(default)s)")
    parser.add_argument("--log", type=Path, default=None, help="of the server (default: a temporary file)")
    given = parser.parse_args()
    seed = randrange(10**6) if given.seed is None else given.seed
    log = given.log or Path(tempfile.mkdtemp(prefix="soak-")) / "server.log"
    _allow_descriptors(given.clients)
    print(f"soak: {given.seconds:g} s, {given.clients} clients, seed {seed}; the server's log is {log}", flush=True)
    try:
        trio.run(soak, Plan(given.seconds, seed, given.clients, log, given.app))
    except (Fault, ExceptionGroup) as error:
        first = min(leaves(error), key=lambda leaf: not isinstance(leaf, ServerEnded))
        if not isinstance(first, Fault):
            raise
        print(f"soak: FAILED: {first}\nsoak: again with SEED={seed}; the server's log is {log}", flush=True)
        return 1
    print(f"soak: passed (seed {seed})", flush=True)
    return 0


def _allow_descriptors(clients: int) -> None:
    """For this process and the server, which inherits the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 500 + DESCRIPTORS * clients
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
