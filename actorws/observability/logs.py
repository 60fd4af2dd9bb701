"""Logs: events as lines of ``logging``.

Rule owned here: which event is worth which level, and that no peer can flood the log: an event that a peer can
cause at will gets one line a second, with the number of those left out since. Must not know who emits.

===================================== ========= ===================================================
event                                 level     its line
===================================== ========= ===================================================
ListenerStarted, ServerDraining       info      each
DrainTimedOut                         warning   each
NodeJoined, NodeLeft                  info      each
LinkLost                              warning   each
MessageMalformed                      warning   one a second
ActorStarted                          debug     each
ActorEnded                            as the table of ``actorws.reasons`` says, one a second of each
                                      reason above debug; debug where the peer's fault has been told by
                                      ProtocolViolated or RateLimited
Connected, ConnectionLost             info      one a second; the end of the last one always, at the level error if
                                                it was given up
ConnectFailed                         warning   one a second; the last one always, at the level error
KeepAliveTimedOut, ReadingPaused      debug     one a second
HandshakeRefused, HandshakeTimedOut   info      one a second
ProtocolViolated, RateLimited         info      one a second
AcceptFailed, AcceptsPaused           warning   one a second
HandoverFailed                        warning   one a second
MailboxFull, OutputFull, ResponseCut  warning   one a second
SlowCallback, CallbackTimedOut        warning   one a second
ActorCut                              warning   one a second
ActorCrashed, TerminateFailed         error     each, with the traceback
HandlerCrashed, BackgroundCrashed     error     each, with the traceback
===================================== ========= ===================================================
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

from attrs import frozen

from actorws import events, reasons
from actorws.events import Emit, Event
from actorws.exceptions import PeerError

__all__ = ["LogEvents", "log_events", "unwrap"]

#: Seconds between two lines of a kind that peers can cause.
INTERVAL = 1.0
#: Characters of text that a peer or an exception may put into a line.
MAX_TEXT = 300


@frozen
class LineRules:
    """How events of one kind are logged."""

    level: int
    limited: bool = False
    """At most one line per ``INTERVAL``."""


RULES: dict[type[Event], LineRules] = {
    events.ListenerStarted: LineRules(logging.INFO),
    events.ServerDraining: LineRules(logging.INFO),
    events.DrainTimedOut: LineRules(logging.WARNING),
    events.NodeJoined: LineRules(logging.INFO),
    events.NodeLeft: LineRules(logging.INFO),
    events.LinkLost: LineRules(logging.WARNING),
    events.MessageMalformed: LineRules(logging.WARNING, limited=True),
    events.ActorStarted: LineRules(logging.DEBUG),
    events.ActorEnded: LineRules(logging.INFO),  # and see level_of
    events.Connected: LineRules(logging.INFO, limited=True),
    events.ConnectFailed: LineRules(logging.WARNING, limited=True),  # and see level_of
    events.ConnectionLost: LineRules(logging.INFO, limited=True),  # the same
    events.KeepAliveTimedOut: LineRules(logging.DEBUG, limited=True),
    events.SessionDetached: LineRules(logging.DEBUG),
    events.SessionResumed: LineRules(logging.DEBUG),
    events.SessionLost: LineRules(logging.INFO, limited=True),
    events.ReadingPaused: LineRules(logging.DEBUG, limited=True),
    events.HandshakeRefused: LineRules(logging.INFO, limited=True),
    events.HandshakeTimedOut: LineRules(logging.INFO, limited=True),
    events.ProtocolViolated: LineRules(logging.INFO, limited=True),
    events.RateLimited: LineRules(logging.INFO, limited=True),
    events.AcceptFailed: LineRules(logging.WARNING, limited=True),
    events.AcceptsPaused: LineRules(logging.WARNING, limited=True),
    events.HandoverFailed: LineRules(logging.WARNING, limited=True),
    events.ResponseCut: LineRules(logging.WARNING, limited=True),
    events.MailboxFull: LineRules(logging.WARNING, limited=True),
    events.OutputFull: LineRules(logging.WARNING, limited=True),
    events.SlowCallback: LineRules(logging.WARNING, limited=True),
    events.CallbackTimedOut: LineRules(logging.WARNING, limited=True),
    events.ActorCut: LineRules(logging.WARNING, limited=True),
    events.ActorCrashed: LineRules(logging.ERROR),
    events.TerminateFailed: LineRules(logging.ERROR),
    events.HandlerCrashed: LineRules(logging.ERROR),
    events.BackgroundCrashed: LineRules(logging.ERROR),
}

#: For an event that somebody else made.
OTHER = LineRules(logging.DEBUG)


def log_events(logger: logging.Logger | None = None, *, clock: Callable[[], float] = time.monotonic) -> Emit:
    """A subscriber that writes each event to ``logger`` (default: the logger ``actorws``), one line each.

    ``clock`` gives seconds, for the limit of one line a second. The subscriber never raises. Use it as
    ``run(app, on_event=log_events())``; a level of the logger above DEBUG spares the work for the rest.
    """
    return LogEvents(logger or logging.getLogger("actorws"), clock)


class LogEvents:
    """What ``log_events`` returns: called with each event."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float]) -> None:
        self._logger = logger
        self._clock = clock
        self._last_line: dict[type, float] = {}
        self._left_out: dict[type, int] = {}

    def wants_details(self) -> bool:
        """Whether events at level debug get a line. If not, those who cause them may spare themselves the trouble."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def __call__(self, event: Event) -> None:
        try:
            self._write(event)
        except Exception:
            # A line lost is no reason to lose a connection: as logging's own handlers, say so on stderr and go on.
            with suppress(Exception):
                traceback.print_exc()

    def _write(self, event: Event) -> None:
        level = level_of(event)
        if not self._logger.isEnabledFor(level):
            return
        kind = limited_as(event)
        left_out = 0
        if kind is not None:
            now = self._clock()
            if now - self._last_line.get(kind, float("-inf")) < INTERVAL:
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return
            self._last_line[kind] = now
            left_out = self._left_out.pop(kind, 0)
        line = text_of(event) + (f" (and {left_out} more like it)" if left_out else "")
        self._logger.log(level, "%s", line, exc_info=traceback_of(event))


def limited_as(event: Event) -> type | None:
    """What the line about ``event`` shares its second with; ``None``: it is always written."""
    if isinstance(event, events.ActorEnded):
        return type(event.reason) if level_of(event) > logging.DEBUG else None
    if isinstance(event, events.ConnectFailed | events.ConnectionLost) and event.retry_in is None:
        return None  # once for each that somebody here has wanted
    return type(event) if RULES.get(type(event), OTHER).limited else None


def level_of(event: Event) -> int:
    """The level of the line about ``event``."""
    if isinstance(event, events.ActorEnded):
        reason = event.reason
        if isinstance(reason, reasons.Error) and isinstance(reason.exception, PeerError):
            return logging.DEBUG
        if isinstance(reason, reasons.Overflow) and reason.bound == "rate":
            return logging.DEBUG
        return reasons.RULES[type(reason)].log_level
    if isinstance(event, events.ConnectFailed) and event.retry_in is None:
        return logging.ERROR
    if isinstance(event, events.ConnectionLost) and event.limit:
        return logging.ERROR
    return RULES.get(type(event), OTHER).level


def traceback_of(event: Event) -> BaseException | None:
    """The exception whose traceback follows the line about ``event``, if any: only code that failed has one."""
    match event:
        case (
            events.ActorCrashed(exception=exception)
            | events.TerminateFailed(exception=exception)
            | events.HandlerCrashed(exception=exception)
            | events.BackgroundCrashed(exception=exception)
        ):
            return unwrap(exception)
    return None


def text_of(event: Event) -> str:
    """The line about ``event``: what happened, to which connection."""
    match event:
        case events.ListenerStarted(address=address):
            return f"listening on {address}"
        case events.ServerDraining(connections=connections, timeout=timeout):
            return f"shutting down: {connections} connections to end within {timeout:g} s"
        case events.NodeJoined(node=node):
            return f"node {node.id} ({_one_line(node.name)}) has joined the cluster"
        case events.NodeLeft(node=node):
            return f"node {node.id} ({_one_line(node.name)}) has left the cluster"
        case events.LinkLost(seconds=seconds, reason=reason):
            return f"messages from other nodes may have been lost for {seconds:.3g} s: {_one_line(reason)}"
        case events.MessageMalformed(reason=reason):
            return _one_line(reason)
        case events.DrainTimedOut(connections=connections):
            return f"the time to shut down is over: {connections} connections without an actor are cut"
        case events.AcceptsPaused(pause=pause, limit=limit):
            return f"more connections than {limit} came: the next one is accepted in {pause:.3g} s"
        case events.AcceptFailed(error=error, pause=pause):
            return f"can't accept connections: {_one_line(str(error))}; the next try is in {pause:g} s"
        case events.HandshakeRefused(status=status, message=message, remote_address=address):
            return f"refused {address or 'a client'} with status {status}: {_one_line(message)}"
        case events.HandshakeTimedOut(remote_address=address):
            return f"closed {address or 'a client'}: no request came in time"
        case events.KeepAliveTimedOut(remote_address=address):
            return f"closed {address or 'a client'}: no further request came"
        case events.ResponseCut(path=path, remote_address=address):
            return f"the answer to {address or 'a client'} at {_one_line(path)} was cut short: it took too long"
        case events.HandoverFailed(node=node, why=why):
            return f"no handover to node {_one_line(node)}: {_one_line(why)}"
        case events.ActorStarted(conn=conn):
            return f"{conn.id} opened {_one_line(conn.path)}"
        case events.ActorEnded(conn=conn, reason=reason):
            return f"{conn.id} ended: {_reason(reason)}"
        case events.Connected(conn=conn, url=url):
            return f"{conn.id} has connected to {_one_line(url)}"
        case events.ConnectFailed(error=error, failures=failures, retry_in=retry_in):
            return f"{_one_line(str(error))}; {_what_next(retry_in, failures)}"
        case events.ConnectionLost(conn=conn, url=url, reason=reason, retry_in=retry_in, limit=limit):
            what_next = _what_next(retry_in) if limit or retry_in is not None else "it is over"
            return f"{conn.id} has lost its connection to {_one_line(url)}: {_reason(reason)}; {what_next}"
        case events.SessionDetached(conn=conn, reason=reason):
            return f"{conn.id} has lost its wire and waits for its client: {_one_line(repr(reason))}"
        case events.SessionResumed(conn=conn, transport=transport):
            return f"{conn.id} goes on over {transport}"
        case events.SessionLost(address=address, reason=reason):
            return f"the session of {address or 'a client'} is lost: {reason}"
        case events.ActorCrashed(conn=conn, callback=callback, exception=exception):
            return f"{conn.id} at {_one_line(conn.path)}: {callback} raised {_name(exception)}"
        case events.TerminateFailed(conn=conn, exception=exception):
            return f"{conn.id} at {_one_line(conn.path)}: terminate raised {_name(exception)}"
        case events.ActorCut(conn=conn, callback=callback):
            return f"{conn.id} at {_one_line(conn.path)}: the time to shut down is over, cut in {callback}"
        case events.CallbackTimedOut(conn=conn, callback=callback, seconds=seconds):
            return f"{conn.id} at {_one_line(conn.path)}: {callback} was cancelled after {seconds:.3g} s"
        case events.SlowCallback(conn=conn, callback=callback, seconds=seconds):
            return f"{conn.id} at {_one_line(conn.path)}: {callback} held up every connection for {seconds:.3g} s"
        case events.ProtocolViolated(conn=conn, code=code, message=message):
            return f"{conn.id} broke the protocol, closed with {int(code)}: {_one_line(message)}"
        case events.RateLimited(conn=conn, policy=policy, limit=limit):
            return f"{conn.id} at {_one_line(conn.path)}: the client sends more than {limit} ({policy})"
        case events.ReadingPaused(conn=conn, buffered=buffered, limit=limit):
            return f"{conn.id} at {_one_line(conn.path)}: not read from for now: {buffered} bytes wait ({limit})"
        case events.MailboxFull(conn=conn, policy=policy, limit=limit):
            return f"{conn.id} at {_one_line(conn.path)}: the mailbox is full: {limit} ({policy})"
        case events.OutputFull(conn=conn, policy=policy, buffered=buffered):
            return f"{conn.id} at {_one_line(conn.path)}: {buffered} bytes wait for the client, no room ({policy})"
        case events.HandlerCrashed(path=path, exception=exception):
            return f"the handler of {_one_line(path)} raised {_name(exception)}"
        case events.BackgroundCrashed(name=name, exception=exception):
            return f"the background function {name} raised {_name(exception)}"
        case _:
            return _one_line(repr(event))


def unwrap(exception: BaseException) -> BaseException:
    """What a group of one exception holds, at any depth: a nursery wraps even a single failure in a group."""
    while isinstance(exception, BaseExceptionGroup) and len(exception.exceptions) == 1:
        exception = exception.exceptions[0]
    return exception


def _what_next(retry_in: float | None, failures: int = 0) -> str:
    if retry_in is not None:
        return f"the next try is in {retry_in:.3g} s"
    return "given up" + (f" after {failures} failures" if failures > 1 else "")


def _reason(reason: reasons.Reason) -> str:
    return f"Error({_name(reason.exception)})" if isinstance(reason, reasons.Error) else _one_line(repr(reason))


def _name(exception: BaseException) -> str:
    exception = unwrap(exception)
    return _one_line(f"{type(exception).__name__}: {exception}".removesuffix(": "))


def _one_line(text: str) -> str:
    """``text`` without what would end the line or act on a terminal, and cut: part of it is a stranger's words."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "..."
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
