"""The benchmark of clients measures something: it is only run for a moment here, and no figure is judged."""

from __future__ import annotations

import sys

import pytest

from benchmarks import client


@pytest.mark.parametrize("window", client.WINDOWS)
def test_every_client_has_its_messages_back(start_server, window):
    server = start_server([sys.executable, "-m", "actorws", "serve", "benchmarks.client:Echo", "--port", "0"])
    for name in client.CLIENTS:
        assert 0 < client.measure(name, int(server.address.rpartition(":")[2]), window, 0.05) < 100_000, name


def test_a_word_instead_of_seconds_is_one_line_and_status_2(capsys):
    assert client.main(["soon"]) == 2
    assert capsys.readouterr().err == "seconds must be a number, not 'soon'\n"
