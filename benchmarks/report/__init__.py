"""Report: what a run has found, for programs and for people.

``answers`` collects it, ``results`` is the file that keeps it, ``table`` and ``charts`` show it, ``summary`` is the
table that the README has, ``progress`` tells how far the run is. Everything that is shown comes from the file alone.
"""
