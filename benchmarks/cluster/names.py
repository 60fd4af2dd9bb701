"""Names: unique names that one node has and another uses: registering, looking up, sending."""

from __future__ import annotations

from itertools import count
from typing import TypeAlias

from benchmarks.cluster.bench import LEVELS, Bench, Costs, Process, RunFailed
from benchmarks.figures import Goal

__all__ = ["run"]

QUESTION = "names"
SENDERS = 64

Result: TypeAlias = tuple[dict[str, float], dict[str, Goal]]


async def run(bench: Bench) -> None:
    """Measure all of it."""
    for level in LEVELS:
        async with (
            # Who works hardest is alone on its core.
            bench.node(level, bench.server.unix, "sender") as user,
            bench.node(level, bench.server.unix, "receiver") as owner,
        ):
            await owner.ask("register", prefix=f"{level}-", count=SENDERS)
            names = _Names(bench, level, user, owner)
            for _ in range(bench.scale.rounds):
                for case, do in (
                    ("register", names.register),
                    ("look up", names.look_up),
                    ("send, 1 task", names.send_by_one),
                    ("send, 64 tasks", names.send_by_many),
                    ("send to nobody, 64 tasks", names.send_to_nobody),
                ):
                    async with bench.case(QUESTION, f"{level}: {case}"):
                        bench.note(QUESTION, f"{level}: {case}", *await do())


class _Names:
    """``user`` and ``owner`` are nodes; the owner has the names ``LEVEL-0`` to ``LEVEL-63``."""

    def __init__(self, bench: Bench, level: str, user: Process, owner: Process) -> None:
        self._bench = bench
        self._user = user
        self._owner = owner
        self._prefix = f"{level}-"
        self._rounds = count()

    def _costs(self) -> Costs:
        return Costs(sender=self._user.pid, engine=self._bench.server.pid, receiver=self._owner.pid)

    async def register(self) -> Result:
        """Names that nobody has, 64 at a time."""
        number, costs = self._bench.scale.names, self._costs()
        prefix = f"{self._prefix}{next(self._rounds)}-"
        seconds = await self._user.ask("register", prefix=prefix, count=number, tasks=SENDERS)
        return {"names/s": number / seconds, **costs.per(number)}, {"names/s": Goal(least=40_000)}

    async def look_up(self) -> Result:
        """Names of the other node, 64 at a time."""
        number, costs = self._bench.scale.names, self._costs()
        seconds = await self._user.ask("locate", prefix=self._prefix, names=SENDERS, count=number, tasks=SENDERS)
        return {"look-ups/s": number / seconds, **costs.per(number)}, {}

    async def send_by_one(self) -> Result:
        """One task waits for each message."""
        return await self._send(1), {}

    async def send_by_many(self) -> Result:
        """64 tasks, each to a name of its own."""
        return await self._send(SENDERS), {"messages/s": Goal(least=45_000)}

    async def _send(self, tasks: int) -> dict[str, float]:
        await self._owner.ask("listen", times=True)
        costs = self._costs()
        names = [f"{self._prefix}{number}" for number in range(SENDERS)]
        sent = await self._user.ask("send", names=names, tasks=tasks, seconds=self._bench.scale.seconds)
        came = await self._owner.ask("report", sent=sent["sent"])
        if came["fault"]:
            raise RunFailed(came["fault"])
        rate = came["count"] / (came["last_ns"] - sent["began_ns"]) * 1e9
        return {"messages/s": rate, "p50, us": came["p50"], "p99, us": came["p99"], **costs.per(came["count"])}

    async def send_to_nobody(self) -> Result:
        """What it costs to learn that nobody has a name."""
        costs = self._costs()
        sent = await self._user.ask("send", names=["nobody"], tasks=SENDERS, seconds=self._bench.scale.seconds)
        number = sum(sent["sent"])
        rate = number / (sent["ended_ns"] - sent["began_ns"]) * 1e9
        return {"messages/s": rate, **costs.per(number)}, {}
