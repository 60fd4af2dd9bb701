"""Drivers: the thin rim that moves bytes between sockets and receivers.

``poller`` serves plain TCP and Unix sockets, all of them in one task: ``socket_wire`` is one of them (``socket_input``
its reading half), ``readiness`` epoll or kqueue; ``crowd`` and ``allocator`` give memory back when many have left,
``reserve`` keeps some for when there is none. ``stream`` serves any ``trio.abc.Stream`` (TLS, memory streams in tests,
platforms without epoll or kqueue) with a task each. Both drive the same receivers.
"""
