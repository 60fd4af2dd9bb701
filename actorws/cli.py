"""Command line: ``actorws serve module:attribute`` and ``actorws --version``.

Rule owned here: a mistake of the person at the terminal is one line on stderr and exit status 2; a traceback is
shown only where it is their own code's. Stdout has one line per listener and nothing else, logs go to stderr.
Must not know how anything is served.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import logging
import os
import signal
import socket
import ssl
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module, metadata
from types import ModuleType, TracebackType
from typing import Any, NoReturn, get_type_hints

from actorws.behaviour import Websocket
from actorws.config import ServerConfig
from actorws.events import Event, ListenerStarted
from actorws.exceptions import AppNotFound, ConfigError, UsageError
from actorws.observability.logs import log_events, unwrap
from actorws.server.app import App
from actorws.server.run import run

__all__ = ["main"]

USAGE_STATUS = 2
#: As a shell reports it: there was no server yet that could have shut down.
INTERRUPTED_STATUS = 128 + signal.SIGINT

EXAMPLES = """\
examples:
  actorws serve chat:app                            app = App() in chat.py of this folder
  actorws serve examples.echo:Echo --port 0         a Websocket class, at every path, on a free port
  actorws serve chat:app --host 0.0.0.0 --port 443 --tls-cert cert.pem --tls-key key.pem
  actorws serve chat:app --unix /run/chat.sock --option drain_timeout=30 --log-level debug

Ctrl-C or SIGTERM ends every connection in order, then the server, with exit status 0. SIGHUP does the same and tells
clients that the server restarts (Close 1012 instead of 1001).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command: ``argv`` without the program's name (default: ``sys.argv``). Returns the exit status.

    Raises ``SystemExit(0)`` after ``--help`` and ``--version``, ``SystemExit(1)`` at a second signal, and what the
    code being served lets escape.
    """
    try:
        arguments = _parser().parse_args(argv)
        address = _address(arguments)
        options = _options(arguments.option)
        tls = _tls(arguments.tls_cert, arguments.tls_key)
        target = _load(arguments.target)
    except UsageError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS
    _log_to_stderr(arguments.log_level)
    announce = _Announce()
    try:
        run(target, **address, tls=tls, on_event=announce, **options)
    except (OSError, UnicodeError, UsageError, BaseExceptionGroup) as error:
        cause = unwrap(error)
        if announce.is_listening or not isinstance(cause, OSError | UnicodeError | UsageError):
            raise
        return _complain(str(cause) if isinstance(cause, UsageError) else _why_not_listening(cause, **address))
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS
    return 0


def _complain(message: str) -> int:
    print("actorws:", " ".join(message.split()), file=sys.stderr)  # Whatever it quotes, it stays one line.
    return USAGE_STATUS


class _Announce:
    """The subscriber: a line on stdout for each listener, the log for all else."""

    def __init__(self) -> None:
        self.is_listening = False
        self._log = log_events()

    def __call__(self, event: Event) -> None:
        if isinstance(event, ListenerStarted):
            self.is_listening = True
            print(f"listening on {event.address}", flush=True)
        else:
            self._log(event)


def _log_to_stderr(level: str) -> None:
    # The module served was imported before: where it has set up logging itself, that stays.
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", level=level.upper())
    logging.getLogger("actorws").setLevel(level.upper())


# Arguments


class _Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="actorws", description="Serve WebSocket connections, each as a supervised actor.")
    parser.add_argument("--version", action="version", version=f"actorws {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve",
        help="serve an App or a Websocket class until Ctrl-C or SIGTERM",
        description="Serve an App, or a Websocket class at every path, until Ctrl-C or SIGTERM.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = serve.add_argument
    add("target", metavar="module:attribute", help="where the App or Websocket class is, such as examples.echo:app")
    add("--host", help="address or host name to listen on (default 127.0.0.1: this machine only)")
    add("--port", type=_port, help="TCP port, 0 for a free one (default 8000)")
    add("--unix", metavar="PATH", help="listen on a Unix socket; on a TCP port as well only if one is given")
    add("--tls-cert", metavar="FILE", help="certificate chain in PEM: serve https and wss")
    add("--tls-key", metavar="FILE", help="its private key in PEM")
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default info")
    names = ", ".join(sorted(get_type_hints(ServerConfig)))
    add("--option", metavar="NAME=VALUE", action="append", default=[], help=f"one of {names}; several times if needed")
    return parser


def _version() -> str:
    try:
        return metadata.version("actorws")
    except metadata.PackageNotFoundError:
        return "(not installed: run from its source)"


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return port


def _address(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of ``run`` that say where to listen: a Unix socket alone has no port beside it."""
    host, port, path = arguments.host, arguments.port, arguments.unix
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


def _tls(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        given, missing = ("--tls-key", "--tls-cert") if cert is None else ("--tls-cert", "--tls-key")
        raise ConfigError(f"{given} needs {missing} beside it")
    for name, path in (("--tls-cert", cert), ("--tls-key", key)):
        try:
            open(path, "rb").close()  # The ssl module's own error does not say which of the two files it means.
        except OSError as error:
            raise ConfigError(f"can't read {name} {path}: {error.strerror}") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        why = error.reason or error.strerror
        raise ConfigError(f"{cert} and {key} are not a certificate in PEM and its private key: {why}") from None
    return context


# The target


def _load(target: str) -> App | type[Websocket] | Websocket:
    """What ``module:attribute`` names. Raises ``AppNotFound``."""
    module_name, colon, attribute = target.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), *attribute.split(".")]):
        dotted = _dotted(module_name)
        hint = f"; did you mean {dotted}:{attribute or 'app'}?" if dotted is not None else ""
        raise AppNotFound(f"expected module:attribute, such as examples.echo:app, not {target!r}{hint}")
    module = _import(module_name)
    found: object = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            near = difflib.get_close_matches(attribute, [known for known in vars(module) if known[0] != "_"], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise AppNotFound(f"{module_name} has no {attribute!r}{hint}{_servable(module)}")
        found = getattr(found, name)
    if isinstance(found, App | Websocket) or (isinstance(found, type) and issubclass(found, Websocket)):
        return found
    kind = f"the class {found.__name__}" if isinstance(found, type) else f"of type {type(found).__name__}"
    raise AppNotFound(f"{target} is {kind}; expected an App or a Websocket subclass{_servable(module)}")


def _dotted(path: str) -> str | None:
    """The module that a path to a file means, such as ``examples.echo`` for ``examples/echo.py``."""
    name = path.removesuffix(".py").replace(os.sep, ".").strip(".")
    return name if all(part.isidentifier() for part in name.split(".")) else None


def _import(name: str) -> ModuleType:
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)  # As python -m does; the console script starts with its own folder there.
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            _show_own_traceback(error)
            raise AppNotFound(f"{name} needs the module {error.name!r}, which is not installed or not found") from None
        raise AppNotFound(f"there is no module {error.name!r} (looked in {folder} and on the Python path)") from None
    except Exception as error:
        _show_own_traceback(error)
        raise AppNotFound(f"importing {name} failed with the {type(error).__name__} above") from None


def _show_own_traceback(error: Exception) -> None:
    """The traceback from the user's first line on: the frames of this file and of importlib say nothing to them."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and (
        trace.tb_frame.f_code.co_filename == __file__ or "importlib" in trace.tb_frame.f_code.co_filename
    ):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def _servable(module: ModuleType) -> str:
    """What could have been meant: the Apps of ``module`` and the behaviours that it defines."""
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, App | Websocket)
        or (isinstance(value, type) and issubclass(value, Websocket) and value.__module__ == module.__name__)
    ]
    found = f"in {module.__name__} there is {', '.join(names)}"
    return f"; {found if names else module.__name__ + ' has neither an App nor a Websocket subclass'}"


# The address


def _why_not_listening(error: OSError | UnicodeError, port: int | None, host: str = "", unix: str | None = None) -> str:
    """One line about what the system said when it was asked for the address."""
    if isinstance(error, UnicodeError):
        return f"the host {host!r} is not a host name"
    if isinstance(error, socket.gaierror):
        return f"the host {host!r} can't be resolved: {error.strerror}"
    # Of several addresses the error names the one it is about.
    is_unix = unix is not None and (port is None or str(error).endswith(f": {unix}"))
    address = f"unix:{unix}" if is_unix else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{address} is already in use"
        case errno.EADDRNOTAVAIL:
            return f"can't listen on {address}: this machine doesn't have that address"
        case errno.EACCES | errno.EPERM:
            return f"no permission to listen on {address}"
        case errno.ENOENT | errno.ENOTDIR if is_unix:
            return f"can't listen on {address}: there is no folder {os.path.dirname(unix or '')}"
    why = (error.strerror or str(error)).removesuffix(f": {unix if is_unix else address}")
    return f"can't listen on {address}: {why}"
