"""Networks of their own: a namespace with one cable to this machine, on which packets can be lost.

One-way loss is an entry of the neighbour table that leads nowhere: whoever sends notices nothing, and nothing arrives.
(``tc netem loss 100%`` does the same, where the kernel has it.) All of this needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

__all__ = ["NEEDS", "Network", "open_network"]

#: Why something is skipped where none can be made.
NEEDS = "needs network namespaces: root, iproute2, and a kernel or container that lets root have them"
NOWHERE = "02:00:00:00:00:00"
_numbers = count()


class Network:
    """The cable from this machine (``here``) to the namespace (``there``)."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.name = f"aw{os.getpid()}n{number}"
        self._device, self._inner = f"awh{os.getpid() % 100000}n{number}", "inside"
        block = (os.getpid() * 16 + number) % 16384
        subnet = f"10.{213 + block // 8192}.{block // 64 % 128}.{block % 64 * 4}"
        first, _, last = subnet.rpartition(".")
        self.here, self.there = f"{first}.{int(last) + 1}", f"{first}.{int(last) + 2}"

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words that run a command in the namespace."""
        return ("ip", "netns", "exec", self.name)

    def open(self) -> None:
        _ip("netns", "add", self.name)
        _ip("link", "add", self._device, "type", "veth", "peer", "name", self._inner, "netns", self.name)
        _ip("addr", "add", f"{self.here}/30", "dev", self._device)
        _ip("link", "set", self._device, "up")
        _ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", self._inner)
        _ip("-n", self.name, "link", "set", self._inner, "up")

    def close(self) -> None:
        """Does nothing about what is not there."""
        for command in (("link", "del", self._device), ("netns", "del", self.name)):
            subprocess.run(["ip", *command], stderr=subprocess.DEVNULL)

    def lose(self, fault: str) -> None:
        """``out``: what the namespace sends; ``in``: what it is sent; ``cable``: the link goes down."""
        if fault == "cable":
            _ip("link", "set", self._device, "down")
        if fault == "out":
            _ip("-n", self.name, "neigh", "replace", self.here, "lladdr", NOWHERE, "dev", self._inner)
        if fault == "in":
            _ip("neigh", "replace", self.there, "lladdr", NOWHERE, "dev", self._device)

    def heal(self, fault: str) -> None:
        if fault == "cable":
            _ip("link", "set", self._device, "up")
        if fault == "out":
            _ip("-n", self.name, "neigh", "del", self.here, "dev", self._inner)
        if fault == "in":
            _ip("neigh", "del", self.there, "dev", self._device)


@contextmanager
def open_network() -> Iterator[Network | None]:
    """A network for as long as the block lasts; ``None`` where none can be made."""
    network = Network()
    try:
        yield network if _can(network) else None
    finally:
        network.close()


def _can(network: Network) -> bool:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        network.open()
        subprocess.run([*network.prefix, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
