"""The daemon on one machine: keeps, trades, replicates and repairs pieces; and its command line."""
