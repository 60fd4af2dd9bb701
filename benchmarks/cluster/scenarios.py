"""Scenarios: what a system at internet scale has to do, and what its machines may be loaded with.

Rule owned here: these are assumptions, every one of them named; what was measured stands in ``costs.json``.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import evolve, frozen

__all__ = ["LIMITS", "SCENARIOS", "Groups", "Limits", "Scenario"]

#: How a scenario gets larger: by more groups of the same size, or by larger ones.
Growth: TypeAlias = Literal["more groups", "larger groups"]


@frozen
class Groups:
    """Some groups of one kind."""

    what: str
    number: float
    members: float
    """Users in each, who are online."""
    messages: float
    """Published to each, per second."""
    is_broadcast: bool = False
    """Whether the message goes straight to the clients, with no callback."""
    messages_grow: bool = False
    """Whether there are more messages with more members: when it is they who send them."""


@frozen
class Scenario:
    """What is asked."""

    name: str
    what: str
    users: float
    """Connections at a time."""
    groups: tuple[Groups, ...] = ()
    received: float = 0.0
    """Messages that each user sends to its node, per second."""
    names: float = 1.0
    """Unique names that each user has."""
    sends: float = 0.0
    """Messages that each user is sent by its name, per second."""
    churn: float = 0.0
    """Times per second that a user comes anew."""
    from_nodes: float = 0.0
    """Messages that each node sends to all others, per second; they end there."""
    size: float = 200.0
    """Bytes of a message."""
    growth: Growth = "more groups"

    def grown(self, factor: float) -> Scenario:
        """The same with ``factor`` times as many users."""
        more = self.growth == "more groups"
        groups = tuple(
            evolve(
                each,
                number=each.number * (factor if more else 1),
                members=each.members * (1 if more else factor),
                messages=each.messages * (factor if each.messages_grow else 1),
            )
            for each in self.groups
        )
        return evolve(self, users=self.users * factor, groups=groups)


@frozen
class Limits:
    """How far machines are loaded."""

    node_cpu: float = 0.5
    """Of one core: a node is one process."""
    node_connections: float = 100_000
    node_memory: float = 2e9
    """Bytes."""
    engine_cpu: float = 0.6
    """Of one core: the server runs commands in one thread."""
    engine_bandwidth: float = 1e9
    """Bytes a second that leave it: most of 10 Gbit/s."""
    engine_memory: float = 16e9
    """Bytes."""
    recovery: float = 5.0
    """Seconds for the engine to take in everything again after it has lost its memory: half the lease; the other half
    goes by until every node has noticed and is back."""
    kernel_bytes: float = 4096.0
    """Of memory in the kernel for each idle connection."""
    ping_every: float = 40.0
    """Seconds between two pings of an idle connection."""
    heartbeat: float = 2.5
    look_around: float = 5.0
    nats_cores: float = 8.0
    """That a NATS server can use."""
    nats_factor: float = 1.7
    """CPU of a NATS server beside a Redis for the same messages: 158 000 publishes a second to one of 100 000 subjects
    beside 273 000, when engines were chosen."""


LIMITS = Limits()
DAY, HOUR, MINUTE = 86400.0, 3600.0, 60.0

_CHAT = Scenario(
    name="chat",
    what="1 M users online, each in 5 conversations of 4, 3 teams of 50 and a community of 2000; a message a minute "
    "each (60 % to conversations, 35 % to teams, 5 % to communities), a private notice each two minutes, two "
    "reconnects an hour",
    users=1e6,
    groups=(
        Groups("conversations of 4", 1.25e6, 4, 0.60 * 1e6 / MINUTE / 1.25e6),
        Groups("teams of 50", 60e3, 50, 0.35 * 1e6 / MINUTE / 60e3),
        Groups("communities of 2000", 500, 2000, 0.05 * 1e6 / MINUTE / 500),
    ),
    received=1 / MINUTE,
    sends=0.5 / MINUTE,
    churn=2 / HOUR,
)

_EVENT = Scenario(
    name="live event",
    what="5 M viewers of one group, who are sent 5 messages a second; their reactions (one each two minutes) are "
    "counted on their node, which adds its count to the others' once a second",
    users=5e6,
    groups=(Groups("the event", 1, 5e6, 5, is_broadcast=True),),
    received=0.5 / MINUTE,
    names=0,
    churn=1 / HOUR,
    from_nodes=1,
    growth="larger groups",
)

_EVENT_CHAT = Scenario(
    name="live event with open chat",
    what="the same, but every thousandth viewer writes a message a minute, and each goes to everybody: nobody could "
    "read them, and no system should send them; it shows what it costs when everybody may talk to everybody",
    users=5e6,
    groups=(
        Groups("the event", 1, 5e6, 5, is_broadcast=True),
        Groups("its chat", 1, 5e6, 5e6 / 1000 / MINUTE, is_broadcast=True, messages_grow=True),
    ),
    received=0.5 / MINUTE,
    names=0,
    churn=1 / HOUR,
    from_nodes=1,
    growth="larger groups",
)

_DEVICES = Scenario(
    name="devices",
    what="10 M idle devices with a unique name each; a reading every five minutes, which stays on its node, a command "
    "by name every hour, a reconnect a day",
    users=10e6,
    received=1 / (5 * MINUTE),
    sends=1 / HOUR,
    churn=1 / DAY,
)

SCENARIOS = (_CHAT, _EVENT, _EVENT_CHAT, _DEVICES)
