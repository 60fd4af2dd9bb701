"""Small programs that show one thing each. Every one has an ``app``: ``python -m actorws serve examples.chat:app``."""
