"""Handover: a connection that came to the wrong worker goes on in the right one.

Rules owned here: a request that names another worker of this host is read by that one from its first byte, with the
client's own address, as if it had been accepted there; it is handed over once at most, so there are no loops; who can't
be reached at once isn't waited for, the request is served where it is. Must not know sessions, but for how their ids
name a node.

What a request may name a node by, the first of these that is there:

===============================  ===========================================================================
``Actorws-Session``              a header, the session's id
``Last-Event-ID``                a header, the id of an event of the session, as an ``EventSource`` sends it
``actorws-node``                 a query parameter, the node alone
===============================  ===========================================================================

A plain connection's socket itself is passed on, with what was read from it, and this process is done with it. One under
TLS, whose keys can't be passed on, is relayed, byte for byte, for as long as it lasts, or until this worker shuts down.

Weaknesses: nothing is handed to other hosts: there a session is unknown, and its client is told so. A socket on its way
to a worker that dies just then is closed. What is relayed costs this worker about what serving it would.
"""

from __future__ import annotations

import re
import socket as _socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from actorws.events import HandoverFailed
from actorws.io.socket_wire import SocketWire
from actorws.server.handover_arrivals import Arrivals
from actorws.server.handover_folder import socket_path
from actorws.server.handover_message import connect, give, opening
from actorws.server.handover_relay import Relay
from actorws.sessions.ids import node_name, parse
from actorws.transports.wire import OUTPUT, Wire

if TYPE_CHECKING:
    from actorws.io.poller import Poller
    from actorws.protocol.head import Head
    from actorws.server.reception import Reception
    from actorws.server.site import Site

__all__ = ["Handover", "is_flushed", "open_handover", "wanted_node"]

_NODE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def wanted_node(head: Head) -> str | None:
    """The node that a request names, if it does."""
    session = head.get("actorws-session")
    if session is None and (event := head.get("last-event-id")) is not None:
        session = event.rpartition(".")[0]
    if session is not None and (known := parse(session)) is not None:
        return known.node
    if b"actorws-node=" not in head.raw:
        return None
    node = head.query.get("actorws-node", "")
    return node if _NODE.fullmatch(node) else None


def open_handover(site: Site, folder: Path | None, poller: Poller | None) -> Handover | None:
    """Hand over to those that are found in ``folder``, and be found there; ``None`` if that can't be."""
    if folder is None or poller is None:
        return None
    try:
        return Handover(site, folder, poller)
    except OSError as error:
        site.runtime.emit(HandoverFailed(node_name(site.runtime.id), str(error)))
        return None


class Handover:
    """One worker's part in it."""

    def __init__(self, site: Site, folder: Path, poller: Poller) -> None:
        """Raises ``OSError`` if there is no place for its socket in ``folder``."""
        self._site = site
        self._folder = folder
        self._poller = poller
        self._node = node_name(site.runtime.id)
        self._arrivals = Arrivals(socket_path(folder, self._node), site, poller, self._node)
        #: Connections that others serve and this process carries.
        self.relays: set[Relay] = set()

    # The decision

    def take(self, endpoint: Reception, head: Head) -> bool:
        """Whether the request is none of ours: another worker has it, or will when the client has its answers."""
        if endpoint.stays:
            return False
        node = wanted_node(head)
        wire = endpoint.wire
        if node is not None and node != self._node:
            if not is_flushed(wire):
                return True  # `drained` comes back here
            try:
                if self._hand_over(endpoint, wire, socket_path(self._folder, node)):
                    return True
            except OSError as error:
                self._site.runtime.emit(HandoverFailed(node, str(error)))
        # Asked once for each request: the rest of its body may come piece by piece.
        endpoint.stays = True
        return False

    def _hand_over(self, endpoint: Reception, wire: Wire, path: Path) -> bool:
        """Whether a sibling has it. Raises ``OSError`` for one that is there and doesn't take it."""
        data = endpoint.raw
        try:
            if isinstance(wire, SocketWire) and give(path, wire.socket, endpoint.address, data):
                wire.give_away()
            else:
                self._relay(endpoint, wire, connect(path), data)
            return True
        except FileNotFoundError:
            return False
        except ConnectionRefusedError:
            # It was killed; told once.
            with suppress(OSError):
                path.unlink()
            raise

    def _relay(self, endpoint: Reception, wire: Wire, socket: _socket.socket, data: bytes) -> None:
        try:
            sibling = self._poller.add(socket, self._site.options)
        except BaseException:
            socket.close()
            raise
        patience = self._site.config.handler_timeout
        self.relays.add(Relay(wire, sibling, patience=patience, on_end=self.relays.discard))
        endpoint.closed()
        sibling.write(opening(endpoint.address) + data)

    # The end

    def drain(self) -> None:
        """End what is only carried, so that its clients come back to others. What comes is answered that we go away."""
        for relay in list(self.relays):
            relay.leave()

    def close(self) -> None:
        """Be found no more."""
        self._arrivals.close()


def is_flushed(wire: Wire) -> bool:
    """Whether the client has got all answers, as far as the kernel is concerned; if not, ``drained`` tells when."""
    wire.flush()
    if wire.rest is None:
        return True
    if wire.queue is None:
        wire.block(wire.rest)  # a stream's write, of which nobody would hear
    wire.pause(OUTPUT)
    return False
