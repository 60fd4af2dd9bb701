"""Arguments: the commands that there are.

Rule owned here: what is wrong with a command line is one line that points to the help. Must not know what each command
takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import metadata
from typing import NoReturn

from actorws.cli import connect_arguments, serve_arguments
from actorws.cli.connect_arguments import add_connect
from actorws.cli.serve_arguments import add_serve
from actorws.exceptions import ConfigError

__all__ = ["parse"]

EPILOG = """\
examples:
  actorws serve examples.chat:app                serve the chat of the examples at http://127.0.0.1:8000
  actorws connect :8000/chat                     type to it
  echo hello | actorws connect :8000/chat -n 1   send a line, show one message

actorws COMMAND --help tells more about each.
"""


def parse(argv: Sequence[str] | None) -> serve_arguments.Asked | connect_arguments.Asked:
    """What ``argv`` (default: ``sys.argv``) asks for. Raises ``ConfigError``; ``SystemExit`` for help and version."""
    given = _parser().parse_args(argv)
    asked: serve_arguments.Asked | connect_arguments.Asked = given.asked(given)
    return asked


class _Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="actorws",
        description="Serve WebSocket connections, each as a supervised actor, or connect to a WebSocket server.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"actorws {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    add_serve(commands)
    add_connect(commands)
    return parser


def _version() -> str:
    try:
        return metadata.version("actorws")
    except metadata.PackageNotFoundError:
        return "(not installed: run from its source)"
