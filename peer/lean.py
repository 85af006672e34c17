"""What the daemon's process leaves out of memory."""

import sys

ABSENT = ("rich", "greenlet")
"""Structlog paints tracebacks with them where they are installed, and does without elsewhere."""


def leave_out() -> None:
    """To be called before anything else is imported. What is imported already stays."""
    for name in ABSENT:
        # The import system's own way to say that there is no such module.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
