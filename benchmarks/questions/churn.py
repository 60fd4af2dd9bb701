"""Churn: clients that come, say one thing and go.

Rule owned here: 64 connections at a time; a message is a connection's whole life.
"""

from __future__ import annotations

from benchmarks.question import Case, Load, Promise, Question

QUESTION = Question(
    name="churn",
    title="Connect, one echo, close, again",
    text="64 clients at a time connect, send one message, get it back and close. What the server spends on one life of "
    "a connection: accepting, the handshake, the message, the end.",
    unit="us of server CPU per connection",
    cases=(Case("64 at a time", Load("churn", 64), in_quick=True, promises=(Promise("socketify", 1.0),)),),
)
