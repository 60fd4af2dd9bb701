"""The driver of the page: a load, as ``benchmarks.question`` has it, for a server on 127.0.0.1.

    python -m benchmarks.browser [--members 100] [--window 1] [--size 32] [--path /topic] PORT SECONDS

Rule owned here: what is told to whom started this. One Chromium is started, on the cores that this process has, and is
gone when this ends, however it ends. Exit status: 1 and a line if it went wrong, 2 and a line if it can't be done here.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from typing import Any, NoReturn
from urllib.parse import urlencode

from benchmarks.browser.chromium import Chromium, find_chromium, open_chromium
from benchmarks.browser.desk import Desk, PageFailed, open_desk

#: Upper bounds for a machine that is busy with something else: a start takes 0.6 s.
START_SECONDS, REST_SECONDS = 60, 30
#: What this is told to end by.
ENDS = (signal.SIGINT, signal.SIGTERM)
#: Chromium opens no more than 255.
MOST_MEMBERS = 200


def main(argv: list[str]) -> int:
    """The command. Returns the exit status."""
    task = _parse(argv)
    try:
        find_chromium()
    except OSError as error:
        return _complain(f"left out: {error}", 2)
    for number in ENDS:
        signal.signal(number, _end)
    try:
        _drive(task)
    except (OSError, PageFailed) as error:
        return _complain(str(error), 1)
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.browser", description="Measure by a page in Chromium.")
    parser.add_argument("--members", type=int, default=0, help="other sockets that get each message; 0: an echo")
    parser.add_argument("--window", type=int, default=1, help="messages that are sent at once")
    parser.add_argument("--size", type=int, default=32, help="characters of a message")
    parser.add_argument("--path", default="/", help="of the WebSockets")
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    task = parser.parse_args(argv)
    if not 0 <= task.members <= MOST_MEMBERS:
        parser.error(f"--members must be 0 to {MOST_MEMBERS}, not {task.members}")
    if min(task.window, task.size) < 1:
        parser.error("--window and --size must be at least 1")
    return task


def _drive(task: argparse.Namespace) -> None:
    """Raises ``PageFailed`` and ``OSError``."""
    host = f"127.0.0.1:{task.port}"
    names = ("path", "members", "window", "size", "seconds")
    url = f"http://{host}/page.html?{urlencode({name: getattr(task, name) for name in names})}"
    with open_desk(host) as desk:
        proxy = f"127.0.0.1:{desk.port}"
        with open_chromium(url, proxy, lambda said: desk.tell("failed", f"Chromium has ended: {said}")) as chromium:
            try:
                _work(task, desk, chromium)
            finally:
                _ignore_signals()  # it ends anyhow


def _work(task: argparse.Namespace, desk: Desk, chromium: Chromium) -> None:
    _say(desk.wait("opened", START_SECONDS))
    if not sys.stdin.readline():
        raise PageFailed("no line came on the standard input, which is what the work begins with")
    cpu = chromium.cpu_seconds()
    desk.go.set()
    figures = desk.wait("figures", task.seconds + REST_SECONDS)
    _say({**figures, "cpu": chromium.cpu_seconds() - cpu})


def _end(number: int, frame: object) -> NoReturn:
    _ignore_signals()
    sys.exit(128 + number)


def _ignore_signals() -> None:
    """Nothing of Chromium stays behind because somebody can't wait for its end."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _complain(line: str, status: int) -> int:
    print(line, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
