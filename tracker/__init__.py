"""The tracker room: who is here, who holds what, what exists. An index, not an authority."""
