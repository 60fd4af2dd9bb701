"""Arguments of ``actorws connect``.

Rule owned here: what can't be meant is refused before anybody is connected to, with the name of the argument, its value
and what was expected. Must not know what is done about them.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from actorws.cli.certificates import trusting
from actorws.exceptions import ConfigError

__all__ = ["Asked", "add_connect", "connecting", "url_of"]

DESCRIPTION = """\
Connect to a WebSocket server. At a terminal: type messages and see what comes. In pipes: each line of stdin is sent
as a message, and each message that comes is a line of stdout.
"""

EPILOG = """\
URL is ws://host:port/path, wss://..., or ws+unix:/run/app.sock:/path. What has no scheme is ws:// (wss:// if its port
is 443), and what has no host is this machine: localhost:8000/chat, :8000/chat, example.org:443.

at a terminal:
  Enter sends the line, up and down and Ctrl-R find earlier ones, which are kept in ~/.local/state/actorws/history.
  /ping            how long the way to the server and back takes
  /binary 0a ff    send bytes, in hex
  /file PATH       send a file: as text if it is UTF-8, else as binary
  /close 4000 bye  close, with a code (default 1000) and a reason
  /help            these
  //text           send /text
  Ctrl-D, Ctrl-C   close in order; Ctrl-C again: at once
  What the server sends is shown with its control characters escaped, and cut where it is very long.

in pipes:
  Messages are written as they are. When stdin is at its end, it goes on until nothing has come for --wait seconds, or
  until -n messages have come. With --json each line is an object, which says when it came, and as what:
    {"time": 1735689600.25, "type": "json", "data": {"as": "it came"}}
    {"time": 1735689600.5, "type": "text", "data": "a text that is no JSON"}
    {"time": 1735689601, "type": "binary", "data": "base64"}
    {"time": 1735689602, "type": "close", "code": 1000, "reason": ""}      (1005: no code; 1006: no Close at all)

exit status:
  0    closed with 1000, 1001 or no code, or -n messages have come
  1    there is no connection, it was lost, was closed with another code, or (in pipes) ended before -n messages had
       come; why is one line on stderr (at a terminal, of an end: the last line)
  2    the command can't be meant; stdin is not what was said
  130  ended by Ctrl-C, unless that closed it in order at a terminal

examples:
  actorws connect wss://example.org/chat -H 'Authorization: Bearer abc' --subprotocol chat.v2
  echo hello | actorws connect :8000 -n 1
  actorws connect :8000/feed --json --wait inf </dev/null | jq .data
"""


@frozen
class Asked:
    """What was asked for, to be connected to."""

    url: str
    options: dict[str, Any]
    """Arguments of ``actorws.connect``."""
    count: int | None
    """Messages after which it ends."""
    wait: float | None
    """Seconds without a message, after the end of stdin."""
    as_json: bool
    as_binary: bool
    verbose: bool
    color: bool


def add_connect(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to those that there are."""
    connect = commands.add_parser(
        "connect",
        usage="actorws connect URL [-n N] [--json | --binary] [-H 'NAME: VALUE'] [OPTION ...]",
        help="connect to a WebSocket server, to type to it or in pipes",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    connect.set_defaults(asked=connecting)
    connect.add_argument("url", metavar="URL", help="such as wss://example.org/chat, localhost:8000/chat or :8000/chat")
    _add_messages(connect)
    _add_handshake(connect)
    _add_way(connect)


def _add_messages(connect: argparse.ArgumentParser) -> None:
    add = connect.add_argument_group("messages").add_argument
    add("-n", dest="count", metavar="N", type=_count, help="end after N messages have come; 0: send all, and close")
    add(
        "--wait",
        metavar="SECONDS",
        type=_wait,
        help="in pipes, after the end of stdin: end when nothing has come for so long (default 1; with -n: inf)",
    )
    add(
        "--json", action="store_true", help="send JSON only; show what comes indented (in pipes: as objects, see below)"
    )
    add(
        "--binary",
        action="store_true",
        help="send binary messages; in pipes: stdin as it comes, and no line ends in stdout",
    )
    add(
        "-v",
        "--verbose",
        action="store_true",
        help="show headers, pings and pongs (in pipes, on stderr: headers and the end)",
    )
    add("--no-color", action="store_true", help="no colours; the variable NO_COLOR says the same")


def _add_handshake(connect: argparse.ArgumentParser) -> None:
    add = connect.add_argument_group("the handshake").add_argument
    add(
        "-H",
        "--header",
        metavar="'NAME: VALUE'",
        action="append",
        default=[],
        help="send this header, too; several times if needed",
    )
    add("--subprotocol", metavar="NAME", action="append", default=[], help="offer it; several times, the best first")
    add("--origin", help="the header Origin, such as https://example.org")
    add("--compress", action="store_true", help="offer permessage-deflate")
    add(
        "--connect-timeout",
        metavar="SECONDS",
        type=_seconds,
        default=10.0,
        help="for the connection, and as long again for the handshake (default 10)",
    )
    add(
        "--ping-interval",
        metavar="SECONDS",
        type=_interval,
        help="ping the server after such a silence (default 40; 0: never); it has half as long to answer",
    )


def _add_way(connect: argparse.ArgumentParser) -> None:
    add = connect.add_argument_group("the way there").add_argument
    add("--proxy", metavar="URL", help="go through it; none: not even through the one that the environment names")
    add("--ca", metavar="FILE", help="trust these certificates (PEM), instead of those that the system trusts")
    add("--insecure", action="store_true", help="trust any certificate, for any name: whoever answers can read all")
    add("--cert", metavar="FILE", help="our own certificate (PEM), for a server that asks for one")
    add("--key", metavar="FILE", help="its private key, if it is not in the same file")


def connecting(given: argparse.Namespace) -> Asked:
    """What was asked for by what was given. Raises ``ConfigError``."""
    if given.json and given.binary:
        raise ConfigError("--json and --binary can't be had together: JSON is text")
    options: dict[str, Any] = {
        "headers": _headers(given.header, given.origin),
        "subprotocols": given.subprotocol,
        "compression": given.compress,
        "connect_timeout": given.connect_timeout,
        "handshake_timeout": given.connect_timeout,
        "tls": _tls(given),
        # Nobody else is hurt by a message that is larger than servers let in.
        "max_message_size": 64 * 1024 * 1024,
        **_keepalive(given.ping_interval),
    }
    if given.proxy is not None:
        options["proxy"] = None if given.proxy == "none" else given.proxy
    return Asked(
        url=url_of(given.url),
        options=options,
        count=given.count,
        wait=given.wait,
        as_json=given.json,
        as_binary=given.binary,
        verbose=given.verbose,
        color=not given.no_color and not os.environ.get("NO_COLOR"),
    )


def url_of(text: str) -> str:
    """The URL that was meant: what people leave out is put in, but not judged."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|(wss?|https?):/|(ws\+)?unix:", text) or not text:
        return text
    rest = f"localhost{text}" if text.startswith(":") else text
    try:
        is_secure = urlsplit(f"//{rest}").port == 443
    except ValueError:
        is_secure = False
    return f"{'wss' if is_secure else 'ws'}://{rest}"


def _headers(lines: Sequence[str], origin: str | None) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ConfigError(f"--header expects 'Name: value', not {line!r}")
        headers.setdefault(name.strip(), []).append(value.strip())
    if origin is not None:
        headers["Origin"] = [origin]
    return headers


def _tls(given: argparse.Namespace) -> ssl.SSLContext | None:
    """The context, unless it is the usual one."""
    if given.ca is None and given.cert is None and given.key is None and not given.insecure:
        return None
    if given.ca is not None and given.insecure:
        raise ConfigError("--ca and --insecure can't be had together: whom to trust, if anybody is trusted?")
    return trusting(given.ca, given.cert, given.key, anybody=given.insecure)


def _keepalive(interval: float | None) -> dict[str, Any]:
    """As options: the ping goes out a margin before the end."""
    if interval is None:
        return {}
    if not interval:
        return {"idle_timeout": None, "send_pings": False}
    return {"idle_timeout": interval * 1.5, "ping_margin": interval * 0.5}


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    return number


def _seconds(text: str) -> float:
    if not 0.001 <= _number(text) <= 86400:
        raise argparse.ArgumentTypeError(f"expected 0.001 to 86400 seconds, not {text!r}")
    return float(text)


def _interval(text: str) -> float:
    if _number(text) != 0 and not 0.01 <= _number(text) <= 86400:
        raise argparse.ArgumentTypeError(f"expected 0.01 to 86400 seconds, or 0, not {text!r}")
    return float(text)


def _wait(text: str) -> float:
    if not _number(text) >= 0:
        raise argparse.ArgumentTypeError(f"expected seconds, at least 0, or inf, not {text!r}")
    return float(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise argparse.ArgumentTypeError(f"expected a number of messages, at least 0, not {text!r}")
    return int(text)
