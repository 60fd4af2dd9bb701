"""JSON for the eye: indented and told apart by kind, every character of its values as it came.

Rule owned here: it is judged by the standard library's parser, and shown from its own text: no number is rounded, no
key dropped. Must not know colours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import NoReturn

__all__ = ["indented", "on_one_line", "why_no_json"]

INDENT = "  "
#: A string, a number or a word, or one of the six signs; between them there is only whitespace.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s\[\]{},:"]+|[\[\]{},:]')


def why_no_json(text: str) -> tuple[str, int] | None:
    """Why ``text`` isn't JSON (RFC 8259), and at which character; ``None`` if it is."""
    try:
        # Numbers are only looked at: a long one takes long to make.
        json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        return error.msg[:1].lower() + error.msg[1:], error.pos
    except RecursionError:
        return "it is nested too deeply", 0
    except ValueError as error:
        return str(error), 0
    return None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def on_one_line(text: str) -> str:
    """JSON without its line breaks, none of which stand in a string."""
    return text.replace("\r", " ").replace("\n", " ")


def indented(text: str) -> Iterator[tuple[str, str]]:
    """What is shown of JSON: pairs of kind (``key``, ``string``, ``number``, ``word``, ``sign``) and text."""
    depth = 0
    previous = ""
    # One after the other: only the beginning may be wanted.
    for token, following in pairwise(chain((found[0] for found in _TOKEN.finditer(text)), [""])):
        if token in ("{", "["):
            is_empty = following in ("}", "]")
            depth += not is_empty
            yield "sign", token if is_empty else token + _line(depth)
        elif token in ("}", "]"):
            is_empty = previous in ("{", "[")
            depth -= not is_empty
            yield "sign", token if is_empty else _line(depth) + token
        elif token in (",", ":"):
            yield "sign", ": " if token == ":" else token + _line(depth)
        else:
            yield _kind(token, following), token
        previous = token


def _line(depth: int) -> str:
    return "\n" + INDENT * depth


def _kind(token: str, following: str) -> str:
    if token[0] == '"':
        return "key" if following == ":" else "string"
    return "word" if token[0].isalpha() else "number"
