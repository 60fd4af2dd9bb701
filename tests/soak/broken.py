"""Broken servers, which a soak has to find out about: ``python -m tests.soak --app tests.soak.broken:lossy``."""

from __future__ import annotations

import os
from typing import Any

from actorws import Conn
from tests.soak.app import serves
from tests.soak.chat import Chat

__all__ = ["dying", "lossy"]


class Lossy(Chat):
    """Loses every 50th message of a room."""

    def on_say(self, state: Any, conn: Conn, room: str, number: str, text: str) -> Any:
        line = self.line(conn, room, number, text)
        if self.positions[room] % 50:
            conn.publish_nowait(room, line)
        return self.positions[room]


class Dying(Chat):
    """Takes the whole process along when much was said."""

    def on_say(self, state: Any, conn: Conn, room: str, number: str, text: str) -> Any:
        if self.positions[room] > 100:
            os._exit(3)
        return super().on_say(state, conn, room, number, text)


lossy, dying = serves(Lossy), serves(Dying)
