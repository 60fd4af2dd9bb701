"""What a parent and its workers say to each other."""

from __future__ import annotations

import json
import os
import socket

from actorws.server.workers_link import VARIABLE, Settings, also, end


def test_a_worker_gets_its_settings_and_what_it_starts_does_not() -> None:
    with socket.socket() as channel, socket.socket() as own, socket.socket() as other:
        for each in (channel, own, other):
            each.set_inheritable(True)
        given = Settings(3, channel.fileno(), (own.fileno(),), {1: (other.fileno(),)}, "unix:///a")
        environment = given.in_environment({"HOME": "/root"})
        assert Settings.from_environment(environment) == given
        assert environment == {"HOME": "/root"}
        assert not any(os.get_inheritable(each.fileno()) for each in (channel, own, other))


def test_without_settings_a_process_is_no_worker() -> None:
    assert Settings.from_environment({"HOME": "/root"}) is None


def test_settings_that_a_worker_of_another_release_does_not_know_are_left_out() -> None:
    with socket.socket() as channel:
        given = Settings(1, channel.fileno(), (), {}, None).in_environment({})
        later = {VARIABLE: json.dumps({**json.loads(given[VARIABLE]), "colour": "red"})}
        assert Settings.from_environment(later) == Settings.from_environment(given)


def test_lines_are_told_by_their_first_word() -> None:
    assert (also({3, 1}), also([]), end(1012)) == (b"also 1 3\n", b"also\n", b"end 1012\n")
