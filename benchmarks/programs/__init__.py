"""What questions without a server run: each file measures itself and prints its figures as one line of JSON.

    python -m benchmarks.programs.NAME VARIANT [CASE ...] SECONDS

Each does the same work with actorws and with what its user would write or use instead. The figure is ``us``, CPU
microseconds per operation. Exit status 2, and a line on the error output: it can't be done, and why.
"""
