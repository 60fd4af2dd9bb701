"""Arguments of ``actorws serve``.

Rule owned here: what can't be meant is refused before anything is imported or begun, with the name of the argument, its
value and what was expected. Must not know what is done about them.
"""

from __future__ import annotations

import argparse
import os
import ssl
from collections.abc import Sequence
from typing import Any, get_type_hints

from attrs import frozen

from actorws.cli.certificates import tls_of
from actorws.cluster.address import parse_address
from actorws.config import ServerConfig
from actorws.exceptions import ConfigError

__all__ = ["Asked", "add_serve", "serving"]

#: In the place of a cluster's URL.
NO_CLUSTER = "none"
#: More processes than any machine has a use for; each costs some 30 MB.
MAX_WORKERS = 1024

EXAMPLES = """\
examples:
  actorws serve chat:app                            app = App() in chat.py of this folder
  actorws serve examples.echo:Echo --port 0         a Websocket class, at every path, on a free port
  actorws serve chat:app --host 0.0.0.0 --port 443 --tls-cert cert.pem --tls-key key.pem
  actorws serve chat:app --unix /run/chat.sock --option drain_timeout=30 --log-level debug
  actorws serve chat:app --workers auto             a process per core, with names and groups across all of them
  actorws serve chat:app --workers 4 --cluster redis://10.0.0.7/0

Ctrl-C or SIGTERM ends every connection in order, then the server, with exit status 0. SIGHUP does the same and tells
clients that the server restarts (Close 1012 instead of 1001); with several workers it replaces them one after the
other. (Workers are this command's alone: run() in a program serves in its own process.)
"""


@frozen
class Asked:
    """What was asked for, to be served."""

    target: str
    address: dict[str, Any]
    """Where to listen, as arguments of ``run``."""
    tls: ssl.SSLContext | None
    workers: int
    worker_timeout: float
    cluster: str | None
    """URL of the engine, if one was given."""
    private_server: bool
    """Whether several workers have an engine of their own."""
    log_level: str
    options: dict[str, Any]
    """Of ``ServerConfig``, those that were given."""


def add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those that there are."""
    serve = commands.add_parser(
        "serve",
        help="serve an App or a Websocket class until Ctrl-C or SIGTERM",
        description="Serve an App, or a Websocket class at every path, until Ctrl-C or SIGTERM.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.set_defaults(asked=serving)
    _add_where(serve)
    _add_processes(serve)
    add = serve.add_argument
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default info")
    names = ", ".join(sorted(get_type_hints(ServerConfig)))
    add("--option", metavar="NAME=VALUE", action="append", default=[], help=f"one of {names}; several times if needed")


def serving(given: argparse.Namespace) -> Asked:
    """What was asked for by what was given. Raises ``ConfigError``."""
    options = _options(given.option)
    if given.cluster not in (None, NO_CLUSTER):
        parse_address(given.cluster)
    return Asked(
        target=given.target,
        address=_address(given.host, given.port, given.unix),
        tls=tls_of(given.tls_cert, given.tls_key),
        workers=given.workers,
        worker_timeout=given.worker_timeout,
        cluster=None if given.cluster == NO_CLUSTER else given.cluster,
        private_server=given.cluster is None,
        log_level=given.log_level,
        options=options,
    )


def _add_where(serve: argparse.ArgumentParser) -> None:
    add = serve.add_argument
    add("target", metavar="module:attribute", help="where the App or Websocket class is, such as examples.echo:app")
    add("--host", help="address or host name to listen on (default 127.0.0.1: this machine only)")
    add("--port", type=_port, help="TCP port, 0 for a free one (default 8000)")
    add("--unix", metavar="PATH", help="listen on a Unix socket; on a TCP port as well only if one is given")
    add("--tls-cert", metavar="FILE", help="certificate chain in PEM: serve https and wss")
    add("--tls-key", metavar="FILE", help="its private key in PEM")


def _add_processes(serve: argparse.ArgumentParser) -> None:
    add = serve.add_argument
    add(
        "--workers",
        metavar="N",
        type=_workers,
        default=1,
        help="processes to serve with; auto: one per core (default 1)",
    )
    add(
        "--worker-timeout",
        metavar="SECONDS",
        type=_seconds,
        default=10.0,
        help="a worker that hangs so long is replaced",
    )
    add(
        "--cluster",
        metavar="URL",
        help="Redis or Valkey through which names and groups reach other processes, such as redis://10.0.0.7 (default "
        f"with several workers: a private server on this machine; {NO_CLUSTER}: each is on its own)",
    )


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return port


def _workers(text: str) -> int:
    if text in ("auto", "0"):
        return _cores()
    if not text.isascii() or not text.isdigit() or int(text) > MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_WORKERS} processes, or auto, not {text!r}")
    return int(text)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 2 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"expected 2 to 86400 seconds, not {text!r}")
    return seconds


def _address(host: str | None, port: int | None, path: str | None) -> dict[str, Any]:
    """A Unix socket alone has no port beside it."""
    if path is not None and host is None and port is None:
        return {"unix": path, "port": None}
    return {"host": "127.0.0.1" if host is None else host, "port": 8000 if port is None else port, "unix": path}


def _options(texts: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` of ``--option``, as the server's options with their own types."""
    types = get_type_hints(ServerConfig)
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--option expects NAME=VALUE, not {text!r}")
        options[name] = _value(name, types[name], value) if name in types else value
    ServerConfig.of(**options)
    return options


def _value(name: str, kind: Any, text: str) -> object:
    if kind in (int | None, float | None) and text.lower() == "none":
        return None
    number, words = (float, "a number") if kind in (float, float | None) else (int, "a whole number")
    try:
        return number(text)
    except ValueError:
        raise ConfigError(f"{name} must be {words}, not {text!r}") from None
