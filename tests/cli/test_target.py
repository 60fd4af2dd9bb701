"""What ``module:attribute`` leads to, and what is said where it leads nowhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actorws import App
from actorws.cli import main

# What is served


def test_an_attribute_may_be_inside_another(site: str, served: list[Any]) -> None:
    assert main(["serve", f"{site}:Nested.app"]) == 0
    assert isinstance(served[0][0], App)


def test_the_current_folder_is_looked_in_first(site: str, served: list[Any]) -> None:
    """As ``python -m`` does, so that the console script finds the project it is started in."""
    main(["serve", f"{site}:app"])
    assert sys.path[0] == os.getcwd()


# What is not: the target


@pytest.mark.parametrize("target", ["app", "", ":", ":app", "chat:", "a b:app", ".chat:app", "chat:app:x", "chat:1"])
def test_a_target_that_is_not_module_and_attribute_is_shown_with_an_example(
    folder: Path, fails: Callable[..., str], target: str
) -> None:
    assert fails("serve", target).startswith(f"expected module:attribute, such as examples.echo:app, not {target!r}")


@pytest.mark.parametrize("target", ["examples/echo.py:app", "./examples/echo.py:app", "examples/echo.py"])
def test_a_path_to_a_file_is_answered_with_its_module(folder: Path, fails: Callable[..., str], target: str) -> None:
    assert fails("serve", target).endswith("; did you mean examples.echo:app?")


def test_a_module_that_does_not_exist_is_named_with_the_folder_looked_in(
    folder: Path, fails: Callable[..., str]
) -> None:
    line = fails("serve", "nosuch.deep:app")
    assert line == f"there is no module 'nosuch' (looked in {folder} and on the Python path)"


def test_a_module_missing_from_a_package_is_named_in_full(folder: Path, fails: Callable[..., str]) -> None:
    (folder / "half").mkdir()
    assert fails("serve", "half.other:app").startswith("there is no module 'half.other' ")


def test_a_missing_attribute_is_answered_with_the_nearest_name_and_what_can_be_served(
    site: str, fails: Callable[..., str]
) -> None:
    assert fails("serve", f"{site}:ap") == (
        f"{site} has no 'ap'; did you mean 'app'?; in {site} there is Echo, Mute, app, instance"
    )


def test_a_missing_attribute_of_a_module_that_can_serve_nothing(folder: Path, fails: Callable[..., str]) -> None:
    (folder / "bare.py").write_text("from actorws import App, Websocket\n")
    assert fails("serve", "bare:main") == "bare has no 'main'; bare has neither an App nor a Websocket subclass"


@pytest.mark.parametrize(
    ("attribute", "what"),
    [
        ("number", "of type int"),
        ("Nested", "the class Nested"),
        ("App", "the class App"),
    ],
)
def test_an_attribute_of_another_kind_is_told_apart(
    site: str, fails: Callable[..., str], attribute: str, what: str
) -> None:
    assert fails("serve", f"{site}:{attribute}") == (
        f"{site}:{attribute} is {what}; expected an App or a Websocket subclass; "
        f"in {site} there is Echo, Mute, app, instance"
    )


@pytest.mark.parametrize("attribute", ["Mute", "Websocket"])
def test_a_behaviour_without_its_required_callback_is_one_line(
    site: str, fails: Callable[..., str], attribute: str
) -> None:
    line = fails("serve", f"{site}:{attribute}", "--port", "0")
    assert attribute in line and "handle_client_message" in line


# What is not: the user's own errors, which need their traceback


@pytest.mark.parametrize(
    ("source", "words", "line"),
    [
        ("import nosuch_library", "ModuleNotFoundError", "broken needs the module 'nosuch_library', which is not"),
        ("from actorws import nonsense", "ImportError", "importing broken failed with the ImportError above"),
        ("1 / 0", "ZeroDivisionError", "importing broken failed with the ZeroDivisionError above"),
        ("def f(:", "SyntaxError", "importing broken failed with the SyntaxError above"),
    ],
)
def test_a_module_that_fails_by_itself_shows_its_own_traceback_and_nothing_of_ours(
    folder: Path, capsys: pytest.CaptureFixture[str], source: str, words: str, line: str
) -> None:
    (folder / "broken.py").write_text(f"{source}\n")
    assert main(["serve", "broken:app"]) == 2
    out, err = capsys.readouterr()
    shown = err.splitlines()
    assert shown[-1].startswith(f"actorws: {line}")
    assert words in err and "broken.py" in err and source in err
    assert "target.py" not in err and "importlib" not in err
    assert out == ""
