"""What can be asked for, and what is said of what can't be meant."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest

from actorws.cli import main
from actorws.cli.arguments import parse
from actorws.config import ServerConfig
from actorws.exceptions import ConfigError

# Options


@pytest.mark.parametrize("port", ["-1", "65536", "http", "80.0", ""])
def test_a_port_out_of_range_is_shown(fails: Callable[..., str], port: str) -> None:
    assert f"a port is a number from 0 to 65535, not {port!r}" in fails("serve", "a:b", f"--port={port}")


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("drain_timeout", "--option expects NAME=VALUE, not 'drain_timeout'"),
        ("drain_timeout=soon", "drain_timeout must be a number, not 'soon'"),
        ("drain_timeout=0", "drain_timeout must be a number of at least 0.001, not 0.0"),
        ("drain_timeout=nan", "drain_timeout must be a number of at least 0.001, not nan"),
        ("max_headers=1.5", "max_headers must be a whole number, not '1.5'"),
        ("max_headers=none", "max_headers must be a whole number, not 'none'"),
        ("backlog=many", "backlog must be a whole number, not 'many'"),
    ],
)
def test_an_option_with_a_bad_value_is_named(fails: Callable[..., str], option: str, line: str) -> None:
    assert fails("serve", "a:b", "--option", option) == line


def test_an_unknown_option_of_the_server_is_named_and_all_are_listed(fails: Callable[..., str]) -> None:
    with pytest.raises(ConfigError) as known:
        ServerConfig.of(nonsense=1)
    assert fails("serve", "a:b", "--option", "nonsense=1") == str(known.value)


@pytest.mark.parametrize(
    "words", [[], ["serve"], ["sevre"], ["serve", "a:b", "--prot", "1"], ["serve", "a:b", "--log-level", "loud"]]
)
def test_a_wrong_command_is_one_line_that_points_to_the_help(fails: Callable[..., str], words: list[str]) -> None:
    assert re.search(r"\(see actorws( serve)? --help\)$", fails(*words))


# Processes


@pytest.mark.parametrize("word", ["auto", "0"])
def test_auto_is_a_process_for_each_core_that_may_be_used(word: str) -> None:
    assert parse(["serve", "a:b", "--workers", word]).workers == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("count", ["two", "-1", "2.5", "", "AUTO", "0x2", "1025", "99999"])
def test_a_number_of_workers_that_cannot_be_meant_is_shown(fails: Callable[..., str], count: str) -> None:
    line = fails("serve", "a:b", f"--workers={count}")
    assert line.startswith(f"argument --workers: expected 1 to 1024 processes, or auto, not {count!r}")


@pytest.mark.parametrize("seconds", ["1", "soon", "nan", "1e9"])
def test_a_worker_timeout_out_of_range_is_shown(fails: Callable[..., str], seconds: str) -> None:
    assert f"expected 2 to 86400 seconds, not {seconds!r}" in fails("serve", "a:b", "--worker-timeout", seconds)


@pytest.mark.parametrize("count", ["1", "2"])
@pytest.mark.parametrize("url", ["", "localhost", "http://a", "redis://a,b", "redis://a/x", "rediss://a?ca=/nosuch"])
def test_a_url_that_cannot_be_meant_is_refused_before_anything_begins(
    fails: Callable[..., str], url: str, count: str
) -> None:
    """Nothing is imported and no worker is started, of which there would be a line."""
    assert "the cluster's URL" in fails("serve", "nosuch:app", "--workers", count, "--port", "0", "--cluster", url)


def test_a_password_in_a_url_is_not_shown(fails: Callable[..., str]) -> None:
    assert "secret" not in fails("serve", "nosuch:app", "--cluster", "redis://:secret@a:b:c/d")


@pytest.mark.parametrize(
    ("words", "cluster", "private"),
    [([], None, True), (["--cluster", "none"], None, False), (["--cluster", "redis://a"], "redis://a", False)],
)
def test_several_workers_have_a_server_of_their_own_unless_told_otherwise(
    words: list[str], cluster: str | None, private: bool
) -> None:
    asked = parse(["serve", "a:b", "--workers", "2", *words])
    assert (asked.cluster, asked.private_server) == (cluster, private)


# Help


def test_the_version_is_the_one_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith("actorws ")


def test_the_help_shows_each_option_of_the_server_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["serve", "--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert "actorws serve chat:app --unix /run/chat.sock --option drain_timeout=30" in shown
    for name in ServerConfig.__annotations__:
        assert name in shown.replace("\n", " ")
