"""Load: the generator that drives the servers, a program in C, and what builds and starts it."""
