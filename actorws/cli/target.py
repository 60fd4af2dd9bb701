"""Target: what ``module:attribute`` leads to.

Rule owned here: the current folder is looked in first, as ``python -m`` does; whoever meant something else is told what
there is; what the module itself raises is shown with its traceback, from its own first line on. Must not know what is
done with the target.
"""

from __future__ import annotations

import difflib
import os
import sys
import traceback
from importlib import import_module
from types import ModuleType, TracebackType

from actorws.behaviour import Websocket
from actorws.exceptions import AppNotFound
from actorws.server.app import App

__all__ = ["load"]


def load(target: str) -> App | type[Websocket] | Websocket:
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
