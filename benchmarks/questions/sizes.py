"""Sizes: echo of small and of large messages.

Rule owned here: four connections, so that a megabyte on each still fits in what the kernel keeps.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Promise, Question

KIB = 1024


def _echo(name: str, size: int, *, in_quick: bool = False, promises: tuple[Promise, ...] = ()) -> Case:
    return Case(name, Load("echo", 4, size=size), at=size, in_quick=in_quick, promises=promises)


QUESTION = Question(
    name="sizes",
    title="Echo of messages from 32 B to 1 MiB",
    text="Four clients send a binary message and wait until it is back. Small ones cost what a message costs; of large "
    "ones every byte is read, unmasked, copied and written.",
    axis="bytes of a message",
    cases=(
        _echo("32 B", 32),
        _echo("256 B", 256),
        _echo("4 KiB", 4 * KIB),
        _echo("64 KiB", 64 * KIB),
        _echo("256 KiB", 256 * KIB, in_quick=True, promises=(Promise("picows", 1.0),)),
        _echo("1 MiB", KIB * KIB),
    ),
)
