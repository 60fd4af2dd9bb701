"""Transports: frames to what one kind of wire carries, and back.

``contract`` says what an actor needs of a transport and a transport of a driver; ``wire`` is the output side that
drivers share; ``websocket`` is the life of a WebSocket, ``keepalive`` its watch for silence. No socket and no trio in
these: bytes in, bytes out.

``custom`` is the contract for users who bring a connection of their own; ``adapter`` gives an actor what it needs on
top of that, and ``pump`` has the tasks that call it. ``memory`` and ``trio_websocket`` are two of that kind.
"""
