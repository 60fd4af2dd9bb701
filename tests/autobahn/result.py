"""What the suite says of a case.

Rule owned here: the suite's words for how a case went; any other word that it might say is kept as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["FAILED", "INFORMATIONAL", "NON_STRICT", "OK", "UNIMPLEMENTED", "Result", "read_results"]

OK = "OK"
#: Allowed, though not what RFC 6455 recommends.
NON_STRICT = "NON-STRICT"
#: The RFC leaves it open.
INFORMATIONAL = "INFORMATIONAL"
FAILED = "FAILED"
#: The extension was not agreed to.
UNIMPLEMENTED = "UNIMPLEMENTED"


@frozen
class Result:
    """One case that came to its end."""

    case: str
    behavior: str = OK
    """How the connection behaved, up to its closing."""
    close: str = OK
    """How it was closed: also WRONG CODE, UNCLEAN, FAILED BY CLIENT."""
    why: str = ""
    why_close: str = ""
    code: int | None = None
    """The close code that came, if one did."""
    seconds: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether there is nothing to be said about it."""
        return self.behavior == self.close == OK

    def __str__(self) -> str:
        behavior = self.behavior + (f" ({self.why})" if self.behavior != OK else "")
        close = f"; close {self.close} ({self.why_close}; code {self.code})" if self.close != OK else ""
        return f"{self.case} {behavior}{close}"


def read_results(file: Path) -> list[Result]:
    """The results in a file that the driver wrote, whole or not. No file: none."""
    if not file.exists():
        return []
    # The last line has no end where the driver was killed while it wrote.
    whole = file.read_text().rpartition("\n")[0]
    return [_result(json.loads(line)) for line in whole.splitlines()]


def _result(fields: dict[str, Any]) -> Result:
    return Result(
        case=fields["id"],
        behavior=fields["behavior"],
        close=fields["behaviorClose"],
        why=fields["result"],
        why_close=fields["resultClose"],
        code=fields["remoteCloseCode"],
        seconds=fields["duration"] / 1000,
    )
