"""Members: each coming and going of a node is told once."""

from __future__ import annotations

from actorws.cluster.engine import NodeInfo
from actorws.cluster.members import Members
from tests.support.nodes import Recorder

THIS, A, B = (NodeInfo(name, name.upper()) for name in ("this", "a", "b"))


def test_this_node_is_the_first_and_never_told_of():
    members, node = Members(THIS), Recorder()
    members.joined(A, node)
    members.joined(THIS, node)
    members.left("this", node)
    assert members.all() == (THIS, A)
    assert node.told == [("node_joined", A)]


def test_each_is_told_of_once():
    members, node = Members(THIS), Recorder()
    for _ in range(2):
        members.joined(A, node)
    for _ in range(2):
        members.left("a", node)
    assert node.told == [("node_joined", A), ("node_left", A)]


def test_who_is_not_among_those_who_live_has_gone():
    members, node = Members(THIS), Recorder()
    members.joined(A, node)
    members.are([THIS, B], node, complete=True)
    assert members.all() == (THIS, B)
    assert node.told == [("node_joined", A), ("node_left", A), ("node_joined", B)]


def test_while_not_all_are_known_nobody_has_gone():
    members, node = Members(THIS), Recorder()
    members.joined(A, node)
    members.are([THIS, B], node, complete=False)
    assert members.all() == (THIS, A, B)
    assert node.told == [("node_joined", A), ("node_joined", B)]
