"""Rates: a client that sends more in a second than its route allows is slowed down, or closed.

Rules owned here: what came is counted when it was read, and handed on; a client in debt isn't read from until the debt
is paid (TCP pushes back), so nothing is lost and the order stays. A route without rates costs nothing: there a wire's
receiver is the transport itself. Must not know sockets or clocks: who makes a meter gives it the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from actorws.config import Limits
from actorws.conn import ReadyState
from actorws.events import RateLimited
from actorws.frames import Close, CloseCode, Ping, Pong
from actorws.protocol.codec import Decoder, Received
from actorws.reasons import Overflow
from actorws.transports.contract import Receiver
from actorws.transports.wire import RATE

if TYPE_CHECKING:
    from actorws.protocol.codec import DecoderRules
    from actorws.protocol.payload import Message
    from actorws.transports.websocket import WebsocketTransport

__all__ = ["LEAST", "CountingDecoder", "Metered", "TokenBucket"]

#: Seconds of the shortest wait for tokens: to be woken for each of them would cost more than what they stand for.
LEAST = 0.05


class TokenBucket:
    """Tokens that come at a rate; who takes more than there are is in debt until that many have come."""

    __slots__ = ("_at", "_most", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """``rate`` in tokens a second; ``burst`` in seconds: how much of it is saved up (one token at least)."""
        self._rate = rate
        self._tokens = self._most = max(rate * burst, 1.0)
        self._at = now

    def take(self, count: int, now: float) -> float:
        """Take ``count`` tokens, there or not; seconds until the debt is paid, 0.0 if there is none.

        ``now`` is the time in seconds of a clock that never goes back. A wait is ``LEAST`` seconds at least.
        """
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self._most) - count
        self._at = now
        return max(-self._tokens / self._rate, LEAST) if self._tokens < 0 else 0.0


class CountingDecoder(Decoder):
    """A decoder that counts the frames that came, since it was made."""

    __slots__ = ("control_frames", "frames")

    def __init__(self, rules: DecoderRules) -> None:
        super().__init__(rules)
        #: Of all kinds, each fragment by itself.
        self.frames = 0
        self.control_frames = 0

    def receive(self, data: bytes) -> list[Received]:
        return self._counted(super().receive(data))

    def filled(self, size: int) -> list[Received]:
        return self._counted(super().filled(size))

    def _counted(self, received: list[Received]) -> list[Received]:
        self.frames += len(received)
        if self.attention:
            self.control_frames += sum(type(item) in (Ping, Pong) for item in received)
        return received

    def _add(
        self, message: Message, fin: int, payload: bytes, received: list[Received], *, checked: bool = False
    ) -> None:
        if not fin:
            # The others complete a message, which is counted.
            self.frames += 1
        super()._add(message, fin, payload, received, checked=checked)


class Metered(Receiver):
    """Stands between a wire and a transport, and meters what comes. Its deadline is the end of a throttle."""

    __slots__ = ("_buckets", "_clock", "_decoder", "_policy", "_transport")

    def __init__(self, transport: WebsocketTransport, limits: Limits, clock: Callable[[], float]) -> None:
        assert isinstance(transport.decoder, CountingDecoder)
        self._transport = transport
        self._decoder = transport.decoder
        self._policy = limits.rate_policy
        self._clock = clock
        now = clock()
        self._buckets = [
            (option, None if rate is None else TokenBucket(rate, limits.rate_burst, now))
            for option, rate in (
                ("max_bytes_per_second", limits.max_bytes_per_second),
                ("max_frames_per_second", limits.max_frames_per_second),
                ("max_control_frames_per_second", limits.max_control_frames_per_second),
            )
        ]

    @property
    def gathering(self) -> bool:  # type: ignore[override]
        return self._transport.gathering

    def receive(self, data: bytes) -> bool:
        frames, control_frames = self._decoder.frames, self._decoder.control_frames
        more = self._transport.receive(data)
        self._charge(len(data), self._decoder.frames - frames, self._decoder.control_frames - control_frames)
        return more

    def room(self) -> memoryview:
        return self._transport.room()

    def filled(self, size: int) -> bool:
        frames = self._decoder.frames
        more = self._transport.filled(size)
        self._charge(size, self._decoder.frames - frames, 0)
        return more

    def _charge(self, *counts: int) -> None:
        """Take the tokens for what came: bytes, frames and control frames."""
        transport = self._transport
        if transport.ready_state is not ReadyState.OPEN:
            # What else comes is dropped or is the answer to our Close, and ends with ``close_timeout``.
            return
        now = self._clock()
        longest, limit = 0.0, ""
        for (option, bucket), count in zip(self._buckets, counts, strict=True):
            if bucket is not None and (wait := bucket.take(count, now)) > longest:
                longest, limit = wait, option
        if not limit:
            return
        conn = transport.actor.conn
        conn.runtime.emit(RateLimited(conn, self._policy, limit))
        if self._policy == "close":
            transport.actor.stop(Overflow("rate"), Close(CloseCode.POLICY_VIOLATION, f"too fast: {limit}"))
        else:
            transport.wire.pause(RATE)
            conn.runtime.wheel.schedule(self, longest)

    def expire(self, now: float) -> None:
        """The debt is paid."""
        self._transport.wire.resume(RATE)

    def ended(self, error: OSError | None) -> None:
        self._transport.ended(error)

    def drained(self) -> None:
        self._transport.drained()

    def passed_mark(self, buffered: int) -> None:
        self._transport.passed_mark(buffered)

    def closed(self) -> None:
        self._transport.wire.runtime.wheel.cancel(self)
        self._transport.closed()
