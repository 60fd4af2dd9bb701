"""The generator does in each mode what it says, with the floor and with our server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.limit import build
from benchmarks.load import generator
from benchmarks.question import Load
from tests.conftest import ServerProcess
from tests.support.load import SECONDS, drive, driven, echo, serving

SERVERS = {
    "limit": lambda: [str(build.binary()), "0"],
    "actorws": lambda: [sys.executable, "-m", "actorws", "serve", "examples.bench:app", "--port", "0"],
}


@contextmanager
def served(name: str, folder: Path) -> Iterator[int]:
    server = ServerProcess(SERVERS[name](), folder / "server.log")
    try:
        yield int(server.address.rpartition(":")[2])
    finally:
        server.stop()


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of each server in turn; all tests share it, as those who measure do."""
    with served(request.param, tmp_path_factory.mktemp("served")) as port:
        yield port


LOADS = {
    "echo": Load("echo", 4),
    "echo, pipelined": Load("echo", 2, window=32),
    "echo of text": Load("echo", 2, text=True, path="/async"),
    "echo of nothing": Load("echo", 1, size=0),
    "echo of a length in two bytes": Load("echo", 1, size=126),
    "echo of a length in eight bytes": Load("echo", 1, size=65536, window=3),
    "echo, more than the kernel takes at once": Load("echo", 2, size=1 << 20, window=8),
    "paced": Load("paced", 3, rate=1000),
    "paced, several at once": Load("paced", 2, rate=50_000),
    "fan": Load("fan", 20, window=4, path="/fan"),
    "fan of text": Load("fan", 3, size=16, text=True, path="/topic"),
    "fan of great messages": Load("fan", 3, size=100_000, window=2, path="/topic"),
    "chat": Load("chat", 6, window=3, path="/fan"),
    "churn": Load("churn", 4),
    "slow": Load("slow", 10, size=64, rate=200, slow=3, path="/fan"),
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_messages_are_delivered_and_timed(load: Load, port: int) -> None:
    found = drive(load, port)
    figures = found.figures
    assert figures["messages"] > 0 and figures["failed"] == 0 and figures["seconds"] >= 0.1
    assert figures["open"] == found.answers[0]["opened"] == (0 if load.mode == "churn" else load.connections)
    assert 0 < figures["cpu"] < figures["seconds"] + 0.1
    latencies = [figures[name] for name in ("p50_us", "p90_us", "p99_us", "p999_us", "max_us")]
    assert latencies[0] > 0 and latencies == sorted(latencies)


def test_what_is_due_at_a_rate_is_sent_whatever_comes_back(port: int) -> None:
    assert drive(Load("paced", 7, rate=1000), port, 0.2).figures["messages"] == 200
    assert drive(Load("slow", 5, rate=100, slow=2, path="/topic"), port, 0.2).figures["messages"] == 20 * 3


def test_everybody_gets_what_is_published(port: int) -> None:
    assert drive(Load("fan", 7, window=3, path="/fan"), port).figures["messages"] % 7 == 0
    assert drive(Load("chat", 5, window=3, path="/topic"), port).figures["messages"] % (5 * 3) == 0


def test_who_reads_nothing_gets_no_more_than_it_takes_and_the_others_get_all(port: int) -> None:
    figures = drive(Load("slow", 4, size=200_000, rate=400, slow=2, path="/topic"), port).figures
    assert figures["messages"] == 40 * 2


def test_idle_connections_are_held(port: int) -> None:
    found = drive(Load("idle", 200), port)
    assert found.answers[0]["opened"] == found.figures["open"] == 200
    assert found.figures["messages"] == found.figures["failed"] == 0 and "p50_us" not in found.figures


@pytest.mark.parametrize(
    "load", [Load("idle", 50), Load("echo", 20, window=4), Load("churn", 8)], ids=lambda load: load.mode
)
def test_nothing_is_left_in_time_wait(load: Load, port: int) -> None:
    before = in_time_wait(port)
    assert drive(load, port).status == 0
    assert in_time_wait(port) <= before


def in_time_wait(port: int) -> set[str]:
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"{row[1]} {row[2]}" for row in rows if row[3] == "06" and f":{port:04X}" in row[1] + row[2]}


# What it says and what it is told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "usage: load --mode MODE"),
        ("--mode echo --port 1 more", "usage: load --mode MODE"),
        ("--mode echo --port 1 --colour red", "unrecognized option '--colour'"),
        ("--mode shout --port 1", "--mode must be echo, paced, fan, chat, churn, idle or slow, not 'shout'"),
        ("--mode echo", "--port must be given"),
        ("--mode echo --port soon", "--port must be a number from 1 to 65535, not 'soon'"),
        ("--mode echo --port 1 --connections 1.5", "--connections must be a whole number, not '1.5'"),
        ("--mode echo --port 1 --window 0", "--window must be a number from 1 to 65536, not '0'"),
        ("--mode echo --port 1 --size 16777217", "--size must be a number from 0 to 16777216, not '16777217'"),
        ("--mode echo --port 1 --path fan", "--path must begin with /"),
        ("--mode echo --port 1 --slow 1", "--slow is for --mode slow, not for echo"),
        ("--mode echo --port 1 --seconds nan", "--seconds must be a number from 0 to 3600, not 'nan'"),
        ("--mode fan --port 1 --size 15", "--size must be at least 16 for fan, whose messages carry a time, not 15"),
        ("--mode paced --port 1", "--rate must be given for paced, above 0"),
        ("--mode slow --port 1 --rate 1 --connections 3 --slow 3", "--slow must be below --connections 3, not 3"),
    ],
)
def test_a_wrong_option_is_said_with_status_2(words: str, why: str) -> None:
    done = subprocess.run([generator.binary(), *words.split()], capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stdout) == (2, "") and why in done.stderr


def test_more_connections_than_descriptors_are_refused_in_a_line_that_names_the_limit() -> None:
    command = generator.command(Load("idle", 100), 1, 0.1)
    limited = ["sh", "-c", 'ulimit -n 100 && exec "$@"', "sh", *command]
    done = subprocess.run(limited, capture_output=True, text=True, timeout=SECONDS)
    why = "load: 100 connections need more descriptors than the hard limit allows (ulimit -Hn: 100)\n"
    assert (done.returncode, done.stderr) == (2, why)


def test_no_server_is_a_line_and_status_1() -> None:
    assert (
        drive(Load("echo", 1), 1).errors == "load: connection 0: can't be opened to 127.0.0.1:1: Connection refused\n"
    )


async def test_work_begins_with_a_line_and_not_without() -> None:
    async with serving(echo) as server:
        found = await driven(Load("echo", 1), server, said=b"")
    assert (found.status, len(found.answers)) == (1, 1)
    assert found.errors == "load: the input ended before the line to begin with\n"
