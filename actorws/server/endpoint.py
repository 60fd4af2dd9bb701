"""Endpoint: one accepted socket from its first byte until it is a WebSocket, or for the plain HTTP requests it brings.

Rule owned here: every request gets exactly one answer, in order. Must not know how a WebSocket goes on after the
handshake, nor how a connection ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from inspect import isawaitable
from typing import TYPE_CHECKING

from actorws.exceptions import HandshakeError
from actorws.server.custom import choose
from actorws.server.http import Request, Response, as_response, head_bytes
from actorws.server.http_sessions import session_request
from actorws.server.jobs import Answer, Stream
from actorws.server.mount import Mount
from actorws.server.reception import Reception
from actorws.server.upgrade import Upgrade
from actorws.transports.wire import MAILBOX, OUTPUT

if TYPE_CHECKING:
    from actorws.actor.kind import Kind
    from actorws.protocol.head import Head
    from actorws.server.admission import Admission
    from actorws.server.app import Handler
    from actorws.server.router import Match

__all__ = ["Endpoint"]

#: Requests of one connection that are answered in a row; 64 KiB hold 2500 of them: 70 ms that others would wait.
REQUESTS_PER_TURN = 32
#: Bytes of further requests that are read while a mounted app answers: only the reader sees that a client goes.
MAX_BEHIND = 64 * 1024


class Endpoint(Reception):
    """One accepted socket, and the requests that it brings."""

    __slots__ = ()

    def receive(self, data: bytes) -> bool:
        is_new = self._kept and not self._reader.started
        try:
            self._reader.receive(data)
            if self.call is not None:
                if len(self._reader.rest) > MAX_BEHIND:
                    self.wire.pause(MAILBOX)
                return False
            if is_new and self._reader.started:
                self._within("handshake_timeout")
            return self._advance()
        except HandshakeError as error:
            self.refuse(error)
            return False

    # One request

    def _advance(self) -> bool:
        """Go on as far as what has come allows. True as ``receive``."""
        answered = 0
        while self.wire is not None and not self._began and (head := self._reader.head) is not None:
            if self.wire.paused & OUTPUT:
                return False  # the client doesn't take the answers that it has: `drained` goes on
            if answered == REQUESTS_PER_TURN:
                return True
            answered += 1
            match = self._site.router.resolve(head.path)
            if match is None:
                raise HandshakeError(404, "there is nothing at this path")
            if match.websocket is not None:
                if self._site.factories and choose(self, self._site, match, head):
                    return False
                admission = _admission_of(match, head)
                if admission is not None:
                    if self._site.handover is not None and self._site.handover.take(self, head):
                        return False
                    if admission is not Upgrade and not self._is_whole():
                        return False
                    self._began = True
                    if admission(self, self._site, match.websocket, match.params, head).begin():
                        return True
                    continue
            if not self._has_body(match):
                return False
            self._began = True
            self._answer(match)
        return False

    def _has_body(self, match: Match[Kind, Handler]) -> bool:
        """As ``_is_whole``, for a request that has a handler."""
        assert self._reader.head is not None
        if self._reader.head.method not in match.http:
            raise HandshakeError(405, "the path is not served with this method", [("Allow", match.allow)])
        return self._is_whole()

    def _is_whole(self) -> bool:
        """Whether the request is there; asks for the body if the client waits to be asked."""
        reader = self._reader
        if not reader.complete and not self._awaits_body:
            self._awaits_body = True
            self._within("handler_timeout")
            if reader.wants_continue:
                self.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return reader.complete

    def _answer(self, match: Match[Kind, Handler]) -> None:
        head, runtime = self._reader.head, self._site.runtime
        assert head is not None
        request = Request(
            method=head.method,
            path=head.path,
            path_params=match.params,
            query=head.query,
            headers=head.headers,
            body=self._reader.body,
            remote_address=self.address,
            runtime=runtime,
        )
        try:
            result = match.http[head.method](request)
        except BaseException as error:
            self.crashed(error)
            return
        if isinstance(result, Mount):
            assert self._site.mounts is not None
            self._site.mounts.answer(result, head, self._reader.body, self)
        elif isawaitable(result):
            self.start(Answer(self, result))
        else:
            self.respond(result)

    def respond(self, result: object) -> None:
        """Send what a handler returned, and go on to the next request."""
        try:
            response = as_response(result)
            payload = response.payload()
            head = self._head(response)
        except Exception as error:
            self.crashed(error)
            return
        self.wire.write(head)
        if isinstance(payload, AsyncIterable):
            if self._is_head:
                self.next()
            else:
                self.start(Stream(self, response, payload, self._version))
            return
        if payload and not self._is_head:
            self.wire.write(payload)
        self.next()

    def next(self) -> None:
        """The request is answered: go on to the next one, or take leave."""
        head = self._reader.head
        if self.wire is None:
            return
        if head is None or not self.keeps_alive:
            self._leave()
            return
        self._began = self._awaits_body = self.stays = False
        self._kept = True
        self._drained = None
        self._within("keep_alive_timeout")
        self.wire.resume(MAILBOX)
        self._reader.next()

    def answered(self, *, goes_on: bool) -> None:
        """A mounted app's answer is complete: go on to the next request if the connection does. Calls no user code."""
        self.finished()
        if not goes_on:
            self._leave()
            return
        try:
            self.next()
        except HandshakeError as error:
            self.refuse(error)
        else:
            if self._reader.started and not self.left:
                self.wire.read_again()

    def go_on(self) -> None:
        """Serve the requests that came behind the one that has just been answered."""
        wire = self.wire  # which may be a WebSocket's then
        try:
            if self._advance():
                wire.read_again()
        except HandshakeError as error:
            self.refuse(error)

    def come_back(self, behind: bytes, *, keep_alive: bool) -> None:
        """Take a connection over whose request somebody else has answered, and what came ``behind`` it.

        Calls no user code.
        """
        if not keep_alive:
            self._leave()
            return
        self._kept = True
        self.wire.resume(MAILBOX)
        try:
            self._reader.receive(behind)
        except HandshakeError as error:
            self.refuse(error)
            return
        if self._reader.started:
            self._within("handshake_timeout")
            self.wire.read_again()

    @property
    def body(self) -> bytes:
        """Of the current request."""
        return self._reader.body

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection goes on behind the answer, as far as we can say."""
        head = self._reader.head
        return head is not None and head.keep_alive and not self._site.draining

    @property
    def _version(self) -> str:
        return "1.1" if self._reader.head is None else self._reader.head.http_version

    def _head(self, response: Response) -> bytes:
        return head_bytes(response, keep_alive=self.keeps_alive, http_version=self._version)

    def became_websocket(self) -> bytes:
        """The handshake is done, and someone else receives now; returns what came behind the head."""
        site, rest = self._site, self._reader.rest
        site.runtime.wheel.cancel(self)
        site.endpoints.discard(self)
        self.wire = None  # type: ignore[assignment]
        return rest


def _admission_of(match: Match[Kind, Handler], head: Head) -> type[Admission] | None:
    """How a request reaches the behaviour at its path; ``None`` if it is for a handler there."""
    if head.is_upgrade:
        return Upgrade
    return session_request(match, head) or (None if head.method in match.http else Upgrade)
