"""Checks: what the value of an option may be.

Rule owned here: a bad value is an error that names the option, the value and what was expected. Must not know
any option.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from attrs import Attribute

from actorws.exceptions import ConfigError

__all__ = ["between", "boolean", "number", "optional_tuple", "string", "strings"]


def number(minimum: float, *, none: bool = False) -> Callable[[Any, Attribute[Any], Any], None]:
    """Checks a number; a whole one if the least it may be is one."""
    kinds = (int,) if isinstance(minimum, int) else (int, float)
    word = "a whole number" if isinstance(minimum, int) else "a number"

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if none and value is None:
            return
        if isinstance(value, bool) or not isinstance(value, kinds) or not minimum <= value < inf:
            expected = f"{word} of at least {minimum:g}" + (" or None" if none else "")
            raise ConfigError(f"{attribute.name} must be {expected}, not {value!r}")

    return check


def between(least: int, most: int) -> Callable[[Any, Attribute[Any], Any], None]:
    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ConfigError(f"{attribute.name} must be a whole number from {least} to {most}, not {value!r}")

    return check


def boolean(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{attribute.name} must be True or False, not {value!r}")


def strings(value: Iterable[str]) -> tuple[str, ...]:
    """Names in a tuple. Raises ``ConfigError`` for one string, whose letters nobody means."""
    if isinstance(value, str):
        raise ConfigError(f"expected several strings, such as ({value!r},), not {value!r}")
    return tuple(value)


def optional_tuple(value: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if value is None else strings(value)


def string(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"{attribute.name} must be a str, not {value!r}")
