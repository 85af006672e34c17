"""Programs that one would take instead, set up as well as they can be, one module for each."""
