"""Contenders, loads and programs for tests of the benchmarks' run: as small as a script, they do as they are told.

A server tells each connection which core it is on, its process id and how many connections it has had; a load hands
that on as figures. So a test sees from the figures alone who was asked when, and where.
"""

from __future__ import annotations

import sys
from typing import Any

from attrs import frozen

from benchmarks.question import Case, Program, Question

__all__ = ["DEAF", "SERVER", "Scripted", "program", "question", "server"]

#: Serves until somebody says "die" to it; "burn" takes it 0.2 s of CPU time, "linger" as much after it has answered.
SERVER = """
import json, os, socket, sys, threading, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
lingers = threading.Thread(target=burn, args=(0.2,))
about = dict(server_core=min(os.sched_getaffinity(0)), server_pid=os.getpid(), served=0)
listener = socket.create_server(("127.0.0.1", int(sys.argv[-1])))
while True:
    connection, _ = listener.accept()
    about["served"] += 1
    about["lingers"] = int(lingers.is_alive())
    try:
        connection.sendall(json.dumps(about).encode() + b"\\n")
        word = connection.recv(100)
        if word == b"die":
            print("first line", flush=True)
            sys.exit("it said die")
        if word == b"burn":
            burn(0.2)
            connection.sendall(b"done")
        if word == b"linger":
            lingers.start()
            connection.sendall(b"done")
    except OSError:
        pass
    connection.close()
"""
#: Neither listens nor ends.
DEAF = "import time; time.sleep(600)"

#: Ends with its connection. What a test adds is done when the connections are open.
_LOAD = """
import json, os, socket, sys, time
port, seconds = int(sys.argv[1]), float(sys.argv[2])
connection = socket.create_connection(("127.0.0.1", port))
found = json.loads(connection.makefile().readline())
found |= {"load_core": min(os.sched_getaffinity(0)), "at": time.monotonic(), "asked": seconds}
found |= {"messages": 10, "seconds": 0.5, "cpu": 0.1, "note": "not a figure"}
print(json.dumps({"opened": 4, "open_seconds": 0.1}), flush=True)
input()
"""


def server(script: str = SERVER) -> list[str]:
    """What starts a contender."""
    return [sys.executable, "-c", script]


@frozen
class Scripted:
    """A load; ``more`` is what it does when it was told to go on, and ``found`` what it prints then."""

    more: str = ""

    def command(self, port: int, seconds: float) -> list[str]:
        return [sys.executable, "-c", f"{_LOAD}\n{self.more}\nprint(json.dumps(found))", str(port), str(seconds)]


def program(**scripts: str) -> Program:
    """A variant for each script, which has ``figures`` to fill."""
    return Program(
        {
            name: ("{ours}", "-c", f"import json, os, time\nfigures = dict()\n{script}\nprint(json.dumps(figures))")
            for name, script in scripts.items()
        }
    )


def question(*cases: Case, name: str = "life", **more: Any) -> Question:
    """One that asks ``cases``."""
    return Question(name=name, title="What is life", text="It is asked.", cases=cases, **more)
