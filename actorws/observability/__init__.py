"""Observability: subscribers that turn events into what people and machines watch.

Rule owned here: everything is learnt from ``actorws.events`` alone, and a subscriber never raises, never
blocks and never grows. Must not reach into actors or transports.
"""
