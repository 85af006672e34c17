"""What peers, trackers and pages say to one another: pure code, no sockets, clock, loop or files."""
