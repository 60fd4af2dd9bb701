"""Model: what a cluster needs, computed from what things cost.

Rule owned here: users are spread over nodes at random; every load is what was measured, times how often it happens;
nothing is assumed to get cheaper with size. What is assumed at all stands in ``scenarios``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, inf

from attrs import evolve, frozen

from benchmarks.cluster.scenarios import LIMITS, Groups, Limits, Scenario

__all__ = ["Costs", "Engine", "Plan", "TooLarge", "largest", "nodes_reached", "plan", "servers"]

MICRO = 1e-6
#: Factors between which the end of a single primary is looked for.
LEAST, MOST = 1e-3, 1e3
#: More than anybody has.
MAX_NODES, MAX_PRIMARIES = 1 << 20, 1 << 12


class TooLarge(Exception):
    """No number of nodes bears it: what comes to every one of them is too much for one."""


@frozen(kw_only=True)
class Costs:
    """What things cost: microseconds of CPU time on one core, or bytes."""

    # On a node
    receive: float
    """A message of a client: reading, the callback, the answer."""
    deliver: float
    """A message to one member here, through its callback, to its client."""
    broadcast: float
    """The same without a callback."""
    connect: float
    """A client that comes."""
    connection_bytes: float
    node_publish: float
    """A message to a group elsewhere: encoding and sending."""
    node_arrive: float
    """A message from elsewhere, without its deliveries."""
    node_group_bytes: float
    node_name_bytes: float
    # On the engine
    engine_publish: float
    """A publish to nobody."""
    engine_delivery: float
    """What each node adds that it goes to."""
    engine_send: float
    """A message by name."""
    engine_register: float
    """A name that is registered."""
    engine_look: float
    """What each node adds to a look at which nodes there are."""
    engine_group_back: float
    """A group subscribed to again, when the engine has lost its memory."""
    engine_name_back: float
    """A name asserted again, likewise."""
    engine_group_bytes: float
    """Of one group on one node."""
    engine_name_bytes: float
    envelope_bytes: float
    """What a message has around it when it leaves the engine."""


@frozen
class Engine:
    """What one primary has to bear, per second."""

    publishes: float
    deliveries: float
    sends: float
    registers: float
    cpu: float
    """Of one core."""
    bandwidth: float
    """Bytes that leave it."""
    memory: float
    """Bytes."""
    recovery: float
    """Seconds of CPU to take everything in again."""

    def exceeds(self, limits: Limits) -> str:
        """The first limit that it is over, in words; empty if none."""
        shares = {
            "CPU": self.cpu / limits.engine_cpu,
            "bandwidth": self.bandwidth / limits.engine_bandwidth,
            "memory": self.memory / limits.engine_memory,
            "recovery": self.recovery / limits.recovery,
        }
        worst = max(shares, key=lambda name: shares[name])
        return worst if shares[worst] > 1 else ""


@frozen
class Plan:
    """What a scenario needs."""

    scenario: Scenario
    nodes: int
    bound_by: str
    """What decides how many nodes there must be."""
    node_cpu: float
    """Of one core."""
    node_memory: float
    """Bytes."""
    deliveries: float
    """To clients, per second."""
    engine: Engine
    """Its load if there is one primary."""


def nodes_reached(members: float, nodes: int) -> float:
    """On how many of ``nodes`` the members of a group are, when each is anywhere with the same chance."""
    without: float = (1.0 - 1.0 / nodes) ** members
    return nodes * (1.0 - without)


def plan(scenario: Scenario, costs: Costs, limits: Limits = LIMITS) -> Plan:
    """What the smallest number of nodes looks like that bears the scenario. Raises ``TooLarge`` if none does."""
    nodes = _fewest_nodes(scenario, costs, limits)
    _, cpu, memory = _node(scenario, nodes, costs, limits)
    shares = {
        "CPU": cpu / limits.node_cpu,
        "memory": memory / limits.node_memory,
        "connections": scenario.users / nodes / limits.node_connections,
    }
    return Plan(
        scenario=scenario,
        nodes=nodes,
        bound_by=max(shares, key=lambda name: shares[name]),
        node_cpu=cpu,
        node_memory=memory,
        deliveries=sum(each.number * each.messages * each.members for each in scenario.groups)
        + scenario.users * scenario.sends,
        engine=_engine(scenario, nodes, costs, limits),
    )


def _fewest_nodes(scenario: Scenario, costs: Costs, limits: Limits) -> int:
    few, many = 0, max(1, ceil(scenario.users / limits.node_connections))
    if _node(scenario, many, costs, limits)[0] <= 1:
        return many  # no fewer: each holds as many connections as it may
    while _node(scenario, many, costs, limits)[0] > 1:
        few, many = many, 2 * many
        if many > MAX_NODES:
            raise TooLarge(scenario.name)
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _node(scenario, middle, costs, limits)[0] <= 1 else (middle, many)
    return many


def _node(scenario: Scenario, nodes: int, costs: Costs, limits: Limits) -> tuple[float, float, float]:
    """By how much a node is over what it may bear (more than 1: it is), its CPU and its memory."""
    users = scenario.users / nodes
    pings = max(0.0, 1 / limits.ping_every - scenario.received)
    micros = users * ((scenario.received + pings) * costs.receive + scenario.churn * costs.connect)
    # A command: at the sender's node, at the receiver's, and to its client.
    micros += users * scenario.sends * (costs.node_publish + costs.node_arrive + costs.deliver)
    micros += scenario.from_nodes * (costs.node_publish + nodes * costs.node_arrive)
    for each in scenario.groups:
        reached = nodes_reached(each.members, nodes)
        one = costs.broadcast if each.is_broadcast else costs.deliver
        messages = each.number * each.messages / nodes
        micros += messages * (costs.node_publish + reached * costs.node_arrive + each.members * one)
    memory = users * (costs.connection_bytes + limits.kernel_bytes + scenario.names * costs.node_name_bytes)
    memory += _subscriptions(scenario.groups, nodes) / nodes * costs.node_group_bytes
    cpu = micros * MICRO
    return max(cpu / limits.node_cpu, memory / limits.node_memory), cpu, memory


def _subscriptions(groups: tuple[Groups, ...], nodes: int) -> float:
    return sum(each.number * nodes_reached(each.members, nodes) for each in groups)


def _engine(scenario: Scenario, nodes: int, costs: Costs, limits: Limits) -> Engine:
    publishes = sum(each.number * each.messages for each in scenario.groups) + nodes * scenario.from_nodes
    deliveries = sum(each.number * each.messages * nodes_reached(each.members, nodes) for each in scenario.groups)
    deliveries += nodes * nodes * scenario.from_nodes
    sends = scenario.users * scenario.sends
    registers = scenario.users * scenario.churn * scenario.names
    looks = nodes / limits.look_around * nodes + nodes / limits.heartbeat
    names, groups = scenario.users * scenario.names, _subscriptions(scenario.groups, nodes)
    micros = publishes * costs.engine_publish + deliveries * costs.engine_delivery
    # Who leaves gives its name back, which is about as dear as taking it.
    micros += sends * costs.engine_send + 2 * registers * costs.engine_register + looks * costs.engine_look
    return Engine(
        publishes=publishes,
        deliveries=deliveries,
        sends=sends,
        registers=registers,
        cpu=micros * MICRO,
        bandwidth=(deliveries + sends) * (scenario.size + costs.envelope_bytes),
        memory=names * costs.engine_name_bytes + groups * costs.engine_group_bytes,
        recovery=(names * costs.engine_name_back + groups * costs.engine_group_back) * MICRO,
    )


def largest(scenario: Scenario, costs: Costs, limits: Limits = LIMITS) -> tuple[float, str]:
    """How many times as many users one primary bears, and what gives out beyond that."""

    def gives_out(factor: float) -> str:
        try:
            return plan(scenario.grown(factor), costs, limits).engine.exceeds(limits)
        except TooLarge:
            return "the nodes' CPU"

    if not gives_out(MOST):
        return inf, ""
    low, high = LEAST, MOST
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if gives_out(middle) else (middle, high)
    return low, gives_out(high)


def servers(scenario: Scenario, costs: Costs, limits: Limits = LIMITS) -> Mapping[str, float]:
    """How many servers are needed if groups and names are spread over primaries by hash, or the users by partition, or
    if NATS carries it. ``inf``: no number is enough. Raises ``TooLarge`` as ``plan``.
    """
    return {
        "by hash": _by_hash(scenario, costs, limits),
        "by partition": _by_partition(scenario, costs, limits),
        "nats": _nats(scenario, costs, limits),
    }


def _by_hash(scenario: Scenario, costs: Costs, limits: Limits) -> float:
    """Every node is linked to every primary; a group, or a name, has one of them, and can't have two."""
    nodes = plan(scenario, costs, limits).nodes
    for each in scenario.groups:
        hottest = evolve(scenario, groups=(evolve(each, number=1),), names=0, sends=0, churn=0, from_nodes=0)
        if _engine(hottest, nodes, costs, limits).exceeds(limits):
            return inf
    return _fewest(lambda count: not _engine(_part(scenario, count), nodes, costs, limits).exceeds(limits))


def _part(scenario: Scenario, count: int) -> Scenario:
    """What one of ``count`` primaries has of it. (Counts of nodes go through one channel: one of them has it all.)"""
    groups = tuple(evolve(each, number=each.number / count) for each in scenario.groups if each.number >= count)
    single = tuple(each for each in scenario.groups if each.number < count)
    return evolve(scenario, users=scenario.users / count, groups=groups + single)


def _by_partition(scenario: Scenario, costs: Costs, limits: Limits) -> float:
    """Each partition has nodes and a primary of its own. A group is in one of them; one that everybody is in is in all
    of them, and what is published to it is published in each."""

    def is_enough(count: int) -> bool:
        part = scenario.grown(1 / count)
        groups = tuple(
            evolve(share, number=max(share.number, min(1, whole.number)), messages=whole.messages)
            for share, whole in zip(part.groups, scenario.groups, strict=True)
        )
        return not plan(evolve(part, groups=groups), costs, limits).engine.exceeds(limits)

    return _fewest(is_enough)


def _nats(scenario: Scenario, costs: Costs, limits: Limits) -> float:
    """Its servers share the load, whatever the groups are; names are kept by three of them and need no recovery."""
    engine = _engine(scenario, plan(scenario, costs, limits).nodes, evolve(costs, engine_look=0), limits)
    return max(3, ceil(engine.cpu * limits.nats_factor / (limits.nats_cores * limits.engine_cpu)))


def _fewest(is_enough: Callable[[int], bool]) -> float:
    few, many = 0, 1
    while not is_enough(many):
        few, many = many, 2 * many
        if many > MAX_PRIMARIES:
            return inf
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if is_enough(middle) else (middle, many)
    return many
