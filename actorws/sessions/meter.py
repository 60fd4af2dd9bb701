"""Meter: how fast the messages of a client may come that it sends by POST.

Rule owned here: a POST is taken as a whole or not at all: one from a client in debt is not, and says when it will be.
Control frames are none of HTTP's, and the bytes are those of the body. Must not know who asks.
"""

from __future__ import annotations

from actorws.config import Limits
from actorws.transports.rates import TokenBucket

__all__ = ["Meter"]


class Meter:
    """One session's."""

    __slots__ = ("_buckets",)

    def __init__(self, limits: Limits, now: float) -> None:
        self._buckets = [
            (option, None if rate is None else TokenBucket(rate, limits.rate_burst, now))
            for option, rate in (
                ("max_frames_per_second", limits.max_frames_per_second),
                ("max_bytes_per_second", limits.max_bytes_per_second),
            )
        ]

    def take(self, messages: int, size: int, now: float) -> tuple[float, str]:
        """Take so much, there or not. Seconds until the debt is paid, 0.0 if there is none, and the option behind it.

        Nothing taken is a question.
        """
        longest, limit = 0.0, ""
        for (option, bucket), count in zip(self._buckets, (messages, size), strict=True):
            if bucket is not None and (wait := bucket.take(count, now)) > longest:
                longest, limit = wait, option
        return longest, limit
