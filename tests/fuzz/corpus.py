"""The kept inputs: ``corpus/TARGET/``, files named by the SHA-1 of what is in them, as libFuzzer names them.

Rule owned here: where they are and what they are called. They are few and small: for each way through the code that
was found, the smallest input that goes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["CORPUS", "DICTIONARIES", "kept", "save"]

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
#: Words that libFuzzer puts into inputs, ``TARGET.dict``.
DICTIONARIES = HERE / "dictionaries"


def kept(target: str) -> list[Path]:
    """The files of a target."""
    return sorted((CORPUS / target).glob("*"))


def save(folder: Path, inputs: Iterable[bytes]) -> list[Path]:
    """Put inputs into a folder, each into a file of its name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for data in inputs:
        path = folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()
        path.write_bytes(data)
        paths.append(path)
    return paths
