"""Opening: what is known of the request behind a connection that somebody else accepted.

Rule owned here: such a connection looks to its actor as any other does, however little is known. Must not know where
the values come from.
"""

from __future__ import annotations

from collections.abc import Mapping

from actorws.protocol.head import Head

__all__ = ["Opening"]


class Opening(Head):
    """A request's head without its bytes."""

    __slots__ = ()

    def __init__(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> None:
        super().__init__(b"GET / HTTP/1.1\r\n\r\n")
        self._path = path
        self._query = dict(query)
        self._headers = {name.lower(): value for name, value in headers.items()}

    def packed(self) -> Head:
        """There is nothing from which it could be parsed again."""
        return self

    def __repr__(self) -> str:
        return f"<Opening {self._path}>"
