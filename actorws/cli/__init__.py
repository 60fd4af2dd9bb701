"""Command line: ``actorws serve module:attribute``, ``actorws connect URL`` and ``actorws --version``.

Rule owned here: a mistake of the person at the terminal is one line on stderr and exit status 2; a traceback is shown
only where it is their own code's. On stdout ``serve`` has one line per listener and nothing else (logs go to stderr),
and ``connect``, in pipes, what came and nothing else. Must not know how anything is served or connected.

``arguments``, ``serve_arguments``, ``connect_arguments``
    what can be asked for, and what of it can't be meant
``certificates``
    files with certificates and keys
``target``
    what ``module:attribute`` leads to
``command``
    ``serve`` itself
``complaints``
    what is said when it can't be done
``connect_command``, with ``connect_pipes`` and ``connect_talk``
    ``connect`` itself: in pipes, and at a terminal
``connect_stdio``, ``connect_typed``, ``connect_ending``
    stdin and stdout; what a typed line asks for; what an end means
``display``, ``display_json``, ``display_escapes``
    how what came is shown, and that it does nothing to the terminal
``terminal``, ``terminal_plain``, ``terminal_history``
    what it is shown on and typed at: with prompt_toolkit, without; what was typed before
"""

from actorws.cli.command import main

__all__ = ["main"]
