"""``python -m actorws``: the same as the command ``actorws``.

Knows nothing but where the command line is.
"""

from __future__ import annotations

from actorws.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
