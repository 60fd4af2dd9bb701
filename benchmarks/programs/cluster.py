"""Cluster: one measurement of ``benchmarks.cluster``, with a server and two nodes of its own.

    python -m benchmarks.programs.cluster VARIANT CASE SECONDS

The figure is CPU time of both nodes and the server per operation; each one's share, and how late messages came, are
told beside it. Peers are installed into environments of their own when they are first asked for.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack

import trio
from attrs import frozen

from actorws.cluster.launcher import find_server
from actorws.exceptions import ConfigError
from benchmarks.cluster import publish
from benchmarks.cluster.bench import Bench, Costs, Process, RunFailed, Scale
from benchmarks.cluster.peers.compare import CONTESTANTS, Contestant, environment
from benchmarks.cluster.server import running_server
from benchmarks.figures import Figures

#: Cases of ``benchmarks.cluster.publish``.
PUBLISHING = {
    "publish by one": "1 task waits",
    "publish by many": "64 tasks wait",
    "publish in ticks": "ticks of 100",
}
NAMES = ("register", "send")
VARIANTS = {contestant.name: contestant for contestant in CONTESTANTS}
#: Names of the node that is sent to, and how many tasks send.
SENDERS = 64
#: Names registered for each second of a round: two fifths of what a machine of 2 cores can do.
NAMES_PER_SECOND = 20_000


@frozen
class Nodes:
    """What works."""

    bench: Bench
    sender: Process
    receiver: Process

    def costs(self) -> Costs:
        """From now on."""
        return Costs(sender=self.sender.pid, engine=self.bench.server.pid, receiver=self.receiver.pid)


async def measure(program: str, contestant: Contestant, case: str, seconds: float) -> dict[str, float]:
    """Raises ``RunFailed`` if there is no figure, and as ``environment`` and ``running_server`` do."""
    python = await environment(contestant.packages)
    with running_server(program) as server:
        # Not kept on cores: whoever started this has done that.
        bench = Bench(server, Scale(rounds=1, seconds=seconds), Figures(), pinned=False)
        command = (*contestant.command, server.tcp)
        async with AsyncExitStack() as stack:
            nodes = Nodes(
                bench,
                await stack.enter_async_context(bench.process("the sender", *command, python=python)),
                await stack.enter_async_context(bench.process("the receiver", *command, python=python)),
            )
            found = await (
                measure_publish(nodes, PUBLISHING[case]) if case in PUBLISHING else measure_names(nodes, case)
            )
    spent = [value for what, value in found.items() if what.startswith("CPU of ")]
    return {"us": sum(spent), **{_key(what): value for what, value in found.items()}}


def _key(what: str) -> str:
    """``p99, us`` is ``p99_us`` in the figures of a program."""
    return what.replace("/s", "_per_second").replace(", ", "_").replace(" ", "_").lower()


async def measure_publish(nodes: Nodes, name: str) -> Mapping[str, float]:
    case = next(case for case in publish.CASES if case.name == name)
    await nodes.receiver.ask("join_many", prefix="g", count=case.groups)
    await publish.warm_up(nodes.sender, nodes.receiver)
    await publish.measure(nodes.bench, "cluster", name, case, nodes.sender, nodes.receiver)
    return {figure.what: figure.values[0] for figure in nodes.bench.figures.good()}


async def measure_names(nodes: Nodes, case: str) -> Mapping[str, float]:
    await nodes.receiver.ask("register", prefix="name-", count=SENDERS)
    costs = nodes.costs()
    if case == "register":
        number = max(int(NAMES_PER_SECOND * nodes.bench.scale.seconds), SENDERS)
        taken = await nodes.sender.ask("register", prefix="new-", count=number, tasks=SENDERS)
        return {"names/s": number / taken, **costs.per(number)}
    await nodes.receiver.ask("listen", times=True)
    names = [f"name-{number}" for number in range(SENDERS)]
    sent = await nodes.sender.ask("send", names=names, tasks=SENDERS, seconds=nodes.bench.scale.seconds)
    came = await nodes.receiver.ask("report", sent=sent["sent"])
    if came["fault"]:
        raise RunFailed(came["fault"])
    return {"p50, us": came["p50"], "p99, us": came["p99"], **costs.per(came["count"])}


def _last_line(error: subprocess.CalledProcessError) -> str:
    """What pip said last."""
    lines = [line for line in error.stderr.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else str(error)


def main(argv: list[str]) -> int:
    """The command. Returns the exit status."""
    try:
        variant, case, given = argv
        contestant, seconds = VARIANTS[variant], float(given)
        if case not in (*PUBLISHING, *NAMES) or (case in NAMES and variant != "actorws"):
            raise ValueError
    except (KeyError, ValueError):
        known = f"{', '.join(VARIANTS)}, and cases {', '.join((*PUBLISHING, *NAMES))}"
        print(f"expected VARIANT CASE SECONDS, not {' '.join(argv)!r}. Variants are {known}", file=sys.stderr)
        return 2
    try:
        print(json.dumps(trio.run(measure, find_server(), contestant, case, seconds)))
    except subprocess.CalledProcessError as error:
        print(f"{variant} can't be measured here: {_last_line(error)}", file=sys.stderr)
        return 2
    except (ConfigError, OSError, trio.TooSlowError) as error:
        print(f"{variant} can't be measured here: {error!s}", file=sys.stderr)
        return 2
    except RunFailed as error:
        print(f"{variant}, {case}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
