"""The protocol: bytes of a peer in, decisions and bytes for the peer out.

Rule owned here: everything is synchronous and knows neither sockets nor time. Must not know trio, actors or routes.
"""
