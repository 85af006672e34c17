"""What the command line and the page may ask of the daemon, and how it is answered."""
