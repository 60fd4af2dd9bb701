"""Command line: ``actorws serve module:attribute`` and ``actorws --version``.

Rule owned here: a mistake of the person at the terminal is one line on stderr and exit status 2; a traceback is
shown only where it is their own code's. Stdout has one line per listener and nothing else, logs go to stderr.
Must not know how anything is served.

``arguments``
    what can be asked for, and what of it can't be meant
``certificates``
    the two files of ``--tls-cert`` and ``--tls-key``
``target``
    what ``module:attribute`` leads to
``command``
    the command itself
``complaints``
    what is said when it can't be done
"""

from actorws.cli.command import main

__all__ = ["main"]
