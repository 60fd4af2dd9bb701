"""Chromium: one headless browser, a profile of its own, and all of its processes.

Rule owned here: it talks to nobody outside of this machine, and when it has been closed nothing of it is left, neither
processes nor files. Must not know what the page is for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from threading import Thread
from typing import IO

from benchmarks.machine import cpu_seconds_of_family

__all__ = ["Chromium", "find_chromium", "open_chromium"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # Chromium refuses to start as root with one.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-breakpad",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Nobody sees the page, which is no reason to give it less time.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    # Nothing but this machine can be found.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # Proxies are not used for this machine unless that is said.
    "--proxy-bypass-list=<-loopback>",
)
#: Environment variables that say where it may leave something.
FOLDERS = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR")
#: It takes 0.1 s.
END_SECONDS = 10


def find_chromium() -> str:
    """The program. Raises ``OSError``, in one line that says what to install, if there is none on the PATH."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise OSError("there is no Chromium on the PATH; as root: apt-get install chromium")


class Chromium:
    """One that runs, with all of its processes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def cpu_seconds(self) -> float:
        """CPU time of all that run now. Raises ``OSError`` where there is none any more."""
        return cpu_seconds_of_family(self._process.pid)


@contextmanager
def open_chromium(url: str, http_proxy: str, on_end: Callable[[str], None]) -> Iterator[Chromium]:
    """A Chromium that shows ``url``, and is gone when the block is left.

    ``http_proxy``, ``host:port``, is asked for plain HTTP, and nobody for anything else. ``on_end`` is called, in
    another thread, with what it said when it has ended. Raises ``OSError`` where there is none.
    """
    program = find_chromium()
    with TemporaryDirectory(prefix="actorws-bench-", ignore_cleanup_errors=True) as profile:
        proxy = f"--proxy-server=http={http_proxy};https=direct://"  # the latter is for WebSockets too
        process = subprocess.Popen(
            [program, *FLAGS, proxy, f"--user-data-dir={profile}/profile", url],
            env=os.environ | dict.fromkeys(FOLDERS, profile),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert process.stderr is not None
        listener = Thread(target=_listen, args=(process.stderr, on_end), daemon=True)
        listener.start()
        try:
            yield Chromium(process)
        finally:
            _end(process, listener)


def _listen(stderr: IO[str], on_end: Callable[[str], None]) -> None:
    """Chromium says much on its error output, and must not have to wait."""
    with stderr:
        lines = deque(stderr, maxlen=100)
    # Why it has ended is followed by what its other processes say of that.
    why = next((line for line in lines if ":FATAL:" in line), lines[-1] if lines else "")
    on_end(why.strip())


def _end(process: subprocess.Popen[str], listener: Thread) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # All of its processes have the error output: at its end they are gone, and write nothing into the profile.
    listener.join(END_SECONDS)
