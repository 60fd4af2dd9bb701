"""The server: from an accepted socket to a running actor, a plain HTTP response or a file.

Rule owned here: what answers a request, and in which words. Must not know how frames travel or how actors run.
"""
