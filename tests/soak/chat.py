"""Chat of the soaked server: rooms, names, timers and crashes, as clients ask for them.

A client's message is a verb and its words; each is answered by one frame that begins with ``=``. Other frames are
``# ROOM POSITION SENDER NUMBER TEXT`` from a room, ``@ SENDER NUMBER TEXT`` by a name, ``* NUMBER`` from a timer.

Rule owned here: a room's position is counted in the step that publishes, joins or leaves, so that it says exactly who
was a member then. Must not know what clients do with it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import trio

from actorws import Close, Conn, NameTaken, Websocket
from tests.soak.crashes import crash

__all__ = ["AsyncChat", "Chat"]


class Chat(Websocket):
    """All callbacks are ``def``. The state holds the client's timers."""

    def __init__(self, positions: Counter[str]) -> None:
        #: How much was said in each room.
        self.positions = positions

    def init(self, conn: Conn) -> Any:
        return {}, [f"= {conn.id}"]

    def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
        if isinstance(frame, bytes):
            return state, [frame]
        verb, *words = frame.split(" ")
        if verb == "boom":
            return crash(words[0], int(words[1]))
        return state, [f"= {getattr(self, f'on_{verb}')(state, conn, *words)}"]

    def handle_server_message(self, state: Any, conn: Conn, message: Any) -> Any:
        if isinstance(message, tuple):
            return crash(*message)
        return state, [message]

    def terminate(self, state: Any, conn: Conn, reason: Any) -> None:
        if state and "crash at the end" in state:
            crash(*state["crash at the end"])

    # Rooms

    def on_join(self, state: Any, conn: Conn, room: str) -> Any:
        conn.join_nowait(room)
        return self.positions[room]

    def on_leave(self, state: Any, conn: Conn, room: str) -> Any:
        conn.leave_nowait(room)
        return self.positions[room]

    def on_say(self, state: Any, conn: Conn, room: str, number: str, text: str) -> Any:
        conn.publish_nowait(room, self.line(conn, room, number, text))
        return self.positions[room]

    def on_shout(self, state: Any, conn: Conn, room: str, number: str, text: str) -> Any:
        conn.broadcast_nowait(room, self.line(conn, room, number, text))
        return self.positions[room]

    def line(self, conn: Conn, room: str, number: str, text: str) -> str:
        """What the members get; the next position of the room."""
        self.positions[room] += 1
        return f"# {room} {self.positions[room]} {conn.id} {number} {text}"

    # Names

    def on_claim(self, state: Any, conn: Conn, name: str) -> Any:
        try:
            conn.register_nowait(name)
        except NameTaken:
            return "taken"
        return "yes"

    def on_usurp(self, state: Any, conn: Conn, name: str) -> Any:
        conn.register_nowait(name, on_conflict="takeover")
        return "yes"

    def on_release(self, state: Any, conn: Conn, name: str) -> Any:
        return conn.unregister_nowait(name)

    def on_send(self, state: Any, conn: Conn, name: str, number: str, text: str) -> Any:
        # Nothing comes in between, so the message goes to the actor that is named here.
        owner = conn.runtime.unique.whereis_nowait(name)
        sent = conn.send_message_nowait(name, f"@ {conn.id} {number} {text}")
        return owner.id if sent and owner is not None else "nobody"

    # The rest

    def on_nothing(self, state: Any, conn: Conn) -> Any:
        return "yes"

    def on_remind(self, state: Any, conn: Conn, number: str, seconds: str) -> Any:
        state[number] = conn.send_after(float(seconds), f"* {number}")
        return "yes"

    def on_forget(self, state: Any, conn: Conn, number: str) -> Any:
        return state.pop(number).cancel()

    def on_later(self, state: Any, conn: Conn, way: str, number: str) -> Any:
        conn.send_after(0.01, (way, int(number)))
        return "yes"

    def on_last(self, state: Any, conn: Conn, way: str, number: str) -> Any:
        state["crash at the end"] = way, int(number)
        return "yes"

    def on_bye(self, state: Any, conn: Conn, code: str) -> Any:
        conn.send(Close(int(code), "as you wish"))
        return "never sent"


class AsyncChat(Chat):
    """The same with ``async def`` callbacks and the calls that wait."""

    async def init(self, conn: Conn) -> Any:
        await trio.lowlevel.checkpoint()
        return {}, [f"= {conn.id}"]

    async def handle_client_message(self, state: Any, conn: Conn, frame: Any) -> Any:
        if isinstance(frame, bytes):
            return state, [frame]
        verb, *words = frame.split(" ")
        if verb == "boom":
            await trio.lowlevel.checkpoint()
            return crash(words[0], int(words[1]))
        answer = getattr(self, f"on_{verb}")(state, conn, *words)
        return state, [f"= {await answer if hasattr(answer, '__await__') else answer}"]

    async def handle_server_message(self, state: Any, conn: Conn, message: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return super().handle_server_message(state, conn, message)

    async def terminate(self, state: Any, conn: Conn, reason: Any) -> None:  # type: ignore[override]
        await trio.lowlevel.checkpoint()
        super().terminate(state, conn, reason)

    async def on_join(self, state: Any, conn: Conn, room: str) -> Any:
        position = self.positions[room]
        await conn.join(room)
        return position

    async def on_leave(self, state: Any, conn: Conn, room: str) -> Any:
        position = self.positions[room]
        await conn.leave(room)
        return position

    async def on_say(self, state: Any, conn: Conn, room: str, number: str, text: str) -> Any:
        line, position = self.line(conn, room, number, text), self.positions[room]
        await conn.publish(room, line)
        return position

    async def on_shout(self, state: Any, conn: Conn, room: str, number: str, text: str) -> Any:
        line, position = self.line(conn, room, number, text), self.positions[room]
        await conn.broadcast(room, line)
        return position

    async def on_claim(self, state: Any, conn: Conn, name: str) -> Any:
        try:
            await conn.register(name)
        except NameTaken:
            return "taken"
        return "yes"

    async def on_usurp(self, state: Any, conn: Conn, name: str) -> Any:
        await conn.register(name, on_conflict="takeover")
        return "yes"

    async def on_release(self, state: Any, conn: Conn, name: str) -> Any:
        return await conn.unregister(name)

    async def on_send(self, state: Any, conn: Conn, name: str, number: str, text: str) -> Any:
        owner = conn.runtime.unique.whereis_nowait(name)
        sent = await conn.send_message(name, f"@ {conn.id} {number} {text}")
        return owner.id if sent and owner is not None else "nobody"
