"""Replies: what a server answers to a command, and how somebody waits for it.

Rule owned here: an error is raised in who asked, anew for each, as an exception gathers the traceback of everybody who
raises it. Must not know the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import trio

from actorws.exceptions import EngineUnavailable

__all__ = ["NotRedis", "OnReply", "Refused", "Reply", "again", "ignore"]

#: Called in the reader's task with the reply, or with why there is none; must not raise.
OnReply: TypeAlias = Callable[[Any], None]

E = TypeVar("E", bound=Exception)
_NOTHING: Any = object()


class Refused(EngineUnavailable):
    """The server's error reply to one command, such as ``WRONGPASS invalid username-password pair``."""

    @property
    def reply(self) -> str:
        """What the server said."""
        return str(self.args[0])

    @property
    def code(self) -> str:
        """Its first word."""
        return self.reply.partition(" ")[0]

    def __str__(self) -> str:
        return f"the engine refuses: {self.reply}"


class NotRedis(EngineUnavailable):
    """What came is not what a Redis or Valkey server says."""


class Reply:
    """Waits for one reply. An ``OnReply``."""

    __slots__ = ("_reply", "_task")

    def __init__(self) -> None:
        self._reply: Any = _NOTHING
        self._task: trio.lowlevel.Task | None = None

    def __call__(self, reply: Any) -> None:
        self._reply = reply
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    def _abort(self, _: Any) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    async def wait(self) -> Any:
        """The reply. Raises it if it is an error."""
        if self._reply is _NOTHING:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        else:
            await trio.lowlevel.checkpoint()
        if isinstance(self._reply, Exception):
            raise again(self._reply)
        return self._reply


def ignore(reply: Any) -> None:
    """An ``OnReply`` of nobody's interest."""


def again(error: E) -> E:
    """The same error, to be raised by one more."""
    copy = type(error)(*error.args)
    copy.__cause__ = error.__cause__
    return copy
