"""The machines of the swarm, as members are told: one look is for all that ask at once."""

import math
from collections.abc import Awaitable, Callable

import trio

from protocol.messages.shared import Machine


class MachineList:
    """What `look` finds, kept for a while; `pause` tells for how many seconds."""

    def __init__(
        self, look: Callable[[], Awaitable[tuple[Machine, ...]]], pause: Callable[[], float]
    ) -> None:
        self._look = look
        self._pause = pause
        self._found: tuple[Machine, ...] = ()
        self._began = -math.inf
        self._looking: trio.Event | None = None

    async def get(self) -> tuple[Machine, ...]:
        """The machines as they were when this was asked, or in a large swarm a little earlier."""
        asked = trio.current_time()
        while self._began < asked - self._pause():
            if self._looking is None:
                await self._look_now()
            else:
                await self._looking.wait()
        return self._found

    async def _look_now(self) -> None:
        self._looking, began = trio.Event(), trio.current_time()
        try:
            self._found = await self._look()
            self._began = began
        finally:
            # If it failed, the next one that waits tries it.
            self._looking.set()
            self._looking = None
