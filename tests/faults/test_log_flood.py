"""The log under attack: what peers do wrong costs a line a second, in which none of them is forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import trio

from tests.support.faults import Target
from tests.support.requests import refused
from tests.support.wire import CLOSE, connect, frame, handshake, open_client

#: Seconds between two lines of one kind.
INTERVAL = 1.0


async def test_bad_requests_cost_a_line_a_second_that_counts_them(target: Target) -> None:
    began, count = trio.current_time(), 0
    while trio.current_time() - began < 1.5 * INTERVAL:
        cases = (handshake("/nowhere"), 404), (handshake(upgrade="h2c"), 426), (b"GET /\r\n", 400), (bytes(9), 400)
        await refused(target, {f"{n}": cases[n % 4] for n in range(40)})
        count += 40
    lines = target.lines()
    assert 1 <= len(lines) <= 1 + (trio.current_time() - began) / INTERVAL
    # The next one after a pause tells of all those that got no line.
    await trio.sleep(INTERVAL)
    await refused(target, {"the last": (handshake("/nowhere"), 404)})
    await target.comes(lambda: len(target.lines()) > len(lines))
    more = re.findall(r" with status (?:404|426|400): .* \(and (\d+) more like it\)", "\n".join(target.lines()))
    assert len(target.lines()) + sum(map(int, more)) == count + 1


async def test_what_a_peer_says_can_not_forge_a_line(start_target: Callable[..., Target]) -> None:
    """Nor write on a terminal: not in the path of what crashed, nor in the reason of a Close."""
    forged = "\r\nERROR actorws: owned\x1b[2J\u2028\x85"
    target = start_target("tests.servers.guarded:app", "--log-level", "debug")
    async with connect(target.port) as client:
        await client.send(handshake("/telling-later/" + quote(forged)))
        assert (await client.head()).status == 500
    async with open_client(target.port) as client:
        await client.send(frame(CLOSE, b"\x0f\xa0" + forged.encode()))
        assert await client.closed() == (4000, "")
    await target.comes(lambda: "Remote" in target.process.log())
    lines = target.process.log().removesuffix("\n").split("\n")
    assert sum("owned" in line for line in lines) == 2
    assert all(line.isprintable() and not line.startswith("ERROR actorws: owned") for line in lines), lines


async def test_dropped_connections_cost_no_line(target: Target) -> None:
    """However many: they are the weather of a network."""
    async with target.unharmed(log_lines=0):
        for _ in range(300):
            async with open_client(target.port) as client:
                await client.text("x")
                client.reset()
        await target.answers()
