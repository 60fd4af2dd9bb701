"""ASGI call: one request that a mounted app answers, in a task of its own.

Rules owned here: the app has ``handler_timeout`` for the first bytes of its answer; then a stream may be silent for as
long as it likes, and only a client that doesn't take what was sent is cut. An app whose client has gone is told, and
cancelled no earlier than ``handler_timeout`` later. What it does behind its answer holds no connection and lives as
long as the server. Must not know how an answer is framed.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import trio

from actorws.events import HandlerCrashed
from actorws.exceptions import HandshakeError
from actorws.server.asgi_response import AsgiResponse

if TYPE_CHECKING:
    from actorws.server.asgi_scope import AsgiApp, Message, Scope
    from actorws.server.endpoint import Endpoint

__all__ = ["AsgiCall"]


class AsgiCall:
    """One request. The endpoint holds it as it holds a worker, until the answer is complete."""

    __slots__ = (
        "_app",
        "_body",
        "_endpoint",
        "_gone",
        "_patience",
        "_response",
        "_scope",
        "_sending",
        "_told",
        "_within",
    )

    def __init__(self, app: AsgiApp, scope: Scope, body: bytes, endpoint: Endpoint, patience: float) -> None:
        """``body`` is the request's, ``patience`` the seconds of ``handler_timeout``."""
        self._app = app
        self._scope = scope
        self._body: bytes | None = body
        self._endpoint = endpoint
        self._patience = patience
        self._response = AsgiResponse(is_head=scope["method"] == "HEAD", http_version=scope["http_version"])
        #: Set when there is nobody to answer any more, or nothing left to say.
        self._gone = trio.Event()
        #: A piece at a time, whichever of the app's tasks sends it.
        self._sending = trio.Lock()
        self._within = trio.CancelScope()
        #: What the app gets for a piece that reaches nobody.
        self._told = BrokenPipeError(errno.EPIPE, "the client has gone")

    async def run(self) -> None:
        """Call the app. Raises nothing but for cancellation."""
        failed: BaseException | None = None
        cancelled: BaseException | None = None
        try:
            with self._within:
                await self._app(self._scope, self._receive, self._send)
        except trio.Cancelled as error:
            cancelled = error
        except BaseExceptionGroup as error:
            cancelled, failed = error.split(trio.Cancelled)
        except BaseException as error:
            failed = error
        self._ended(failed, is_cut=cancelled is not None)
        if cancelled is not None:
            raise cancelled

    # What the app calls

    async def _receive(self) -> Message:
        await trio.lowlevel.checkpoint()
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        async with self._sending:
            endpoint, response = self._endpoint, self._response
            data = response.take(message, keep_alive=endpoint.keeps_alive)
            if not response.begun:
                return  # the head waits for the body
            if not self._is_heard:
                if not response.complete:
                    raise self._told
                # For the app its work is done, and nobody minds that there is nobody to tell.
                self._within.deadline = float("inf")
            elif response.complete:
                goes_on = not response.closes and not self._gone.is_set()
                self._gone.set()
                endpoint.wire.write(data)
                endpoint.answered(goes_on=goes_on)
            else:
                await endpoint.send_piece(data)

    @property
    def _is_heard(self) -> bool:
        """Whether what is sent reaches somebody."""
        endpoint = self._endpoint
        return endpoint.call is self and endpoint.wire is not None and not endpoint.left

    # What the endpoint calls

    def cancel(self) -> None:
        """The time is over, if the endpoint says so; else the client has gone."""
        endpoint, response = self._endpoint, self._response
        if not endpoint.overdue:
            self.finished_sending()
            if not response.complete:
                self._within.deadline = trio.current_time() + self._patience
        elif response.begun and not self._gone.is_set() and endpoint.takes_what_is_sent(self._patience):
            endpoint.attend(self)
        else:
            # Not when the app has come to its end: one that works in a thread can't be cancelled.
            self._within.cancel()
            self._give_up()

    def finished_sending(self) -> None:
        """The client sends nothing more: it has gone, or only waits for the answer."""
        self._gone.set()

    def _give_up(self) -> None:
        endpoint = self._endpoint
        endpoint.finished()
        if self._response.begun:
            endpoint.cut_short()
        else:
            limit = endpoint.overdue
            endpoint.refuse(HandshakeError(503, "the answer took too long", [("Retry-After", "5")], limit))

    # The end

    def _ended(self, failure: BaseException | None, *, is_cut: bool) -> None:
        """The app has returned or raised: whatever it was, the client has its answer, or sees that it has none."""
        endpoint, response = self._endpoint, self._response
        if not self._is_heard:
            self._report(failure)
        elif is_cut:
            self._report(failure)
            self._give_up()
        elif failure is None and self._gone.is_set():
            # Its client has ended its side, and it has stopped for that.
            endpoint.finished()
            endpoint.cut_short()
        else:
            failure = failure or RuntimeError("the app returned before its answer was complete")
            endpoint.finished()
            if not response.begun:
                endpoint.crashed(failure)
                return
            self._report(failure)
            endpoint.cut_short()

    def _report(self, failure: BaseException | None) -> None:
        """Tell the log, but not of what we have raised ourselves."""
        if isinstance(failure, BaseExceptionGroup):
            _, failure = failure.split(lambda error: error is self._told)
        if failure is not None and failure is not self._told:
            runtime = self._scope["extensions"]["actorws"]["runtime"]
            runtime.emit(HandlerCrashed(self._scope["path"], failure))
