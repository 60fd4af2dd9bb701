"""Server: the Redis or Valkey process that a measurement runs on, private, on a Unix socket and on loopback TCP.

Rule owned here: it runs with the settings of a fresh installation, but that it keeps nothing on disk: what only works
with others would not be found out.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import hiredis

__all__ = ["Server", "free_port", "running_server"]

#: Seconds for it to answer.
PATIENCE = 10.0


class Server:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], path: str, port: int) -> None:
        self.pid = process.pid
        self.unix = f"unix://{path}"
        self.tcp = f"redis://127.0.0.1:{port}"
        self.port = port
        self._process = process
        self._path = path

    def ask(self, *command: str | int) -> Any:
        """One command on a connection of its own; returns the reply, or raises it."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(self._path)
            connection.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub has a tuple of one
            reader = hiredis.Reader(replyError=ConnectionError)
            while (reply := reader.gets()) is False:
                data = connection.recv(1 << 16)
                if not data:
                    raise ConnectionError("the server has closed the connection")
                reader.feed(data)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def information(self, section: str) -> dict[str, str]:
        """What ``INFO`` says."""
        lines = self.ask("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    @property
    def memory(self) -> int:
        """Bytes that it has allocated."""
        return int(self.information("memory")["used_memory"])

    @property
    def version(self) -> str:
        """Its name and number."""
        found = self.information("server")
        name = found.get("server_name", "redis")
        return f"{name} {found.get(f'{name}_version', found['redis_version'])}"

    def note_that_it_is_young(self) -> None:
        """No name can have an owner who was cut off: nobody has to wait for that (see ``actorws.cluster.scripts``)."""
        self.ask("HSET", "aw:{actorws}:G", "run", self.information("server")["run_id"], "till", 0)

    def kill_clients(self) -> int:
        """Cut every connection to it; returns how many."""
        return int(self.ask("CLIENT", "KILL", "TYPE", "pubsub")) + int(self.ask("CLIENT", "KILL", "TYPE", "normal"))

    def wait_until_it_answers(self) -> None:
        """Raises what it died of."""
        until = monotonic() + PATIENCE
        while True:
            try:
                self.ask("PING")
                return
            except OSError:
                if self._process.poll() is not None or monotonic() > until:
                    raise
                sleep(0.01)


@contextmanager
def running_server(program: str) -> Iterator[Server]:
    """Run ``program`` for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="actorws-bench-") as folder:
        path, port = f"{folder}/engine.sock", free_port()
        command = [program, "--unixsocket", path, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
        command += ["--save", "", "--appendonly", "no", "--loglevel", "warning", "--logfile", f"{folder}/log"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            server = Server(process, path, port)
            server.wait_until_it_answers()
            server.note_that_it_is_young()
            yield server
        except OSError as error:
            log = Path(folder, "log")
            error.add_note(log.read_text() if log.exists() else "")
            raise
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
