"""Client: an echo over one of the clients of ``benchmarks.client``, with its server.

    python -m benchmarks.programs.client VARIANT WINDOW SECONDS

WINDOW texts are in flight. The figure is the client's CPU time per message; client and server have processes of their
own.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import client

SERVE = [sys.executable, "-m", "actorws", "serve", "benchmarks.client:Echo", "--port", "0"]
#: Seconds for the server to listen, which takes it 0.4, and to end.
PATIENCE = 30.0


@contextmanager
def echo_server() -> Iterator[int]:
    """Its port. Raises ``OSError`` if it doesn't listen."""
    server = subprocess.Popen(SERVE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        ready, _, _ = select.select([server.stdout], [], [], PATIENCE)
        line = server.stdout.readline() if ready else ""
        if not line.startswith("listening on "):
            raise OSError(f"the server doesn't listen, it said {line!r}: {' '.join(SERVE)}")
        yield int(line.rpartition(":")[2])
    finally:
        server.terminate()
        try:
            server.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.communicate()


def main(argv: list[str]) -> int:
    """The command. Returns the exit status."""
    try:
        variant, window, seconds = argv
        if variant not in client.CLIENTS:
            raise ValueError
        asked = int(window), float(seconds)
    except ValueError:
        known = ", ".join(client.CLIENTS)
        print(f"expected VARIANT WINDOW SECONDS, not {' '.join(argv)!r}. Variants: {known}", file=sys.stderr)
        return 2
    try:
        with echo_server() as port:
            print(json.dumps({"us": client.measure(variant, port, *asked)}))
    except (OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
