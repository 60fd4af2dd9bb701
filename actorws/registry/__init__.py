"""The registry: unique names (one actor) and groups (many actors).

Rule owned here: a call takes effect at once and delivers nothing itself: what it sends goes into the runtime's one
FIFO, so what one sender sends to one receiver arrives in order, by name, by publish or by broadcast.
Must not know how an actor takes a message, nor how a frame is encoded.

``table``
    the two relations between names and actors, in both directions, and what is a good name
``unique``
    names that one actor has: register, send
``group``
    names that many actors share: join, publish, broadcast
``census``
    who is in a group, in all of the cluster
``broadcasts``
    what can be sent straight to clients, here and on other nodes
``refs``
    addresses of single actors
``courier``
    what all of them send with
``arrivals``
    what comes from other nodes
"""
