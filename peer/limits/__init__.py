"""How fast pieces may move: rates, the weekly schedule of them, and whose turn it is."""
