"""Giving memory back to the system when work is done.

What a cancelled task held hangs together in circles, which an idle interpreter never looks for; and
the C library keeps what was freed, for next time.
"""

import ctypes
import gc
import time
from collections.abc import Callable

BUSY = 0.2
"""Processor seconds since the last look that tell work from idling."""


class MemoryKeeper:
    """Looks now and then, and tidies once when a busy time is over: an idle look costs nothing."""

    def __init__(self, spent: Callable[[], float] = time.process_time) -> None:
        self._spent = spent
        self._last = spent()
        self._untidy = True
        self._give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def look(self) -> bool:
        """Whether it was time to tidy."""
        busy = self._spent() - self._last > BUSY
        tidy_now = self._untidy and not busy
        self._untidy = busy
        if tidy_now:
            gc.collect()
            if self._give_back is not None:
                self._give_back(0)
        # Tidying itself is no work.
        self._last = self._spent()
        return tidy_now
