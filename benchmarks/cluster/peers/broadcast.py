"""broadcaster: a message to a channel, through its Redis backend.

python -m benchmarks.cluster.peers.broadcast URL
"""

from __future__ import annotations

import sys

from broadcaster import Broadcast  # type: ignore[import-not-found]

from benchmarks.cluster.ledger import as_bytes, as_text
from benchmarks.cluster.peers.peer import Peer, run


class Broadcaster(Peer):
    """One process."""

    async def open(self) -> None:
        self.broadcast = Broadcast(self.url)
        await self.broadcast.connect()

    async def join(self, group: str) -> None:
        self.start(self.consume(group))

    async def consume(self, group: str) -> None:
        async with self.broadcast.subscribe(channel=group) as subscriber:
            async for event in subscriber:
                self.ledger.take(as_bytes(event.message))

    async def publish(self, group: str, data: bytes) -> None:
        await self.broadcast.publish(channel=group, message=as_text(data))


if __name__ == "__main__":
    run(lambda: Broadcaster(sys.argv[1]))
