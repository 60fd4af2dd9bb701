"""Transports: frames to what one kind of wire carries, and back.

``contract`` says what an actor needs of a transport and a transport of a driver; ``wire`` is the output side that
drivers share; ``websocket`` is the life of a WebSocket, ``keepalive`` its watch for silence. No socket and no trio in
here: bytes in, bytes out.
"""
