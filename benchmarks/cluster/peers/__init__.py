"""The same kind of work done by others, each in one file and in an environment of its own.

``django_channels``  Django Channels with channels_redis, both of its layers
``socket_io``        python-socketio with its Redis manager
``broadcast``        broadcaster with its Redis backend

Each publishes and receives as its documentation says, with the quickest loop (uvloop) and parser (hiredis) that it can
use. ``peer`` is what they have in common; it runs in their environments and knows nothing but the standard library.
``compare`` makes the environments, and runs all of them beside actorws.
"""
