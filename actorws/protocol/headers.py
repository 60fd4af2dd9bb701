"""Header fields on their way out.

Rule owned here: a header that is written is one line and nothing else, whatever its name or value was made from.
Must not know which headers there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

__all__ = ["header_lines", "is_token"]

#: RFC 9110 section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What may not stand in a field value (RFC 9110 section 5.5); CR, LF and NUL are how headers are injected.
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def is_token(text: str) -> bool:
    """Whether ``text`` is a token of RFC 9110 section 5.6.2."""
    return _TOKEN.fullmatch(text) is not None


def header_lines(headers: Mapping[str, str | Sequence[str]], refused: frozenset[str] = frozenset()) -> str:
    """``headers`` as they go over the wire; a value that is a sequence is one line each (``Set-Cookie``).

    Raises ``ValueError`` for a name that is no token or is in ``refused``, and for a value with CR, LF, NUL, another
    control character or anything outside latin-1: a header can't be made to end early.
    """
    lines = []
    for name, values in headers.items():
        if not is_token(name):
            raise ValueError(f"the header name {name!r} is not a token (RFC 9110 section 5.6.2)")
        if name.lower() in refused:
            raise ValueError(f"the header {name!r} is set by actorws and can't be given")
        for value in (values,) if isinstance(values, str) else values:
            if _BAD_VALUE.search(value) or max(value, default="") > "\xff":
                raise ValueError(f"the header {name!r} has a value that can't be sent: {value!r}")
            lines.append(f"{name}: {value}\r\n")
    return "".join(lines)
