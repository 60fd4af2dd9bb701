"""Connect: from an address to a connection that is logged in.

Rule owned here: a server that can't serve as engine is refused before anything is asked of it: a part of Redis Cluster,
a Sentinel, a replica. Must not know what the connection is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from actorws.cluster.address import Address, Login
from actorws.cluster.replies import Refused
from actorws.cluster.resp import Connection
from actorws.exceptions import ConfigError, EngineUnavailable

__all__ = ["Hello", "connect", "history", "run_id", "select", "serves", "uptime"]

#: What a server says of itself, such as its ``mode`` and its ``role``.
Hello = dict[bytes, Any]


async def connect(
    nursery: trio.Nursery,
    address: Address,
    host: tuple[str, int] | None,
    *,
    login: Login,
    name: str,
    patience: float,
    on_push: Callable[[list[Any]], None],
    check: Callable[[Hello], None],
) -> tuple[Connection, int]:
    """A connection to ``host``, or to the socket of ``address``, that runs in ``nursery``, and its id at the server.

    Others see it as ``name``.

    ``check`` raises for a server that won't do. Raises as well whatever goes wrong: see ``troubles``.
    """
    connection = Connection(await _open_stream(address, host), on_push, patience=patience)
    nursery.start_soon(connection.run)
    hello = await _hello(connection, login, name)
    check(hello)
    return connection, int(hello.get(b"id", 0))


async def _open_stream(address: Address, host: tuple[str, int] | None) -> trio.abc.Stream:
    if host is None:
        assert address.path is not None
        return await trio.open_unix_socket(address.path)
    tcp = await trio.open_tcp_stream(*host)
    if address.tls is None:
        return tcp
    secure = trio.SSLStream(tcp, address.tls, server_hostname=host[0])
    try:
        await secure.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    return secure


async def _hello(connection: Connection, login: Login, name: str) -> Hello:
    """Log in, and speak RESP3."""
    command: list[str | int] = ["HELLO", 3]
    if login.password is not None:
        command += ["AUTH", login.user or "default", login.password]
    reply = await connection.call(*command, "SETNAME", name)
    return dict(reply)


def serves(hello: Hello) -> None:
    """Raise if the server can't serve as engine."""
    mode, role = hello.get(b"mode"), hello.get(b"role")
    if mode == b"cluster":
        raise ConfigError(
            "the server runs in Redis Cluster mode, which is not supported: it sends every message to every node; use "
            "one primary (standalone, with Sentinels, or a managed one)"
        )
    if mode == b"sentinel":
        raise ConfigError("the server is a Sentinel: write redis+sentinel://host/service")
    if role != b"master":
        raise EngineUnavailable("the server is a replica, not the primary")


async def select(connection: Connection, address: Address) -> None:
    """Change to the database of ``address``."""
    if address.database:
        try:
            await connection.call("SELECT", address.database)
        except Refused as error:
            raise ConfigError(f"{address} has no database {address.database}: {error.reply}") from None


async def run_id(connection: Connection) -> str:
    """The server's: another one than before means that it may have lost its memory."""
    found = await _info(connection, "server", "run_id")
    if not found:
        raise ConfigError("the server does not tell its run id, without which a failover can't be noticed")
    return found


async def history(connection: Connection) -> str:
    """Of the server's memory: another one than before means that it was a replica meanwhile, even if it still has all
    that it knew. Empty where the server doesn't tell."""
    return await _info(connection, "replication", "master_replid")


async def uptime(connection: Connection) -> str:
    """Whole seconds since the server was started. Empty where it doesn't tell."""
    return await _info(connection, "server", "uptime_in_seconds")


async def _info(connection: Connection, section: str, key: str) -> str:
    found = await connection.call("INFO", section)
    text = found.decode() if isinstance(found, bytes) else str(found)
    return next((line.partition(":")[2] for line in text.splitlines() if line.startswith(f"{key}:")), "")
