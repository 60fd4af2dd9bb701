"""Timings: how long the parts of a cluster wait for each other, in seconds.

Rule owned here: the durations that must fit together are checked together. Must not know what waits.
"""

from __future__ import annotations

from math import isfinite

from attrs import astuple, frozen

from actorws.exceptions import ConfigError

__all__ = ["Timings"]


@frozen(kw_only=True)
class Timings:
    """The defaults lose a node's names 10 s after its death, and notice a silent engine within 4 s.

    ``lease`` has to be the same on all nodes of a cluster.
    """

    lease: float = 10.0
    """For which the engine holds a node's names without hearing of it. Also the grace: so long new names wait after the
    engine has lost its memory, because an owner may not have come back yet."""
    heartbeat: float = 2.5
    """Between two renewals of the lease."""
    margin: float = 1.0
    """By which the node gives its names up before the engine does."""
    probe: float = 2.0
    """Of silence, after which the node publishes to itself; and until that must have come back."""
    request: float = 2.0
    """Until a request must be answered."""
    connect: float = 2.0
    """For TCP, TLS and the login."""
    linger: float = 10.0
    """For which a group without members stays subscribed, in case one comes back."""

    def __attrs_post_init__(self) -> None:
        if not all(isinstance(value, int | float) and isfinite(value) for value in astuple(self)):
            raise ConfigError(f"the timings of a cluster must be seconds, not {self}")
        if min(self.heartbeat, self.margin, self.probe, self.request, self.connect) <= 0 or self.linger < 0:
            raise ConfigError(f"the timings of a cluster must be more than 0 seconds, not {self}")
        if self.lease < 2 * self.heartbeat + self.margin:
            raise ConfigError(
                f"lease must be at least two heartbeats and the margin ({2 * self.heartbeat + self.margin:g} s), "
                f"not {self.lease:g} s: one lost heartbeat would cost every name"
            )
