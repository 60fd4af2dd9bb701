"""Direct messages: a client takes a name, and writes to one other by that one's name.

python -m actorws serve examples.direct_message:app

Connect to ``/ada`` to be ``ada``: the first frame says that the name is yours. Send ``grace: good morning`` and the
client at ``/grace`` gets ``ada: good morning``. The unique name finds the one actor that has it, wherever it is;
``send_message`` says False when nobody has.
"""

from __future__ import annotations

from actorws import App, Close, Conn, NameTaken, Websocket
from actorws.frames import Frames

#: 4500-4999 ask a client to stay away: trying again with the same name would not help.
NAME_IS_TAKEN = 4501


class Mailbox(Websocket):
    async def init(self, conn: Conn) -> tuple[str, Frames]:
        name = conn.path_params["name"]
        try:
            await conn.register(name)
        except NameTaken:
            return name, Close(NAME_IS_TAKEN, "somebody has that name")
        return name, f"you are {name}"

    async def handle_client_message(self, name: str, conn: Conn, frame: str | bytes) -> tuple[str, Frames]:
        if isinstance(frame, bytes):
            return name, Close(1003, "text only")
        recipient, colon, text = frame.partition(":")
        if not (recipient.strip() and colon):
            return name, "write NAME: TEXT"
        if not await conn.send_message(recipient.strip(), f"{name}: {text.strip()}"):
            return name, f"nobody has the name {recipient.strip()}"
        return name, []

    def handle_server_message(self, name: str, conn: Conn, message: str) -> tuple[str, Frames]:
        return name, message


app = App()
app.websocket("/{name}", Mailbox)
