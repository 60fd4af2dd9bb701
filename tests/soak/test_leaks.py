"""The comparison of a server with itself finds each thing that is left behind."""

from __future__ import annotations

import pytest

from tests.soak.leaks import COUNTED, PER_CLIENT, faults_of_memory, faults_of_peak, is_quiet, leaks

BEFORE = {name: 10 for name in COUNTED} | {"rss": 1000, "blocks": 500, "peak": 1100}


def test_a_server_that_is_as_before_is_quiet() -> None:
    assert is_quiet(BEFORE, BEFORE)
    assert faults_of_memory(BEFORE | {"rss": 1100, "blocks": 550}, BEFORE) == []


@pytest.mark.parametrize("name", COUNTED)
def test_one_of_anything_that_is_left_is_a_leak(name: str) -> None:
    assert leaks(BEFORE | {name: 11}, BEFORE) == [f"11 {name}, 10 before"]
    assert not is_quiet(BEFORE | {name: 9}, BEFORE)


def test_more_than_a_tenth_of_memory_is_a_leak() -> None:
    assert faults_of_memory(BEFORE | {"rss": 1101}, BEFORE) == [
        "1,101 of rss, 1,000 after the warm-up: more than 10% above"
    ]
    assert faults_of_memory(BEFORE | {"blocks": 551}, BEFORE) == [
        "551 of blocks, 500 after the warm-up: more than 10% above"
    ]


def test_memory_beyond_what_clients_account_for_is_found() -> None:
    assert faults_of_peak(BEFORE | {"peak": 1000 + 3 * PER_CLIENT}, BEFORE, clients=3) == []
    assert faults_of_peak(BEFORE | {"peak": 1001 + 3 * PER_CLIENT}, BEFORE, clients=3) != []
