"""Cleanup policies: which sessions without a wire are let go of.

Rule owned here: a policy decides, and does nothing; the store asks it once a second about each session without a wire.
Write your own and give it to a route: ``app.websocket("/chat", Chat, resumable=True, cleanup_policy=Mine())``. Must not
know how a session ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actorws.sessions.session import Session

__all__ = ["CleanupPolicy", "DefaultCleanupPolicy", "MemoryCleanupPolicy", "PerUserCleanupPolicy"]


class CleanupPolicy:
    """What decides. It is called synchronously, and must not block; what it raises is told, and counts as no."""

    def begin(self, sessions: Sequence[Session]) -> None:
        """A round begins: ``sessions`` are all of this policy that have no wire, the longest without one first.

        For what is decided about all of them together. By default nothing.
        """

    def should_cleanup(self, session: Session) -> bool:
        """Whether to let go of ``session``, which has no wire: its actor ends with ``Expired``.

        ``session.state`` says whether its client was ever there (``SOFT_CLOSED``) or not (``NEW``), ``session.seconds``
        for how long it has been without a wire, ``session.kept_bytes`` what is kept for it, ``session.identity`` and
        ``session.conn`` whose it is.
        """
        raise NotImplementedError

    def allow_soft_close(self) -> bool:
        """Whether a session may be without a wire at all. If not, a lost wire ends its actor with ``Remote(1006)``."""
        return True


class DefaultCleanupPolicy(CleanupPolicy):
    """A session has so many seconds for its client to come back, or to come at all."""

    def __init__(self, open_timeout: float = 30.0, resume_timeout: float = 30.0) -> None:
        """In seconds; ``resume_timeout`` 0 forbids sessions without a wire."""
        self.open_timeout = open_timeout
        self.resume_timeout = resume_timeout

    def should_cleanup(self, session: Session) -> bool:
        """Whether the time is over."""
        return session.seconds >= (self.resume_timeout if session.known else self.open_timeout)

    def allow_soft_close(self) -> bool:
        """Whether there is a time."""
        return self.resume_timeout > 0


class PerUserCleanupPolicy(DefaultCleanupPolicy):
    """The same, and a user (``Accept(identity=...)``) has at most ``most`` sessions without a wire: the oldest go."""

    def __init__(self, most: int = 3, open_timeout: float = 30.0, resume_timeout: float = 30.0) -> None:
        """Sessions without an identity are not counted."""
        super().__init__(open_timeout, resume_timeout)
        self.most = most
        self._of_user: Counter[Hashable] = Counter()

    def begin(self, sessions: Sequence[Session]) -> None:
        """Count them."""
        self._of_user = Counter(session.identity for session in sessions if session.identity is not None)

    def should_cleanup(self, session: Session) -> bool:
        """Whether the time is over, or the user has newer ones enough."""
        too_many = session.identity is not None and self._of_user[session.identity] > self.most
        if too_many:
            self._of_user[session.identity] -= 1
        return too_many or super().should_cleanup(session)


class MemoryCleanupPolicy(DefaultCleanupPolicy):
    """The same, and all sessions without a wire together keep at most ``most`` bytes: the longest without one go."""

    def __init__(self, most: int = 64 * 1024 * 1024, open_timeout: float = 30.0, resume_timeout: float = 30.0) -> None:
        """In bytes."""
        super().__init__(open_timeout, resume_timeout)
        self.most = most
        self._kept = 0

    def begin(self, sessions: Sequence[Session]) -> None:
        """Sum them up."""
        self._kept = sum(session.kept_bytes for session in sessions)

    def should_cleanup(self, session: Session) -> bool:
        """Whether the time is over, or memory is short."""
        too_much = self._kept > self.most
        if too_much:
            self._kept -= session.kept_bytes
        return too_much or super().should_cleanup(session)
