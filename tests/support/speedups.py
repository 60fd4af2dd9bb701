"""The codec's inner loop in either language, for tests that run on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final
from unittest.mock import patch

import pytest

from actorws.protocol import codec, encoder

try:
    # Not by ``accelerator``: the tests run on both, whatever the environment chooses for everybody else.
    from actorws.protocol import _speedups
except ImportError:
    _speedups = None

__all__ = ["ENCODERS", "LANGUAGES", "PARSERS", "coded_in", "the_c_code"]

#: What is here, by the language: the C code is missing where it could not be built.
PARSERS: Final[dict[str, Callable[..., int]]] = {"Python": codec.parse_in_python}
ENCODERS: Final[dict[str, Callable[[object, int], bytes | None]]] = {"Python": encoder.encode_one_in_python}
if _speedups is not None:
    PARSERS["C"] = _speedups.parse
    ENCODERS["C"] = _speedups.encode_one

LANGUAGES: Final = ("Python", "C")


def the_c_code() -> ModuleType:
    """The module; skips the test where there is none, which in CI is a failure."""
    if _speedups is None:
        why = "the C code was not built: it takes a compiler and Python.h, then `pip install --editable .`"
        pytest.skip(why, allow_module_level=True)
    return _speedups


@contextmanager
def coded_in(language: str) -> Iterator[None]:
    """Decoders use the code in this language meanwhile."""
    with patch.object(codec, "parse", PARSERS[language]):
        yield
