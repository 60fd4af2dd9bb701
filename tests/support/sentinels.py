"""A primary, its replica, and three Sentinels that watch over them. The first one leads, and needs the others' votes.

The primary is known to the others by a proxy's address, where there is one: so it can be cut off from them alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import trio

from tests.support.redis import RedisServer, free_port
from tests.support.wire import SECONDS

__all__ = ["SERVICE", "Watched"]

SERVICE = "main"
START = Callable[..., RedisServer]


class Watched:
    """``down_after``: seconds of silence for which Sentinels take the primary for dead."""

    def __init__(self, start: START, folder: Path, down_after: float) -> None:
        self._start = start
        self._folder = folder
        self._down_after = down_after
        self.sentinels: list[RedisServer] = []

    def open_servers(self, *options: str | int) -> None:
        """The primary, with further options; the others come with ``watch``."""
        # Without a delay, else the first copy takes 5 s more.
        self.primary = self._start("redis", "--repl-diskless-sync-delay", 0, *options, tcp=True)

    async def watch(self, known_by: int | None = None) -> None:
        """Start the others, who know the primary by that port; wait until all know of each other.

        Then it is as if they had served for a while.
        """
        known_by = known_by or self.primary.port
        replica = "--replicaof", "127.0.0.1", known_by
        self.replica = await trio.to_thread.run_sync(lambda: self._start("redis", *replica, tcp=True))
        await _until(lambda: self._says(self.replica, "replication", "master_link_status:up"))
        places = [(free_port(), secrets.token_hex(20)) for _ in range(3)]
        for number, (port, _) in enumerate(places):
            config = self._folder / f"sentinel{port}.conf"
            config.write_text("".join(f"sentinel {line}\n" for line in self._config(number, places, known_by)))
            start = partial(self._start, "redis", "--port", port, config=config)
            self.sentinels.append(sentinel := await trio.to_thread.run_sync(start))
            sentinel.port = port
        await _until(lambda: all(map(_can_act, self.sentinels)))
        self.primary.settle()

    def _config(self, number: int, places: list[tuple[int, str]], known_by: int) -> Iterator[str]:
        """Of one Sentinel; who the others are it would find out by itself, but in seconds."""
        # Only one wants to lead: where several do, they may have to try again after seconds.
        down_after = round(self._down_after * 1000) * (1 if number == 0 else 100)
        yield f"myid {places[number][1]}"
        yield f"monitor {SERVICE} 127.0.0.1 {known_by} 1"
        yield f"down-after-milliseconds {SERVICE} {down_after}"
        yield f"failover-timeout {SERVICE} 4000"
        yield f"known-replica {SERVICE} 127.0.0.1 {self.replica.port}"
        for other, (port, name) in enumerate(places):
            if other != number:
                yield f"known-sentinel {SERVICE} 127.0.0.1 {port} {name}"

    def _says(self, server: RedisServer, section: str, *texts: str) -> bool:
        try:
            info = server.call("INFO", section).decode()
        except OSError:
            return False  # Sentinels close all connections of whom they give another role.
        return all(text in info for text in texts)

    @property
    def url(self) -> str:
        """By way of the Sentinels."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    async def failed_over(self) -> None:
        """Wait until the replica is the primary."""
        await _until(lambda: self._says(self.replica, "replication", "role:master"))


def _can_act(sentinel: RedisServer) -> bool:
    """It has heard of the replica, and is connected to the other Sentinels."""
    (replica,), others = _list(sentinel, "REPLICAS"), _list(sentinel, "SENTINELS")
    return replica["master-link-status"] == "ok" and not any("disconnected" in other["flags"] for other in others)


def _list(sentinel: RedisServer, what: str) -> list[dict[str, str]]:
    found = [[field.decode() for field in fields] for fields in sentinel.call("SENTINEL", what, SERVICE)]
    return [dict(zip(fields[::2], fields[1::2], strict=True)) for fields in found]


async def _until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(SECONDS):
        while not condition():
            await trio.sleep(0.02)
