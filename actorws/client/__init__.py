"""Outbound connections: how a server is reached, and actors that live behind such connections and come back.

The rule owned here: ``open_websocket`` either gives a connection on which the next byte is a frame's, or raises one
``ConnectError`` within its deadlines, and leaves nothing open. Must not know the runtime's other end, servers.
"""
