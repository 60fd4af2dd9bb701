"""Workers' link: what a parent and its worker processes say to each other, and what a worker is given at its start.

Rule owned here: both sides know the same words; a worker may be of another release than its parent (a rolling restart
starts what is installed by then), so words that one doesn't know it leaves out. Must not know what they mean.

======================  ====================================================================================
worker to parent        one byte each
======================  ====================================================================================
``READY``               it accepts connections
``BEAT``                its event loop has turned
``LEAVING``             it was asked by somebody else to end, and does
======================  ====================================================================================

==========================  ================================================================================
parent to worker            one line each
==========================  ================================================================================
``also [number...]``        accept for these workers too, and for no others: they can't just now
``end CODE``                shut down; clients are told this close code
``now``                     end at once
==========================  ================================================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, MutableMapping

from attrs import asdict, frozen

__all__ = ["BEAT", "BEAT_SECONDS", "LEAVING", "NOW", "READY", "Settings", "also", "end"]

READY, BEAT, LEAVING = b"r", b".", b"l"
#: Between two of them.
BEAT_SECONDS = 0.5

NOW = b"now\n"

#: Of the environment: there only until a worker has begun, so that what it starts is none.
VARIABLE = "ACTORWS_WORKER"


def also(numbers: Iterable[int]) -> bytes:
    """The line that says for whom to accept too."""
    return " ".join(["also", *map(str, sorted(numbers))]).encode() + b"\n"


def end(code: int) -> bytes:
    """The line that begins the shutdown."""
    return b"end %d\n" % code


@frozen
class Settings:
    """What a worker is, in its environment. Descriptors are inherited under the same numbers."""

    number: int
    """From 1 on; a worker that replaces another one has its number."""
    channel: int
    """The descriptor of the socket to its parent."""
    sockets: tuple[int, ...]
    """Descriptors that it listens on."""
    others: Mapping[int, tuple[int, ...]]
    """By number, descriptors that other workers listen on."""
    cluster: str | None
    """URL of the engine that connects the workers."""
    folder: str | None = None
    """Where they find each other, to hand over connections (see ``handover_folder``)."""

    def in_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """``environment`` with these settings."""
        return {**environment, VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Settings | None:
        """The settings in ``environment``, taken out of it; ``None``: this process is no worker."""
        text = environment.pop(VARIABLE, None)
        if text is None:
            return None
        values = json.loads(text)
        others = {int(number): tuple(fds) for number, fds in values["others"].items()}
        settings = cls(
            values["number"],
            values["channel"],
            tuple(values["sockets"]),
            others,
            values["cluster"],
            values.get("folder"),  # not said by parents of earlier releases
        )
        for descriptor in settings.descriptors:
            os.set_inheritable(descriptor, False)
        return settings

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them, once each."""
        return tuple(dict.fromkeys([self.channel, *self.sockets, *(fd for fds in self.others.values() for fd in fds)]))
