"""How a connection between machines shows that it lives: by a Ping when nothing is said."""

PING_EVERY = 5.0
"""Seconds of quiet after which each side sends one."""
TRACKER_PING_EVERY = 10.0
"""Seconds between the Pings of a peer to its tracker, which answers each with one."""
SILENT_AFTER = 15.0
"""Seconds after which a peer gives up a connection that brings nothing, or a piece of which nothing
comes."""
