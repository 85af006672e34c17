"""What the daemon's process leaves out of memory.

The libraries it stands on import large modules at their top for what a daemon never does: structlog
paints tracebacks with rich and logs from asyncio, trio speaks TLS. A stand-in takes the place of
such a module until somebody uses it, and then becomes the real one.
"""

import importlib
import sys
from types import ModuleType

ABSENT = ("rich", "greenlet")
"""Structlog does without them when they are not installed, and so it does here."""
LATER = ("asyncio", "ssl")


class StandIn(ModuleType):
    """A module that is imported by its first use rather than by `import`."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        real = importlib.import_module(self.__name__)
        # Those that have imported the stand-in keep it, so it must be as good.
        self.__dict__.update(real.__dict__)
        return getattr(real, name)


def leave_out() -> None:
    """To be called before anything else is imported. What is imported already stays."""
    for name in ABSENT:
        # The import system's own way to say that there is no such module.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    for name in LATER:
        sys.modules.setdefault(name, StandIn(name))
