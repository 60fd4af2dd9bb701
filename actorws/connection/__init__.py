"""A WebSocket in the hands of a script: ``connect``, and the ``Connection`` that it gives.

The rule owned here: everything waits until it can be done or is cancelled, and what is cancelled leaves the connection
as it was. Must not know servers.
"""
