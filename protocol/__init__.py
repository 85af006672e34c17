"""What peers, trackers and pages say to one another: pure, no sockets, clock, loop or files."""
