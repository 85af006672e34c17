"""How long the page waits and how much it takes at once: so that nobody can hold it up."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds and numbers, all of one process."""

    head_seconds: float = 30.0
    """From the connection, or the last answer on it, to the end of the next request's head."""
    body_seconds: float = 30.0
    """For the whole of a JSON body."""
    send_seconds: float = 30.0
    """Without a byte of an answer being taken."""
    linger_seconds: float = 5.0
    """For what still comes of a body that nobody wants any more."""
    connections: int = 256
    from_one: int = 64
    """Connections of one address; those of this machine are held to `connections` alone."""
    streams: int = 32
    """Open pages that listen to events."""
    line_bytes: int = 8190
    """Of the request line, and of each header."""
    headers: int = 64


LIMITS = Limits()
