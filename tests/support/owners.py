"""Owners of a unique name, each in a process of its own, and the ledger that they write whatever they do into.

``python -m tests.support.owners URL LEDGER NODE LEASE`` connects, waits for a line on stdin, and from then on tries to
have the name and acts every few milliseconds as long as it may. What is written is ``time node what value``, the time
being ``time.monotonic()``, which all processes of a machine share.

An act counts as done when it was checked whether it may be: what a process does that was frozen between the check and
its effect, only a fence at what is acted on can stop.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from actorws.cluster.engine import NodeInfo
from actorws.cluster.redis import RedisEngine
from actorws.cluster.timings import Timings
from actorws.exceptions import EngineUnavailable, NameTaken
from actorws.notices import Gap
from tests.support.wire import SECONDS

__all__ = ["LEASE", "NAME", "SHORT", "Entry", "Ledger", "Owner", "contest", "stale", "timings"]

PROJECT = Path(__file__).resolve().parent.parent.parent
#: What they all want.
NAME = "x"
#: Seconds, where an owner has to come back in time, on a busy machine, too.
LEASE = 3.0
#: Seconds, where it does not.
SHORT = 2.0
#: Seconds between two acts, and between two tries to have the name.
PACE = 0.003


def timings(lease: float = LEASE) -> Timings:
    """A node that beats often: it keeps its names through a fault that is nearly as long as its lease.

    With the lease that is the default, all durations are the defaults.
    """
    if lease == Timings().lease:
        return Timings()
    return Timings(lease=lease, heartbeat=0.3, margin=0.3, probe=0.5, request=0.5, connect=0.5, linger=1.0)


# What was done


@frozen
class Entry:
    """One line of the ledger.

    ``up``: the engine was reached; ``gap``: it was reached again; ``owns``, ``act``: with a fence; ``refused``: another
    has the name; ``lost``: why.
    """

    time: float
    node: str
    what: str
    value: str


class Ledger:
    """What all owners of a test have written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._entries: list[Entry] = []
        self._read = 0

    def entries(self, node: str, *whats: str, after: float = 0.0, before: float = 1e18) -> list[Entry]:
        """Those of a node, of some kinds, in order."""
        self._read_on()
        return [e for e in self._entries if e.node == node and e.what in whats and after < e.time < before]

    async def next(self, node: str, *whats: str, after: float = 0.0, seconds: float = SECONDS) -> Entry:
        """Wait for the first entry of a kind after a time."""
        with trio.move_on_after(seconds):
            while not (found := self.entries(node, *whats, after=after)):
                await trio.sleep(0.01)
            return found[0]
        tail = [e for e in self._entries if e.what != "act"][-12:]
        raise AssertionError(f"{node} has not written {whats} in {seconds:g} s; the last: {tail}")

    def all_acts(self) -> list[Entry]:
        self._read_on()
        return [entry for entry in self._entries if entry.what == "act"]

    def fences(self, node: str) -> list[int]:
        """Those that a node has acted with, in order."""
        return list(dict.fromkeys(int(act.value) for act in self.entries(node, "act")))

    def _read_on(self) -> None:
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read += len(whole + end)
        for line in whole.decode().splitlines():
            at, node, what, value = line.split(" ", 3)
            self._entries.append(Entry(float(at), node, what, value))


def stale(acts: Sequence[Entry]) -> list[Entry]:
    """The acts of an owner after the first act of a later one."""
    found, highest = [], 0
    for act in sorted(acts, key=lambda act: act.time):
        if int(act.value) < highest:
            found.append(act)
        highest = max(highest, int(act.value))
    return found


# Whoever does it, as the test sees it


class Owner:
    """One process; wants the name from ``go`` on."""

    def __init__(self, url: str, ledger: Ledger, node: str, lease: float = LEASE, prefix: Sequence[str] = ()) -> None:
        """``prefix``: words before the command, such as those that run it in a network of its own."""
        self.node = node
        self._ledger = ledger
        command = [*prefix, sys.executable, "-m", "tests.support.owners", url, str(ledger.path), node, str(lease)]
        self._process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE)

    async def up(self) -> None:
        """Wait until it has reached the engine."""
        await self._ledger.next(self.node, "up")

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    async def owns(self) -> Entry:
        """Let it go, and wait until it acts for the name."""
        await self.up()
        self.go()
        return await self._ledger.next(self.node, "act")

    def send_signal(self, number: int) -> float:
        """Returns when it was sent."""
        self._process.send_signal(number)
        return time.monotonic()

    def stop(self) -> None:
        """End it, however it is; again: nothing."""
        self._process.kill()
        self._process.communicate()


async def contest(
    start: Callable[..., Owner], ledger: Ledger, *urls: str, lease: float, prefix: Sequence[str] = ()
) -> tuple[Owner, Owner]:
    """Start two: the owner, by the first URL, has the name; the rival, by the last one, tries to have it, too."""
    owner = start(urls[0], "owner", ledger=ledger, lease=lease, prefix=prefix)
    rival = start(urls[-1], "rival", ledger=ledger, lease=lease)
    await owner.owns()
    await rival.up()
    rival.go()
    await ledger.next("rival", "refused")
    return owner, rival


# Whoever does it


class _Node:
    """What the engine tells goes into the ledger."""

    def __init__(self, ledger: int, name: str) -> None:
        self._ledger = ledger
        self._name = name

    def write(self, what: str, value: object = "-", at: float | None = None) -> None:
        now = time.monotonic() if at is None else at
        os.write(self._ledger, f"{now:.6f} {self._name} {what} {value}\n".encode())

    def deliver(self, name: str, payload: bytes) -> None: ...
    def deliver_to(self, actor: int, payload: bytes) -> None: ...
    def deliver_group(self, group: str, kind: str, payload: bytes) -> None: ...
    def node_joined(self, node: NodeInfo) -> None: ...
    def node_left(self, node: NodeInfo) -> None: ...

    def answer(self, group: str, question: bytes) -> bytes:
        return b""

    def name_lost(self, name: str, actor: int, why: str) -> None:
        self.write("lost", why)

    def gap(self, gap: Gap) -> None:
        self.write("gap", gap.reason)


async def _want(engine: RedisEngine, node: _Node) -> None:
    actor = 0
    while True:
        actor += 1
        try:
            node.write("owns", await engine.register(NAME, actor))
        except NameTaken:
            node.write("refused")
        except EngineUnavailable:
            pass
        while _act(engine, node):
            await trio.sleep(PACE)
        await trio.sleep(PACE)


def _act(engine: RedisEngine, node: _Node) -> bool:
    now = time.monotonic()
    fence = engine.fence(NAME)
    if fence is not None:
        node.write("act", fence, now)
    return fence is not None


async def _main(*arguments: str) -> None:
    url, path, name, lease = arguments
    node = _Node(os.open(path, os.O_WRONLY | os.O_APPEND), name)
    engine = RedisEngine(url, node_id=name, timings=timings(float(lease)))
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run, node)
        node.write("up")
        read_line = partial(trio.to_thread.run_sync, sys.stdin.readline, abandon_on_cancel=True)
        if await read_line():
            nursery.start_soon(_want, engine, node)
            await read_line()
        os._exit(0)  # whoever has started us has gone


if __name__ == "__main__":
    trio.run(_main, *sys.argv[1:])
