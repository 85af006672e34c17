"""A bounded pool of page-aligned buffers that pieces are received into and written from.

Page-aligned (anonymous mmap) so that O_DIRECT can write from them; bounded so that no number of
downloads grows memory.
"""

import mmap
from collections import defaultdict

import trio

POOL_BYTES = 40 << 20
LEAST_BUFFERS = 3


class BufferPool:
    """Buffers by size; `take` waits when the pool's bytes are used up."""

    def __init__(self, limit: int = POOL_BYTES, least: int = LEAST_BUFFERS) -> None:
        self._limit = limit
        self._least = least
        self._free: dict[int, list[mmap.mmap]] = defaultdict(list)
        self._allocated = 0
        self._in_use = 0
        self._returned = trio.Event()

    @property
    def in_use(self) -> int:
        """Buffers taken and not yet given back."""
        return self._in_use

    async def take(self, size: int) -> mmap.mmap:
        """A buffer of exactly `size` bytes, its content undefined."""
        while True:
            buffer = self.take_now(size)
            if buffer is not None:
                return buffer
            if self._returned.is_set():
                self._returned = trio.Event()
            await self._returned.wait()

    def give_back(self, buffer: mmap.mmap) -> None:
        """Return a buffer; nobody may use it, or a view of it, any more."""
        self._in_use -= 1
        self._free[len(buffer)].append(buffer)
        self._returned.set()

    def take_now(self, size: int) -> mmap.mmap | None:
        """As `take`, but None where that would wait."""
        if self._free[size]:
            self._in_use += 1
            return self._free[size].pop()
        if self._allocated + size > self._limit:
            self._drop_free()
        if self._allocated + size <= self._limit or self._in_use < self._least:
            self._allocated += size
            self._in_use += 1
            return mmap.mmap(-1, size)
        return None

    def _drop_free(self) -> None:
        for size, buffers in self._free.items():
            self._allocated -= size * len(buffers)
            buffers.clear()

    def trim(self) -> None:
        """Give unused memory back to the system."""
        if self._in_use == 0:
            self._drop_free()


class Room:
    """Bytes that may be in use at a time, lent in the order in which they are asked for."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._turn = trio.Lock()
        self._returned = trio.Event()

    @property
    def in_use(self) -> int:
        """Bytes lent and not yet given back."""
        return self._size - self._left

    async def take(self, count: int) -> None:
        """Wait for room for `count` bytes, of at most the whole size."""
        async with self._turn:
            while self._left < count:
                self._returned = trio.Event()
                await self._returned.wait()
            self._left -= count

    def give_back(self, count: int) -> None:
        """What was taken is free again."""
        self._left += count
        self._returned.set()
