"""Jobs: what of an endpoint's work has to wait, each run in a worker: ``async def`` handlers and bodies in pieces.

Rules owned here: a job that is cut (it took too long, or the client has gone) or fails leaves its endpoint with an
answer or cuts the connection: a body that was begun is whole or visibly cut short. Must not know how a request
came to be.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable
from typing import TYPE_CHECKING, Any

import trio

from actorws.exceptions import HandshakeError
from actorws.server.http import LAST_CHUNK, Framing, Response, chunk, framing

if TYPE_CHECKING:
    from actorws.server.endpoint import Endpoint

__all__ = ["Answer", "EndpointJob", "Stream"]

#: Seconds for a body's iterator to clean up after itself.
CLEANUP = 5.0


class EndpointJob:
    """A job of an endpoint; answers 503 if it is cut."""

    __slots__ = ("endpoint",)

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def work(self) -> None:
        try:
            await self.run()
        except trio.Cancelled:
            raise
        except BaseException as error:
            if isinstance(error, BaseExceptionGroup):
                cancelled, failed = error.split(trio.Cancelled)
                if cancelled is not None:
                    # Passes, so that the job is cut. What else is in the group came of it, in a clean-up, say.
                    if failed is not None:
                        self.endpoint.report(failed)
                    raise cancelled from None
            self.endpoint.finished()
            self.failed(error)

    async def run(self) -> None:
        """The job itself; calls ``endpoint.finished`` before it goes on."""
        raise NotImplementedError

    def failed(self, error: BaseException) -> None:
        """It raised."""
        self.endpoint.crashed(error)

    def cut(self) -> None:
        self.endpoint.finished()
        limit = self.endpoint.overdue
        self.endpoint.refuse(HandshakeError(503, "the answer took too long", [("Retry-After", "5")], limit))


class Answer(EndpointJob):
    """An ``async def`` handler."""

    __slots__ = ("awaitable",)

    def __init__(self, endpoint: Endpoint, awaitable: Awaitable[Any]) -> None:
        super().__init__(endpoint)
        self.awaitable = awaitable

    async def run(self) -> None:
        result = await self.awaitable
        self.endpoint.finished()
        if self.endpoint.wire is not None:
            self.endpoint.respond(result)
            self.endpoint.go_on()


class Stream(EndpointJob):
    """A body in pieces. Its head has left: if it fails, the client can only be told by cutting it short."""

    __slots__ = ("framing", "left", "pieces")

    def __init__(self, endpoint: Endpoint, response: Response, pieces: AsyncIterable[bytes], http_version: str) -> None:
        super().__init__(endpoint)
        self.pieces = pieces
        self.framing = framing(response, http_version)
        #: Bytes that the head has promised and that have not been sent.
        self.left = response.content_length

    async def run(self) -> None:
        endpoint = self.endpoint
        try:
            async for piece in self.pieces:
                await endpoint.send_piece(self._framed(piece))
        finally:
            await self._close()
        if self.left:
            raise ValueError(f"the body ended {self.left} bytes before its content_length")
        endpoint.finished()
        if self.framing is Framing.CHUNKED and endpoint.wire is not None:
            endpoint.wire.write(LAST_CHUNK)
        try:
            endpoint.next()
        except HandshakeError as error:
            endpoint.refuse(error)
        else:
            endpoint.go_on()

    def _framed(self, piece: bytes) -> bytes:
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise TypeError(f"a body has to consist of bytes, not {piece!r:.100}")
        piece = bytes(piece)
        if self.left is not None:
            self.left -= len(piece)
            if self.left < 0:
                raise ValueError(f"the body is longer than its content_length by {-self.left} bytes or more")
        return chunk(piece) if self.framing is Framing.CHUNKED else piece

    async def _close(self) -> None:
        """Let a generator run its ``finally`` here and now, not when the garbage collector finds it."""
        aclose = getattr(self.pieces, "aclose", None)
        if aclose is not None:
            with trio.move_on_after(CLEANUP, shield=True):
                await aclose()

    def failed(self, error: BaseException) -> None:
        endpoint = self.endpoint
        if endpoint.wire is not None:
            if not isinstance(error, trio.BrokenResourceError):
                endpoint.report(error)
            endpoint.wire.abort()

    def cut(self) -> None:
        self.endpoint.finished()
        self.endpoint.cut_short()
