"""Limit: the floor, a server in C that does the least that one can do; every figure stands beside its."""
