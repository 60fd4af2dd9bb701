"""Spread: what a publish costs the engine, and what each node that it goes to adds.

The nodes are bare subscribers in one process here: what they do with a message is none of the engine's business. Every
message is a command of its own (64 groups in turn), as from many users of whom none is in a hurry.
"""

from __future__ import annotations

import selectors
import socket
import sys
import threading
from typing import Any

import hiredis
import trio

from actorws.cluster.scripts import NODES as NODES_SCRIPT
from benchmarks.cluster.bench import Bench, Costs
from benchmarks.cluster.node import in_thread
from benchmarks.cluster.orders import obey

__all__ = ["NODES", "run"]

QUESTION = "spread"
#: To how many nodes each message goes.
NODES = (0, 1, 4, 16)
GROUPS = 64
STRANGERS, LOOKS = 500, 20


async def run(bench: Bench) -> None:
    """Measure all of it."""
    for _ in range(bench.scale.rounds):
        bench.note(QUESTION, f"a look at {STRANGERS} nodes", {"time in the engine, us for a node": _look(bench)})
    groups = [f"g{number}" for number in range(GROUPS)]
    async with bench.node("engine", bench.server.tcp, "sender") as sender:
        for _ in range(bench.scale.rounds):
            for nodes in NODES:
                arguments = str(bench.server.port), str(nodes), *(f"aw:{{actorws}}:g:{group}" for group in groups)
                async with (
                    bench.case(QUESTION, f"to {nodes} nodes"),
                    bench.process(
                        "the listeners", "benchmarks.cluster.spread", *arguments, role="receiver"
                    ) as listeners,
                ):
                    costs = Costs(engine=bench.server.pid)
                    before = int(bench.server.information("stats")["total_net_output_bytes"])
                    sent = await sender.ask("publish", groups=groups, tasks=GROUPS, seconds=bench.scale.seconds)
                    number = sum(sent["sent"])
                    await listeners.ask("wait", count=number * nodes)
                    written = int(bench.server.information("stats")["total_net_output_bytes"]) - before
                    rate = number / (sent["ended_ns"] - sent["began_ns"]) * 1e9
                    values = {"messages/s": rate, "bytes from the engine": written / number, **costs.per(number)}
                    bench.note(QUESTION, f"to {nodes} nodes", values)


def _look(bench: Bench) -> float:
    """What a node asks for every few seconds: who else is there. It costs as much as there are nodes."""
    ask, prefix = bench.server.ask, "aw:{strangers}:"
    for number in range(STRANGERS):
        ask("SET", f"{prefix}L:{number}", 1)
        ask("HSET", f"{prefix}nodes", number, "a node's name and what it says of itself")
    ask("CONFIG", "RESETSTAT")
    for _ in range(LOOKS):
        assert len(ask("EVAL", NODES_SCRIPT.source, 0, prefix)) > STRANGERS
    statistics = bench.server.information("commandstats")["cmdstat_eval"]
    return float(dict(item.split("=") for item in statistics.split(","))["usec"]) / LOOKS / STRANGERS


class Listeners:
    """Subscribed connections whose messages are counted and dropped, in a thread."""

    def __init__(self, port: int, count: int, channels: list[str]) -> None:
        self.came = 0
        self._selector = selectors.DefaultSelector()
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(hiredis.pack_command(("SUBSCRIBE", *channels)))  # type: ignore[arg-type]
            reader = hiredis.Reader()
            for _ in channels:
                while reader.gets() is False:
                    reader.feed(connection.recv(1 << 16))
            self._selector.register(connection, selectors.EVENT_READ)
        threading.Thread(target=self._drop, daemon=True).start()

    def _drop(self) -> None:
        while True:
            for key, _ in self._selector.select():
                connection: Any = key.fileobj
                # Every message begins with this, and the payload of a measurement never has it.
                self.came += connection.recv(1 << 18).count(b"$7\r\nmessage\r\n")

    async def wait(self, count: int) -> int:
        """Wait until ``count`` messages have come (or a few less: one may have been cut in two by a read)."""
        with trio.fail_after(10):
            while self.came < 0.99 * count:
                await trio.sleep(0.005)
        return self.came


if __name__ == "__main__":
    trio.run(obey, Listeners(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]), in_thread)
