"""``python -m tests.fuzz.under_atheris TARGET OPTIONS...``: libFuzzer, guided by what the package's code does.

Run by ``engines`` in a process of its own, which it never returns from. OPTIONS are libFuzzer's.
"""

from __future__ import annotations

import atexit
import signal
import sys

import atheris

# What is imported here is instrumented, so it must not be imported before. h11 is, because llhttp, being C, shows
# nothing of what it does; the slowest oracle isn't: it would fill the corpus with what matters to itself alone.
with atheris.instrument_imports(include=["actorws", "tests.fuzz", "h11"], exclude=["tests.fuzz.inflating"]):
    from tests.fuzz.targets import TARGETS


def _stop_clock() -> None:
    """libFuzzer's alarm for slow inputs would kill a process that is about to end, and what it found with it."""
    signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    name = sys.argv.pop(1)
    target = TARGETS[name]
    # To merge, libFuzzer starts itself anew, by a shell.
    sys.argv[0] = f"{sys.executable} -m tests.fuzz.under_atheris {name}"

    def run(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            _stop_clock()
            raise

    atexit.register(_stop_clock)
    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
