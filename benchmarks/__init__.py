"""Measurements of actorws, each with what it is compared with.

``python -m benchmarks`` has all contenders take turns on the same questions: ``contenders`` and ``questions`` are the
lists, ``environment`` gets what peers need, ``turns`` is the order, ``measuring`` what a figure means, ``processes``
what is started for it, ``report`` what is shown. ``cluster`` measures nodes, with a command of its own.
"""
