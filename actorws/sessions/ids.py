"""Ids of sessions: ``<node>.<serial>.<secret>`` (PROTOCOL.md, section 4).

Rules owned here: nobody can guess one, and how long a comparison takes says nothing. Must not know what a session is.
"""

from __future__ import annotations

import re
import secrets
from hmac import compare_digest

from attrs import frozen

__all__ = ["SessionId", "new_secret", "node_name", "parse"]

#: Bytes of a secret.
SECRET_BYTES = 16
MAX_LENGTH = 128
_ID = re.compile(r"([A-Za-z0-9_-]{1,64})\.([0-9]{1,18})\.([A-Za-z0-9_-]{1,64})")
_ODD = re.compile(r"[^A-Za-z0-9_-]")


@frozen
class SessionId:
    """The parts of an id."""

    node: str
    """Which process has the session."""
    serial: int
    """Which of its sessions it is."""
    secret: str
    """What only the client knows."""

    def __str__(self) -> str:
        return f"{self.node}.{self.serial}.{self.secret}"

    def opens(self, secret: str) -> bool:
        """Whether this is the id of the session with that secret."""
        return compare_digest(self.secret, secret)


def parse(text: str) -> SessionId | None:
    """The parts of ``text``; ``None`` if it is no id."""
    match = _ID.fullmatch(text) if len(text) <= MAX_LENGTH else None
    return None if match is None else SessionId(match[1], int(match[2]), match[3])


def new_secret() -> str:
    """128 random bits."""
    return secrets.token_urlsafe(SECRET_BYTES)


def node_name(runtime_id: str) -> str:
    """A runtime's id as it stands in ids of its sessions."""
    return _ODD.sub("_", runtime_id)[:64]
