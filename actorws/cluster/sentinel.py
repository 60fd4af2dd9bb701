"""Sentinel: where the primary is, by those who watch over it.

Rule owned here: as long as one Sentinel knows, that is enough; no try begins with the one that the last try began with,
which may have been cut off from what happened. Must not know what the primary is for.
"""

from __future__ import annotations

from itertools import count

import trio

from actorws.cluster.address import Address
from actorws.cluster.connect import Hello, connect
from actorws.cluster.troubles import in_words, sole
from actorws.exceptions import ConfigError, EngineUnavailable

__all__ = ["Sentinels"]


class Sentinels:
    """The Sentinels of an address. ``patience`` are the seconds that each has."""

    def __init__(self, address: Address, name: str, patience: float) -> None:
        self._address = address
        self._name = name
        self._patience = patience
        self._tries = count()

    async def find_primary(self) -> tuple[str, int]:
        """Raises ``ConfigError`` if that is what keeps every one of them from telling, else ``EngineUnavailable``."""
        hosts = self._address.hosts
        first = next(self._tries) % len(hosts)
        troubles: list[ConfigError | EngineUnavailable] = []
        for host in hosts[first:] + hosts[:first]:
            try:
                with trio.fail_after(self._patience):
                    return await self._ask(host)
            except (ConfigError, EngineUnavailable, OSError, trio.TooSlowError, trio.BrokenResourceError) as error:
                troubles.append(in_words(error, f"{host[0]}:{host[1]}"))
        kind = ConfigError if all(isinstance(trouble, ConfigError) for trouble in troubles) else EngineUnavailable
        raise kind(f"no Sentinel of {self._address} tells where the primary is: {'; '.join(map(str, troubles))}")

    async def _ask(self, host: tuple[str, int]) -> tuple[str, int]:
        address = self._address
        found, failed = None, None
        try:
            async with trio.open_nursery() as nursery:
                connection, _ = await connect(
                    nursery,
                    address,
                    host,
                    login=address.sentinel_login,
                    name=self._name,
                    patience=self._patience,
                    on_push=lambda _: None,
                    check=_is_sentinel,
                )
                found = await connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.service or "")
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            failed = sole(group)
        if failed is not None:
            raise failed
        if found is None:
            raise ConfigError(f"{host[0]}:{host[1]} knows no service {address.service!r}")
        return found[0].decode(), int(found[1])


def _is_sentinel(hello: Hello) -> None:
    if hello.get(b"mode") != b"sentinel":
        raise ConfigError("it is no Sentinel; the URL of the server itself begins with redis:// or rediss://")
