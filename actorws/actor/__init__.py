"""Actors: a behaviour's state and callbacks, run one message at a time.

``kind`` is a behaviour made ready for a route, ``actor`` one connection's state and its life, ``mailbox`` what waits
while a callback runs, ``scheduler`` the tick and the run queue between actors, ``workers`` the tasks that ``async def``
callbacks run in, ``timers`` the wheel, ``supervisor`` all actors with their limits and their end.
Knows transports only by the contract of ``transports.contract``; must not know about sockets.
"""
