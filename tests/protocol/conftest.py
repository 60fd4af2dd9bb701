"""For everything that a decoder does: that it does it with either code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.speedups import LANGUAGES, coded_in, the_c_code


@pytest.fixture(scope="module", params=LANGUAGES)
def both_codes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs a module's tests with the Python code, then with the C code."""
    if request.param == "C":
        the_c_code()
    with coded_in(request.param):
        yield
