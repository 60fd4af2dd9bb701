"""``python -m tests.fuzz.under_hypothesis TARGET SECONDS FOLDER``: mutations of the kept inputs, where atheris isn't.

Nothing guides it, but it shrinks what it finds. Run by ``engines`` in a process of its own; what it prints at the end
has libFuzzer's form.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import coverage
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import kept, save
from tests.fuzz.seeds import seeds

__all__ = ["mutations", "search"]

#: Examples of one run of hypothesis, which goes on for all of them when the time is up.
_BATCH = 200
#: Seconds that one input may take, bytes of memory in all.
_PATIENCE, _MEMORY = 10, 2 << 30
_NUMBERS = (0, 1, 125, 126, 127, 128, 0x81, 0x82, 0x88, 0x89, 254, 255)


@st.composite
def mutations(draw: st.DrawFn, inputs: Sequence[bytes]) -> bytes:
    """One of ``inputs`` with some bytes changed, put in, taken out or doubled, or with the end of another."""
    data = bytearray(draw(st.sampled_from(inputs)))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, max(len(data), 1) - 1))
        match draw(st.sampled_from(["change", "flip", "insert", "remove", "double", "cross"])):
            case "change" if data:
                data[at] = draw(st.sampled_from(_NUMBERS) | st.integers(0, 255))
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "remove":
                del data[at : at + draw(st.integers(1, 8))]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
            case "cross":
                other = draw(st.sampled_from(inputs))
                data[at:] = other[min(at, len(other)) :]
    return bytes(data)


def search(target: Callable[[bytes], None], inputs: Sequence[bytes], seconds: float) -> tuple[int, bytes | None]:
    """Run ``target`` on mutations of ``inputs``; how many were run, and the smallest found that it raises for."""
    until = time.monotonic() + seconds
    runs, failing, batch = 0, None, 0

    def check(data: bytes) -> None:
        nonlocal runs, failing
        if failing is None and time.monotonic() > until:
            return  # the rest of this batch takes no time
        runs += 1
        try:
            target(data)
        except BaseException:
            failing = data if failing is None or len(data) <= len(failing) else failing
            raise

    while failing is None and time.monotonic() < until:
        batch += 1
        run = given(mutations(inputs))(check)
        run = settings(
            max_examples=_BATCH,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )(run)
        try:
            seed(time.time_ns())(run)()
        except BaseException:
            if failing is None:
                raise
    return runs, failing


def _in_time(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        signal.alarm(_PATIENCE)
        try:
            target(data)
        finally:
            signal.alarm(0)

    return run


def _too_slow(signal_number: int, frame: object) -> None:
    raise TimeoutError(f"an input took more than {_PATIENCE} seconds")


def main(name: str, seconds: str, folder: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    signal.signal(signal.SIGALRM, _too_slow)
    measured = coverage.Coverage(include=["*/actorws/protocol/*"], data_file=None, config_file=False)
    measured.start()
    from tests.fuzz.targets import TARGETS  # now, to have its lines counted

    inputs = [*seeds(name), *(path.read_bytes() for path in kept(name))]
    runs, failing = search(_in_time(TARGETS[name]), inputs, float(seconds))
    measured.stop()
    data = measured.get_data()
    lines = sum(len(data.lines(file) or ()) for file in data.measured_files())
    print(f"#{runs}\tDONE   cov: {lines} ft: {lines} corp: {len(inputs)}")
    print(f"stat::number_of_executed_units: {runs}")
    if failing is not None:
        [path] = save(Path(folder) / "found", [failing])
        path.rename(Path(folder) / f"crash-{path.name}")
        signal.alarm(0)
        TARGETS[name](failing)  # for its traceback


if __name__ == "__main__":
    main(*sys.argv[1:])
