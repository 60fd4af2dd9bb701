"""Sessions: what lets an actor outlive its wire, and be reached by more than WebSockets.

A session stands between an actor and the wire of the moment. The actor sends to it and hears from it as from any
transport; wires come and go below. ``PROTOCOL.md`` in this folder says what goes over them.

==================  ==========================================================================================
module              concern
==================  ==========================================================================================
``control``         what both sides say beside messages, and how it is told from them
``outbox``          the messages for a client, numbered: sent and not acknowledged, or waiting
``carrier``         the contract of what carries a session for a while
``websocket_side``  a WebSocket as a carrier, as far as both sides do the same with it (the client's is in ``client/``)
``websocket``       a WebSocket as a carrier, on the server's side
``http_carrier``    what the two below have in common: an answer to a GET, parked
``http_stream``     server-sent events and lines as carriers
``poll``            one poll as a carrier
``lines``           messages as lines of JSON, both ways
``sse``             messages as server-sent events
``session``         the session: an actor's transport whose carrier may change
``inbound``         the side of a session that its client reaches
``outbound``        the side that its actor reaches
``meter``           how fast requests of a client may come
``overflow``        what becomes of a message that can't be sent now
``opening``         from a wire's first words to its session
``ids``             the names of sessions, which nobody can guess
``store``           all sessions of a process: finding them, and letting go of them
``policies``        which of them are let go of
==================  ==========================================================================================

Rule owned here: none; a package. Imports transports and what is below them, and knows no server.
"""
