"""Measurements of actorws against itself; each states what it compares with."""
