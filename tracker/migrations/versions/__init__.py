"""One file for each step of the tables; a step that has been released never changes."""
