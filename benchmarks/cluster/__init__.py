"""Measurements of the cluster: nodes in processes of their own, on a real Redis or Valkey server.

    python -m benchmarks.cluster [--quick] [--only publish,names] [--peers] ...

``publish``  messages through groups, from one node to another: how many, how late, for how much CPU
``names``    unique names: registering, sending, looking up
``spread``   what a publish costs the engine for each node that it goes to
``fanout``   a publish to a group with thousands of members on each of two nodes, beside one node alone
``holding``  a hundred thousand groups and names on one node: memory, and a killed link
``workers``  ``--workers 2`` beside ``--workers 1``
``peers``    the same kind of work done by Django Channels, python-socketio and broadcaster

Around them: ``machine`` (cores, CPU time, memory), ``server`` (the engine's process), ``orders`` and ``node`` (the
processes of nodes), ``level`` (what a node measures: the engine, or the runtime on it), ``workload`` and ``ledger``
(what is sent, and whether it came), ``figures`` (medians, tables, JSON), ``bench`` (all of that put together).
``simulate`` computes ``SCALE.md`` from ``costs.json``.
"""
