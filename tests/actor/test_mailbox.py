"""The mailbox: when the client has to wait, and when it may go on."""

from __future__ import annotations

import pytest

from actorws import config
from actorws.actor.mailbox import CLIENT, SERVER, Mailbox, size_of


@pytest.mark.parametrize("message, size", [("abc", 3), (b"abcd", 4), (bytearray(5), 5), (memoryview(bytes(6)), 6)])
def test_strings_and_bytes_count_for_their_length(message, size):
    assert size_of(message) == size


def test_anything_else_counts_for_something():
    assert size_of(None) > 0
    assert size_of({"a": 1}) > 0


def test_it_is_full_at_its_bound_and_has_room_at_half_of_it():
    mailbox = Mailbox(config.Mailbox(mailbox_messages=4))
    for number in range(4):
        assert not mailbox.is_full
        mailbox.put((CLIENT, number), 1)
    assert mailbox.is_full
    mailbox.take()
    assert not mailbox.is_full
    assert not mailbox.has_room
    mailbox.take()
    assert mailbox.has_room


def test_the_same_in_bytes():
    mailbox = Mailbox(config.Mailbox(mailbox_bytes=10))
    mailbox.put((CLIENT, "x" * 9), 9)
    assert not mailbox.is_full
    assert not mailbox.has_room
    assert not mailbox.offer((SERVER, "xx"), 2)
    mailbox.put((CLIENT, "xx"), 2)
    assert mailbox.is_full
