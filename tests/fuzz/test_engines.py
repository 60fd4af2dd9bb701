"""What ``make fuzz`` prints and returns, with a fault planted or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import __main__ as command
from tests.fuzz import engines
from tests.fuzz.under_hypothesis import search

STATISTICS = "#7\tDONE   cov: 12 ft: 34 corp: 5/100b\nstat::number_of_executed_units: 7\n"


def test_hypothesis_finds_a_fault_and_shrinks_it() -> None:
    def target(data: bytes) -> None:
        assert 0x81 not in data[3:]

    runs, failing = search(target, [b"Hello, here I am", b""], 60)
    assert failing is not None and 0x81 in failing[3:] and len(failing) <= 100
    assert runs > 1


def test_hypothesis_stops_when_the_time_is_up() -> None:
    runs, failing = search(lambda data: None, [b"Hello"], 0.2)
    assert runs > 1 and failing is None


def test_a_real_turn_tells_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["encoder", "--engine", "hypothesis", "--seconds", "1", "--folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "encoder" in printed and " runs, " in printed and printed.endswith("nothing found\n")


def test_what_is_found_is_a_file_and_a_command_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(arguments: list[str], seconds: int) -> tuple[int, str]:
        assert arguments[:2] == ["tests.fuzz.under_atheris", "decoder"] and "-max_total_time=3" in arguments
        (tmp_path / "decoder" / "crash-1").write_bytes(b"\x81")
        return 77, STATISTICS + "\n === Uncaught Python exception: ===\nAssertionError: no\n"

    monkeypatch.setattr(engines, "_run", run)
    assert command.main(["decoder", "--engine", "atheris", "--seconds", "3", "--folder", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "7 runs, 12 edges, 34 features reached by 5 inputs" in printed and "AssertionError: no" in printed
    again = next(line for line in printed.splitlines() if line.startswith("again: "))
    assert again.endswith(f" -m tests.fuzz decoder --input {tmp_path / 'decoder' / 'crash-1'}")
    assert command.main(again.split()[4:]) == 0  # as nothing is wrong with it


def test_an_engine_that_fails_by_itself_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_run", lambda arguments, seconds: (1, "no module named atheris"))
    with pytest.raises(RuntimeError, match="no module named atheris"):
        engines.fuzz("atheris", "head", 3, tmp_path)


def test_an_unknown_target_is_told_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        command.main(["decodr"])
    assert exit.value.code == 2 and "decodr" in capsys.readouterr().err
