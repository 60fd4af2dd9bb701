"""Session requests: what GETs and POSTs of sessions have in common.

Rules owned here: an id that is no good is answered 410, the same whatever is wrong with it; nothing of an answer is
kept by anyone on its way; a page of another origin sees every answer, refusals too. Must not know what is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from actorws.behaviour import Accept
from actorws.exceptions import HandshakeError
from actorws.server import cors
from actorws.server.admission import Admission
from actorws.server.http import Response

__all__ = ["COMMON_HEADERS", "Preflight", "SessionRequest"]

#: Proxies have to pass the answer on as it comes, and keep nothing of it.
COMMON_HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
#: What those of an ``Accept`` don't replace.
_OURS = frozenset({"cache-control", "content-type", "x-accel-buffering"})
#: Values of Sec-Fetch-Site (W3C Fetch Metadata) for requests that a page of another origin has caused.
_ELSEWHERE = frozenset({"cross-site", "same-site"})
_COUNT = re.compile(r"[0-9]{1,16}")


class SessionRequest(Admission):
    """One request."""

    __slots__ = ("_accept",)

    def begin(self) -> bool:
        try:
            return super().begin()
        except HandshakeError as error:
            raise self._for_pages(error) from None

    def _check_origin(self) -> None:
        super()._check_origin()
        # A page can have its browser send a GET of this kind, with cookies, as that of a picture: it names no Origin,
        # and the page sees no answer, but an actor would begin. Browsers say in this header that the page isn't ours.
        allowed = self._kind.config.handshake.allowed_origins or ()
        if self._head.get("origin") is None and "*" not in allowed and self._head.get("sec-fetch-site") in _ELSEWHERE:
            raise HandshakeError(403, "a page of another origin may not ask for this")

    def _go_on(self, decision: Any) -> None:
        endpoint = self._endpoint
        try:
            self._decide(decision)
        except HandshakeError as error:
            raise self._for_pages(error) from None
        endpoint.go_on()

    def _for_pages(self, error: HandshakeError) -> HandshakeError:
        headers = [*error.headers, *self._headers_for_pages().items()]
        return HandshakeError(error.status, str(error), headers, error.limit)

    def _headers_for_pages(self) -> Mapping[str, str]:
        return cors.response_headers(self._head, self._kind.config.handshake)

    def _let_in(self, accept: Accept) -> bool:
        self._accept = accept
        try:
            self._serve()
        except HandshakeError:
            raise
        except Exception as error:  # of what `connect` returned: a header that can't be sent, a wrong subprotocol
            self._endpoint.crashed(error)
        return False

    def _serve(self) -> None:
        """Answer it. Raises ``HandshakeError``."""
        raise NotImplementedError

    @property
    def _session_id(self) -> str | None:
        return self._head.get("actorws-session")

    def _count(self, name: str) -> int | None:
        """A header that is a count, if it is there. Raises ``HandshakeError`` 400 for one that is none."""
        value = self._head.get(name.lower())
        if value is None:
            return None
        if not _COUNT.fullmatch(value):
            raise HandshakeError(400, f"{name} has to be a number, not {value!r:.50}")
        return int(value)

    def _headers(self) -> dict[str, str]:
        """Of the answer: ours, those for pages, and what ``connect`` has added."""
        added = {name: value for name, value in self._accept.headers.items() if name.lower() not in _OURS}
        return {**added, **COMMON_HEADERS, **self._headers_for_pages()}

    def _answer(self, status: int, value: Mapping[str, Any] | None, **headers: str) -> None:
        """Answer with JSON, or with nothing, and go on with the connection."""
        body = b"" if value is None else json.dumps(value, separators=(",", ":")).encode() + b"\n"
        given = {name.replace("_", "-").title(): text for name, text in headers.items()}
        content_type = None if value is None else "application/json"
        self._endpoint.respond(Response(body, status, {**self._headers(), **given}, content_type))

    def _gone(self, reason: str) -> None:
        """The session can't be gone on with."""
        self._answer(410, {"lost": reason})


class Preflight(SessionRequest):
    """A browser asks whether a page of another origin may send requests. ``connect`` is not: it brings no cookies."""

    __slots__ = ()

    def begin(self) -> bool:
        self._check_origin()
        headers = cors.preflight_headers(self._head, self._kind.config.handshake)
        self._endpoint.respond(Response(status=204, headers=headers))
        return False
