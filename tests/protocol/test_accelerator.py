"""Whether the C code is used: where it is there, unless the environment says otherwise."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actorws.protocol import accelerator
from tests.support.speedups import the_c_code

PROJECT = Path(accelerator.__file__).parent.parent.parent

speedups = the_c_code()


def accelerator_anew():
    spec = importlib.util.spec_from_file_location("accelerator_anew", accelerator.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("value", "chosen"), [("", speedups), ("0", speedups), ("1", None), ("yes", None)])
def test_the_environment_chooses_the_python_code(monkeypatch, value, chosen):
    monkeypatch.setenv("ACTORWS_PURE_PYTHON", value)
    assert accelerator_anew().speedups is chosen


def test_without_the_compiled_module_there_is_the_python_code(monkeypatch):
    monkeypatch.delenv("ACTORWS_PURE_PYTHON", raising=False)
    monkeypatch.delattr("actorws.protocol._speedups")
    monkeypatch.setitem(sys.modules, "actorws.protocol._speedups", None)
    assert accelerator_anew().speedups is None


@pytest.mark.parametrize(("value", "printed"), [("0", "True False False\n"), ("1", "False True True\n")])
def test_what_is_chosen_is_what_codec_and_encoder_use(value, printed):
    program = """
from actorws.protocol import codec, encoder
print(codec.ACCELERATED, codec.parse is codec.parse_in_python, encoder.encode_one is encoder.encode_one_in_python)
"""
    environment = {**os.environ, "ACTORWS_PURE_PYTHON": value}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == (printed, "")
