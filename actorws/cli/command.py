"""Command: ``actorws serve``, from the first look at its arguments to the exit status, and the way to the others.

Rule owned here: what goes wrong before anybody can connect is a complaint; what goes wrong later is the served code's,
and passes. Must not know how processes or connections are looked after.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from actorws.behaviour import Websocket
from actorws.cli import connect_arguments
from actorws.cli.arguments import parse
from actorws.cli.complaints import INTERRUPTED_STATUS, complain, why_not_listening
from actorws.cli.serve_arguments import Asked
from actorws.cli.target import load
from actorws.config import ServerConfig
from actorws.events import Event, ListenerStarted
from actorws.exceptions import EngineError, UsageError
from actorws.observability.logs import log_events, unwrap
from actorws.server.app import App
from actorws.server.run import run
from actorws.server.workers_child import Begun, begin_worker, run_worker

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """The command: ``argv`` without the program's name (default: ``sys.argv``). Returns the exit status.

    Raises ``SystemExit(0)`` after ``--help`` and ``--version``, ``SystemExit(1)`` at a second signal, and what the
    code being served lets escape.
    """
    worker = begin_worker(os.environ)
    try:
        asked = parse(argv)
        if isinstance(asked, connect_arguments.Asked):
            return _connect(asked)
        target = None if worker is None and asked.workers > 1 else load(asked.target)
    except UsageError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS
    _log_to_stderr(asked.log_level, worker)
    announce = _Announce(is_worker=worker is not None)
    try:
        if target is None:
            return _oversee(argv, asked, announce)
        _serve(target, asked, worker, announce)
    except (OSError, UnicodeError, UsageError, EngineError, BaseExceptionGroup) as error:
        why = None if announce.is_listening else _why_not(unwrap(error), asked)
        if why is None:
            raise
        return complain(why)
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS  # there was no server yet that could have shut down
    return 0


def _connect(asked: connect_arguments.Asked) -> int:
    from actorws.cli.connect_command import connect  # which a server has no use for

    return connect(asked)


def _why_not(error: BaseException, asked: Asked) -> str | None:
    match error:
        case UsageError() | EngineError():
            return str(error)
        case OSError() | UnicodeError():
            return why_not_listening(error, **asked.address)
    return None


class _Announce:
    """The subscriber: a line on stdout for each listener, the log for all else."""

    def __init__(self, *, is_worker: bool = False) -> None:
        self.is_listening = False
        self._is_worker = is_worker
        self._log = log_events()

    def __call__(self, event: Event) -> None:
        if isinstance(event, ListenerStarted):
            self.listens(event.address)
        else:
            self._log(event)

    def listens(self, address: str) -> None:
        """Print the line, which a worker leaves to its parent."""
        self.is_listening = True
        if not self._is_worker:
            with suppress(OSError):  # nobody reads it any more
                print(f"listening on {address}", flush=True)


def _log_to_stderr(level: str, worker: Begun | None) -> None:
    # The module served was imported before: where it has set up logging itself, that stays.
    who = "" if worker is None else f"worker {worker.settings.number} [{os.getpid()}] "
    logging.basicConfig(format=f"%(asctime)s %(levelname)-7s {who}%(name)s: %(message)s", level=level.upper())
    logging.getLogger("actorws").setLevel(level.upper())


def _serve(target: App | type[Websocket] | Websocket, asked: Asked, worker: Begun | None, tell: _Announce) -> None:
    """In this very process."""
    if worker is not None:
        run_worker(target, worker, tls=asked.tls, on_event=tell, **asked.options)
    else:
        run(target, **asked.address, tls=asked.tls, on_event=tell, cluster=asked.cluster, **asked.options)


def _oversee(argv: Sequence[str] | None, asked: Asked, announce: _Announce) -> int:
    """Run the workers: this very command again, whatever it was, as often as asked for."""
    from actorws.server.workers import oversee

    own = sys.orig_argv[1:] if argv is None else ["-m", "actorws", *argv]
    log = logging.getLogger("actorws.workers")
    return oversee(
        [sys.executable, *own],
        asked.workers,
        **asked.address,
        secure=asked.tls is not None,
        cluster=asked.cluster,
        private_server=asked.private_server,
        config=ServerConfig(**asked.options),
        hang_timeout=asked.worker_timeout,
        tell=lambda level, line: log.log(logging.getLevelNamesMapping()[level.upper()], "%s", line),
        announce=announce.listens,
    )
