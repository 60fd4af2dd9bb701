"""Django Channels: a message to a group, received as a consumer does.

    python -m benchmarks.cluster.peers.django_channels list|pubsub URL

``list`` is ``RedisChannelLayer``, the default, which keeps messages in Redis until they are fetched; ``pubsub`` is
``RedisPubSubChannelLayer``. The capacity (default 100) is raised until nothing is dropped.
"""

from __future__ import annotations

import sys

from channels_redis.core import RedisChannelLayer  # type: ignore[import-not-found]
from channels_redis.pubsub import RedisPubSubChannelLayer  # type: ignore[import-not-found]

from benchmarks.cluster.peers.peer import Peer, run


class Channels(Peer):
    """One process with a channel layer."""

    channel = ""

    async def open(self) -> None:
        if sys.argv[1] == "list":
            self.layer = RedisChannelLayer(hosts=[self.url], capacity=10_000_000)
        else:
            self.layer = RedisPubSubChannelLayer(hosts=[self.url])

    async def join(self, group: str) -> None:
        if not self.channel:
            self.channel = await self.layer.new_channel()
            self.start(self.consume())
        await self.layer.group_add(group, self.channel)

    async def consume(self) -> None:
        while True:
            message = await self.layer.receive(self.channel)
            self.ledger.take(message["data"])

    async def publish(self, group: str, data: bytes) -> None:
        await self.layer.group_send(group, {"type": "message", "data": data})


if __name__ == "__main__":
    run(lambda: Channels(sys.argv[2]))
