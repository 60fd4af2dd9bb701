"""Escapes: what a stranger sent, fit to be seen at a terminal.

Rule owned here: nothing that came over the wire acts on the terminal that shows it, or reorders what stands around it.
Must not know what is shown, nor where.
"""

from __future__ import annotations

import re

__all__ = ["parted", "visible"]

#: Control characters (C0, DEL, C1) but for tab and newline, line separators, what changes the direction of text (with
#: which a text can look like another one), what has no glyph at all, and halves of surrogate pairs.
_UNSEEN = re.compile(
    "([\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff])"
)


def parted(text: str) -> list[str]:
    """``text`` in parts: every second one, from the second on, is the escape of one character, such as ``\\x1b``."""
    parts = _UNSEEN.split(text)
    parts[1::2] = [_escaped(character) for character in parts[1::2]]
    return parts


def visible(text: str) -> str:
    """``text`` with escapes for what can't be seen; newlines and tabs are left as they are."""
    return "".join(parted(text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
