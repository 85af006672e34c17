"""The page and HTTP API of one machine: HTTP to people, the operator protocol to the daemon."""
