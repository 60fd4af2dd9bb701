"""``actorws serve --workers N`` as somebody at a terminal runs it, and an app that says which process it runs in."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio

from actorws import App
from actorws.exceptions import EngineUnavailable
from tests.conftest import PROJECT, START_SECONDS
from tests.support.programs import Reporting
from tests.support.wire import SECONDS, connect

__all__ = ["Command", "app", "gone", "run_command", "serve_with_workers"]


# The app


def pid(request: Any) -> dict[str, int]:
    """Of the process that answers."""
    return {"pid": os.getpid()}


def spin(request: Any) -> None:
    """Never gives way."""
    while True:
        pass


class WhichWorker(Reporting):
    """Begins by saying which process it is in, and says everything back."""

    def init(self, conn: Any) -> Any:
        return None, [str(os.getpid())]


class Spinning(WhichWorker):
    """Can't be told anything."""

    def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        spin(None)


class Lingering(WhichWorker):
    """Takes its time at the end."""

    async def terminate(self, state: Any, conn: Any, reason: Any) -> None:
        print("terminating", file=sys.stderr, flush=True)
        await trio.sleep_forever()


class Named(WhichWorker):
    """Has a name and is in the group ``all``; ``NAME TEXT`` is sent there, and answered with what became of it."""

    async def init(self, conn: Any) -> Any:
        await conn.register(conn.path_params["name"])
        await conn.join("all")
        return super().init(conn)

    async def handle_client_message(self, state: Any, conn: Any, frame: Any) -> Any:
        name, _, text = frame.partition(" ")
        try:
            if name == "all":
                await conn.runtime.group.publish(name, text, exclude=conn)
                return state, ["published"]
            return state, ["sent" if await conn.runtime.unique.send_message(name, text) else "nobody"]
        except EngineUnavailable:
            return state, ["engine down"]

    def handle_server_message(self, state: Any, conn: Any, message: Any) -> Any:
        return state, [message]


app = App()
app.websocket("/", WhichWorker, close_timeout=1)
app.websocket("/named/{name}", Named, close_timeout=1)
app.websocket("/spinning", Spinning)
app.websocket("/lingering", Lingering, terminate_timeout=300)
app.http("/pid", pid)
app.http("/spin", spin)


# The command


class Command:
    """A command that runs, and what it has said so far."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._news = trio.Event()

    async def read(self, stream: trio.abc.ReceiveStream, lines: list[str]) -> None:
        """Keep what comes, line by line."""
        rest = b""
        async for data in stream:
            *whole, rest = (rest + data).split(b"\n")
            lines += [line.decode() for line in whole]
            self._news.set()
            self._news = trio.Event()

    async def says(self, pattern: str, count: int = 1) -> list[re.Match[str]]:
        """Wait until ``pattern`` is ``count`` times on stderr; what was found.

        (Not line by line: what several processes print at the same time may come in each other's lines.)
        """
        with trio.fail_after(SECONDS):
            while len(found := list(re.finditer(pattern, "\n".join(self.err), re.MULTILINE))) < count:
                await self._news.wait()
        return found

    def pids(self) -> list[int]:
        """Of all workers there have been, in the order of their beginning."""
        return [int(match[1]) for line in self.err if (match := re.search(r"worker \d+ \[(\d+)\] begins", line))]

    def server(self) -> int:
        """Of the private server, the only child that is no worker."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            [pid] = {int(child) for child in children.read().split()} - set(self.pids())
        return pid

    @property
    def port(self) -> int:
        return int(self.out[0].rpartition(":")[2])

    async def listens(self) -> None:
        """Wait for the first line of stdout."""
        with trio.fail_after(START_SECONDS):
            while not self.out and self.process.returncode is None:
                await self._news.wait()
        assert self.out, self.err

    async def ends(self) -> int:
        """Wait for the end; returns the exit status."""
        with trio.fail_after(SECONDS):
            return await self.process.wait()

    def kill_all(self) -> None:
        for pid in [*self.pids(), self.process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def which(self) -> int:
        """The process that answers a request on a new connection."""
        async with connect(self.port) as client:
            return int(json.loads((await client.get("/pid")).body)["pid"])


@asynccontextmanager
async def run_command(*arguments: str, command: Sequence[str] = (), cwd: Any = PROJECT) -> AsyncIterator[Command]:
    """``actorws serve`` with ``arguments``, while the block lasts; then nothing of it may be left."""
    process = await trio.lowlevel.open_process(
        [*(command or (sys.executable, "-m", "actorws", "serve")), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{cwd}", "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )
    assert process.stdout is not None and process.stderr is not None
    run = Command(process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run.read, process.stdout, run.out)
        nursery.start_soon(run.read, process.stderr, run.err)
        try:
            yield run
            await run.ends()
            for pid in run.pids():
                await gone(pid)
        except BaseException:
            print(*run.out, *run.err, sep="\n")
            raise
        finally:
            run.kill_all()
            with trio.CancelScope(shield=True):
                await process.wait()


@asynccontextmanager
async def serve_with_workers(
    count: int, *arguments: str, target: str = "tests.support.workers:app", cwd: Any = PROJECT
) -> AsyncIterator[Command]:
    """Workers on a free port, all of them ready; ended by the end of the block. Alone unless ``--cluster`` is given."""
    given = [*arguments, *([] if "--unix" in arguments else ["--port", "0"])]
    if "--cluster" not in arguments:
        given += ["--cluster", "none"]
    elif arguments[-1] == "--cluster":  # the default
        given.remove("--cluster")
    async with run_command(target, "--workers", str(count), *given, cwd=cwd) as run:
        await run.listens()
        yield run
        if run.process.returncode is None:
            run.process.send_signal(signal.SIGTERM)


async def gone(pid: int) -> None:
    """Wait until there is no such process, whoever's child it is."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with trio.fail_after(SECONDS):
            await trio.lowlevel.wait_readable(pidfd)
    finally:
        os.close(pidfd)
