"""Load: the compiled generator that drives the servers, and what builds and starts it."""
