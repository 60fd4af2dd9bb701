"""Chains: order, and leaving from anywhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorws.actor.chain import Chain, Link, unlink


class Item(Link):
    __slots__ = ()


def test_an_empty_chain_has_no_first_and_is_false():
    chain = Chain()
    assert (list(chain), chain.first(), bool(chain)) == ([], None, False)


def test_what_is_in_a_chain_is_linked_and_what_has_left_is_not():
    chain, item = Chain(), Item()
    assert not item.is_linked
    chain.add(item)
    assert item.is_linked and chain
    assert unlink(item)
    assert not item.is_linked and not chain


def test_what_has_left_may_come_again_and_is_the_last():
    chain, items = Chain(), [Item() for _ in range(3)]
    for item in items:
        chain.add(item)
    assert not unlink(items[0])
    chain.add(items[0])
    assert list(chain) == [items[1], items[2], items[0]]


@given(st.lists(st.integers(0, 5)))
def test_a_chain_is_in_the_order_of_a_dict(numbers):
    """Each number comes if it isn't there, and leaves if it is."""
    chain, items, model = Chain(), [Item() for _ in range(6)], {}
    for number in numbers:
        if number in model:
            del model[number]
            assert unlink(items[number]) == (not model)
        else:
            model[number] = None
            chain.add(items[number])
        assert list(chain) == [items[number] for number in model]
        assert chain.first() is (items[next(iter(model))] if model else None)
