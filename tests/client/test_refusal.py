"""Refusals: what of them is heeded. How each is answered stands in ``test_opening``."""

from __future__ import annotations

import pytest

from actorws.client.refusal import retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "9" * 5000}, 3600.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "\u00b2"}, None),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:29 GMT"}, 30.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Sat, 01 Jan 2000 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 2099 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:29 GMT"}, 3600.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 -0000", "date": "Fri, 31 Dec 1999 23:59:29 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 +" + "9" * 30, "date": "x"}, None),
    ],
)
def test_retry_after_is_heeded_within_reason(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
