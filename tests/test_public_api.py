"""The public names, frozen: one that goes or is renamed breaks somebody's import."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import actorws

PACKAGE = Path(actorws.__file__).parent

SERVING = ["App", "Request", "Response", "Runtime", "Served", "asgi", "open_runtime", "run", "serve"]
CLIENT = ["Backoff", "Connection", "Connector", "connect"]
TRANSPORTS = ["Transport", "TransportRequest", "run_over"]
BEHAVIOUR = ["Accept", "Conn", "ReadyState", "Reject", "SendStatus", "Timer", "Websocket"]
FRAMES = ["Close", "CloseCode", "Frame", "Frames", "Ping", "Pong"]
REASONS = ["Error", "Expired", "Normal", "Overflow", "Reason", "Remote", "Replaced", "Shutdown", "Stop", "Timeout"]
REGISTRY = ["ActorRef", "Group", "Member", "Unique"]
OPTIONS = ["Coalesce"]
SESSIONS = ["CleanupPolicy", "DefaultCleanupPolicy", "MemoryCleanupPolicy", "PerUserCleanupPolicy"]
EXCEPTIONS = [
    "ActorwsError",
    "AppNotFound",
    "BehaviourError",
    "ConfigError",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionClosed",
    "ConnectionEnded",
    "HandshakeError",
    "InvalidReturn",
    "InvalidUrl",
    "NameTaken",
    "NotWebsocket",
    "PeerError",
    "ProtocolError",
    "ProxyFailed",
    "Rejected",
    "TlsFailed",
    "Unreachable",
    "UsageError",
]
PUBLIC = sorted(
    SERVING + CLIENT + TRANSPORTS + BEHAVIOUR + FRAMES + REASONS + REGISTRY + OPTIONS + SESSIONS + EXCEPTIONS
)
#: Types made of other types can't have a docstring of their own.
ALIASES = {"Frame", "Frames", "Reason"}


def test_the_public_names_are_exactly_these() -> None:
    assert sorted(actorws.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(actorws, name)
    assert name in ALIASES or (inspect.getdoc(value) or "").strip()


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - ALIASES))
def test_each_public_method_and_attribute_says_what_it_does(name: str) -> None:
    value = getattr(actorws, name)
    if not isinstance(value, type):
        return
    for member_name, member in vars(value).items():
        if member_name[0] != "_" and (callable(member) or isinstance(member, property | classmethod | staticmethod)):
            assert (inspect.getdoc(member) or "").strip(), f"{name}.{member_name}"


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - ALIASES))
def test_each_public_name_shows_up_as_its_own_and_not_as_an_implementation_detail(name: str) -> None:
    """In tracebacks and reprs: the name that is imported is the name that is seen."""
    assert getattr(actorws, name).__name__ == name


def test_the_docstring_of_the_package_is_a_map_of_its_folders() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {folder for folder in folders if f"``{folder}``" not in (actorws.__doc__ or "")} == set()


MODULES = [module.name for module in pkgutil.walk_packages(actorws.__path__, "actorws.")]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_what_a_module_exports_is_there_and_named_once(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert len(exported) == len(set(exported))
    assert [name for name in exported if not hasattr(module, name)] == []


def test_the_package_is_typed_for_those_who_import_it() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_a_star_import_brings_the_public_names_and_nothing_else() -> None:
    code = "before = set(dir()); from actorws import *; print(*sorted(set(dir()) - before - {'before'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, timeout=60)
    assert done.stdout.split() == PUBLIC
