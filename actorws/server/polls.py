"""Polls: their answers, and what becomes of their connections then.

Rule owned here: a connection whose poll is answered is as any other that is kept for the next request. Must not know
what the answer says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actorws.server.endpoint import Endpoint
from actorws.server.http import Framing, framed_head

if TYPE_CHECKING:
    from actorws.server.site import Site
    from actorws.sessions.poll import Poll
    from actorws.transports.wire import Wire

__all__ = ["Polls"]


class Polls:
    """Where the polls of a server go when they are answered."""

    __slots__ = ("_site",)

    def __init__(self, site: Site) -> None:
        self._site = site

    def answer(self, poll: Poll, wire: Wire, body: bytes, behind: bytes) -> None:
        """Answer ``poll`` with ``body`` and go on with what came behind it. Calls no user code."""
        site = self._site
        keep_alive = poll.keep_alive and not site.draining
        wire.write(framed_head(200, poll.headers, Framing.LENGTH, len(body), keep_alive=keep_alive) + body)
        wire.options = site.options
        endpoint = Endpoint(wire, site, poll.address, site.config.keep_alive_timeout)
        wire.receiver = endpoint
        endpoint.come_back(behind, keep_alive=keep_alive)
