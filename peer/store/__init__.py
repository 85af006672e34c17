"""Pieces on disk: where they lie, how they are written, read, split and verified."""
