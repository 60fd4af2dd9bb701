"""Cluster: names and groups that reach actors in other processes and on other machines, by one Redis or Valkey server.

``serve(app, cluster="redis://10.0.0.7/0")`` or ``actorws serve app:app --cluster URL`` makes a process a **node**: its
actors have unique names and are in groups together with those of every other node with the same URL. Without a URL
there is nothing installed, nothing to run, and nothing below is imported but the contract (``engine``) and its
one-process form (``local``). What follows is for whoever runs it.

What is promised
================

==============================  ======================================================================================
situation                       promise
==============================  ======================================================================================
``send_message``                True: the node of the owner has it. False: nobody has the name. ``EngineUnavailable``:
                                unknown. At most once.
``publish``, ``broadcast``      reaches every member that had joined, on every node whose link is up. At most once.
order                           what one actor sends to one receiver arrives in the order sent, however it is sent
loss                            shows as a ``Gap`` to behaviours with ``receive_gaps``, after which nothing older comes
a node dies or is cut off       its names are free within ``Timings.lease`` (10 s), and it stops acting for them a
                                ``margin`` (1 s) before
a node ends in order            its names and memberships are free at once
the server restarts, or fails   names stay with their owners; a *new* name waits up to the length of a lease; one
over to a replica               ``Gap`` on every node
the server is away              connections stay open; actors and members of one node reach each other; everything else
                                raises ``EngineUnavailable``
for longer than a lease         every actor with a unique name ends with ``LeaseLost`` (Close 1012), or is told
                                (``on_lease_lost = "inform"``)
==============================  ======================================================================================

What can't be promised
======================

- A process that is frozen between looking whether it has a name and acting on it can act late. ``conn.fence(name)`` is
  a number that rises with each owner: give it to whatever is written to, and have that refuse lower ones.
- Leases are counted by the server's wall clock. Let it be slewed, not stepped: a step ahead by more than ``margin`` may
  free a name that is still acted for.
- A primary that is cut off from its replicas goes on taking writes unless it is told not to: then two nodes can have
  one name until the cut is healed. ``min-replicas-to-write`` below prevents it.
- A failover by hand (``SENTINEL FAILOVER``) makes the replica the primary at once, and Sentinels turn the old primary
  into a replica about 11 s later. Until then it serves the nodes that it has: those at the new primary don't hear them
  (and none is told of a gap yet), and when a lease has passed one name can have two owners. With
  ``min-replicas-to-write`` nodes leave within a ``heartbeat``, unless other replicas still follow the old primary.
- A takeover doesn't wait for a loser that is cut off: until that one's link is back, or its lease over, both act. Only
  the fence tells them apart.
- One primary, at 60 % of a core, gets 2 million names or 3.5 million subscriptions (a group counts once for each node
  with members) back in half a lease (5 s) after it has lost its memory. Of a larger cluster those names that have not
  come back within a lease are free for others. ``benchmarks/cluster/SCALE.md`` has where these figures come from.

What the server needs
=====================

Redis 6.2 or later, or Valkey, with one primary: standalone, with Sentinels, or a managed endpoint. Redis Cluster is
refused: it sends every message to every one of its nodes. Settings::

    maxmemory-policy noeviction                    # a name that is evicted is a name that is lost
    client-output-buffer-limit pubsub 32mb 8mb 60  # the default: a node that doesn't read is cut off, and gets a gap
    min-replicas-to-write 1                        # with replicas: what only the primary knows dies with it
    min-replicas-max-lag 2                         # seconds until a primary that is cut off stops taking leases

Sentinel's ``down-after-milliseconds`` has to be greater than ``min-replicas-max-lag``, by 2 s at least: a primary
counts whole seconds, and looks once in each. A replica that is promoted earlier may give names away while the old
primary still takes leases.

Anyone who can publish on the server can speak to every actor (nothing that comes in is executed, and what can't be read
is dropped): off the host use ``rediss://`` and an ACL user that may do no more than (one line)::

    user actorws on >PASSWORD ~aw:{actorws}:* &aw:{actorws}:*
        +@read +@write +@pubsub +@scripting +@connection +info +time

Memory there is about 220 bytes for a group and 110 for a name. Modules: ``address`` has the URLs, ``timings`` the
durations, ``engine`` the contract for engines of one's own and ``actorws.testing.check_engine`` what checks them.
"""
