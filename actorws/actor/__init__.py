"""Actors: a behaviour's state and callbacks, run one message at a time.

``kind`` is a behaviour made ready for a route, ``actor`` one connection's state and callbacks, ``life`` how it ends,
``mailbox`` what waits while a callback runs (a ``bounded`` queue), ``runqueue`` the messages between actors,
``scheduler`` the end of a tick, ``workers`` the tasks that ``async def`` callbacks run in, ``timers`` the wheel,
``supervisor`` all actors with their limits and their end.
Knows transports only by the contract of ``transports.contract``; must not know about sockets.
"""
