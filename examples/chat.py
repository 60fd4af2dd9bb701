"""Chat: a lobby with a page. People pick a name, see who is there, and talk.

python -m actorws serve examples.chat:app

Then open the printed address in two tabs. Every person is one actor. Its unique name keeps two people from having the
same one; the group is the lobby: who is in it, and whom a message goes to. A page sends plain text and gets JSON:

- ``{"type": "welcome", "name": "Ada", "people": ["Ada", "Grace"]}`` first of all
- ``{"type": "came", "name": "Edsger"}`` and ``{"type": "left", "name": "Edsger"}``
- ``{"type": "said", "name": "Grace", "text": "hello"}``

When a name can't be had, the close code and its reason say why.

``resumable`` lets an actor outlive the wire it is on. The page talks by ``actorws.js``, which comes back by itself, by
WebSocket or whatever else gets through: the conversation goes on where it was, and nobody is said to have left before
the half minute is over in which a lost wire may be resumed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from actorws import App, Close, Conn, NameTaken, Reason, Websocket
from actorws.frames import Frames

LOBBY = "lobby"
MAX_NAME = 24
MAX_TEXT = 2000

#: 4500-4999 ask a client to stay away until something changes: the page shows its form again.
BAD_NAME, NAME_IS_TAKEN = 4501, 4502


def event(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields}, ensure_ascii=False)


class Chat(Websocket):
    resumable = True
    options: ClassVar[dict[str, Any]] = {"max_message_size": 16 * 1024, "max_connections": 5000}

    async def init(self, conn: Conn) -> tuple[str | None, Frames]:
        name = " ".join(conn.query.get("name", "").split())
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            return None, Close(BAD_NAME, f"A name has 1 to {MAX_NAME} printable characters.")
        try:
            await conn.register(f"person:{name.casefold()}")
        except NameTaken:
            return None, Close(NAME_IS_TAKEN, "Somebody here has that name. Please pick another.")
        await conn.join(LOBBY, meta=name)
        await conn.publish(LOBBY, event("came", name=name), exclude=conn)
        # Read last: whoever comes or goes after this line is told to this actor as a message.
        people = sorted((member.meta for member in await conn.runtime.group.members(LOBBY)), key=str.casefold)
        return name, event("welcome", name=name, people=people)

    def handle_client_message(self, name: str, conn: Conn, frame: str | bytes) -> tuple[str, Frames]:
        if isinstance(frame, bytes):
            return name, Close(1003, "text only")
        if text := frame.strip()[:MAX_TEXT]:
            # The sender is a member too: seeing one's own words come back means that everybody got them.
            conn.publish_nowait(LOBBY, event("said", name=name, text=text))
        return name, []

    def handle_server_message(self, name: str, conn: Conn, message: str) -> tuple[str, Frames]:
        return name, message

    def terminate(self, name: str | None, conn: Conn, reason: Reason) -> None:
        if name is not None:
            conn.publish_nowait(LOBBY, event("left", name=name))


app = App()
app.websocket("/chat", Chat)
app.static("/", Path(__file__).with_name("chat_page"))
