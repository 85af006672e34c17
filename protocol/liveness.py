"""How a connection between machines shows that it lives: by a Ping when nothing is said."""

PING_EVERY = 5.0
"""Seconds of quiet after which each side sends one."""
TRACKER_PING_EVERY = 12.0
"""Seconds between the Pings of a peer to its tracker: there may be thousands of peers."""
TRACKER_ANSWERS_AFTER = 30.0
"""Seconds after which the tracker answers a Ping with one again, if it reads some by then: of who
asks it nothing it does that seldom."""
TRACKER_SILENT_AFTER = 200.0
"""Seconds after which a peer that waits for nothing gives up a tracker that says nothing."""
SILENT_AFTER = 15.0
"""Seconds after which a peer gives up a connection that brings nothing, or a piece of which nothing
comes."""
