"""The C programs are built when they are needed, and say in a line why they can't be."""

from __future__ import annotations

import os
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.compiler import build
from benchmarks.load import generator

SECONDS = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "seven"
    folder.mkdir()
    (folder / "main.c").write_text('#include "seven.h"\nint main(void) { return SEVEN; }\n')
    (folder / "seven.h").write_text("#define SEVEN 7\n")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def status(program: Path) -> int:
    return subprocess.run([program], timeout=SECONDS).returncode


def test_a_program_is_built_once_from_all_files_of_its_folder(folder: Path, cache: Path) -> None:
    program = build(folder, cache)
    assert program.name == "seven" and status(program) == 7
    before = program.stat().st_ino
    assert build(folder, cache).stat().st_ino == before


def test_a_program_is_built_again_when_one_of_its_files_has_changed(folder: Path, cache: Path) -> None:
    built = build(folder, cache).stat().st_mtime
    (folder / "seven.h").write_text("#define SEVEN 8\n")
    os.utime(folder / "seven.h", (built + 10, built + 10))
    assert status(build(folder, cache)) == 8


def test_runs_that_build_at_once_all_get_a_whole_program(folder: Path, cache: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        programs = list(threads.map(lambda _: build(folder, cache), range(4)))
    assert [status(program) for program in programs] == [7] * 4
    assert list(programs[0].parent.iterdir()) == [programs[0]], "nothing else is left behind"


@pytest.mark.parametrize("variable", [{"PATH": "", "CC": ""}, {"CC": "actorws-no-such-compiler -O3"}])
def test_no_compiler_is_one_line_that_says_what_to_install(
    folder: Path, cache: Path, variable: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OSError, match=r"^seven can't be built from .+ no C compiler '.+apt-get install gcc.+\Z"):
        build(folder, cache)


def test_a_file_that_is_wrong_is_one_line_with_the_first_error(folder: Path, cache: Path) -> None:
    (folder / "main.c").write_text('#include "nowhere.h"\nint main(void) { return; }\n')
    with pytest.raises(OSError, match=r"^seven can't be built .+nowhere\.h: No such file or directory\Z"):
        build(folder, cache)


def test_a_build_that_fails_leaves_the_program_as_it_was(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(folder, cache).stat().st_mtime
    os.utime(folder / "main.c", (built + 10, built + 10))
    compiler = folder / "compiler"
    compiler.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done; echo half >"$2"; exit 3\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(OSError, match=r"compiler ended with status 3: it said nothing\Z"):
        build(folder, cache)
    assert status(cache / "programs" / "seven") == 7


def test_cc_may_have_options(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "main.c").write_text("int main(void) { return NINE; }\n")
    monkeypatch.setenv("CC", "cc -DNINE=9")
    assert status(build(folder, cache)) == 9


PERCENTILES = """
#include <stdio.h>
#include "histogram.h"
static struct histogram all;
int main(void) {
    unsigned long long value;
    while (scanf("%llu", &value) == 1) histogram_add(&all, value);
    printf("%f %f %f %f\\n", histogram_at(&all, 0), histogram_at(&all, 0.5), histogram_at(&all, 0.99),
           (double)all.greatest);
}
"""


@pytest.mark.parametrize("most", [100, 10_000, 10**9, 2**64 - 1])
def test_percentiles_of_the_load_are_those_of_the_values(
    folder: Path, cache: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.c").write_text(PERCENTILES)
    monkeypatch.setenv("CC", f"cc -I{generator.SOURCES}")
    chance = random.Random(most)
    values = [*sorted(int(most ** chance.random()) for _ in range(2000)), most]
    text = "\n".join(map(str, values))
    out = subprocess.run([build(folder, cache)], input=text, capture_output=True, text=True, timeout=SECONDS).stdout
    exact = [values[0], values[1000], values[1980], most]
    assert list(map(float, out.split())) == pytest.approx(exact, rel=0.004)
