"""Chain: many things in the order in which they came, any of which can leave at once.

Rule owned here: who is in a chain knows its neighbours, and a chain nothing but its ends. That takes 16 bytes of each;
a dict of 15 000 takes 39, and half as many again whenever it grows. Must not know what is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar, cast

__all__ = ["Chain", "Link", "unlink"]


class Link:
    """What can be in one chain at a time. Compared by identity."""

    # Unset until it was in one first, so a subclass needs no call of an initializer.
    __slots__ = ("_after", "_before")

    _after: Link | None
    _before: Link | None

    @property
    def is_linked(self) -> bool:
        """Whether it is in a chain."""
        return getattr(self, "_after", None) is not None


L = TypeVar("L", bound=Link)


class Chain(Link, Generic[L]):
    """Links in the order in which they were added: a ring, closed by the chain itself."""

    __slots__ = ()

    def __init__(self) -> None:
        self._after = self._before = self

    def add(self, link: L) -> None:
        """Put ``link``, which is in no chain, behind all others."""
        last = self._before
        assert last is not None
        link._before = last
        link._after = self
        last._after = self._before = link

    def first(self) -> L | None:
        """The one that was added before all others; ``None`` if there is none."""
        return None if self._after is self else cast(L, self._after)

    def __iter__(self) -> Iterator[L]:
        """All, in order. While this goes on, nobody may come or leave."""
        link = self._after
        while link is not self:
            yield cast(L, link)
            assert link is not None
            link = link._after

    def __bool__(self) -> bool:
        return self._after is not self


def unlink(link: Link) -> bool:
    """Take ``link`` out of the chain that it is in; whether that is empty now."""
    before, after = link._before, link._after
    assert before is not None and after is not None
    before._after = after
    after._before = before
    link._before = link._after = None
    return before is after
