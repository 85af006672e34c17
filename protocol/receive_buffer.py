"""Bytes received and not yet understood: small while a connection is idle, large for bulk.

Records (2-byte length, then that many bytes) are handed out as views, good until the next `space`.
"""

SMALL = 4 << 10
RECORD_SPACE = 128 << 10
BULK_SPACE = 2 << 20


class ReceiveBuffer:
    """A linear buffer: filled at the end, taken from the front, moved down when it runs out."""

    def __init__(self) -> None:
        self._memory = memoryview(bytearray(SMALL))
        self._start = 0
        self._end = 0
        self._wanted = SMALL
        self._trimming = False
        self._bulk = BULK_SPACE

    def __len__(self) -> int:
        return self._end - self._start

    def space(self) -> memoryview:
        """Free space behind what is held; never empty."""
        if self._wanted > len(self._memory) or (self._trimming and len(self) <= self._wanted):
            self._resize(self._wanted)
        elif self._start:
            held = len(self)
            if held:
                self._memory[:held] = self._memory[self._start : self._end]
            self._start, self._end = 0, held
        if self._end == len(self._memory):
            self._resize(len(self._memory) * 2)
        return self._memory[self._end :]

    def filled(self, count: int) -> None:
        """`count` bytes were written into `space`."""
        self._end += count

    def expect(self, length: int) -> None:
        """Bulk of this many bytes is on its way: make reads large."""
        self._wanted = max(self._wanted, min(self._bulk, max(RECORD_SPACE, length)))

    def stay_small(self) -> None:
        """Hold two records at most, also when bulk is on its way."""
        self._bulk = RECORD_SPACE

    def take(self, count: int) -> memoryview | None:
        """Exactly `count` bytes, or None while there are fewer."""
        if len(self) < count:
            self._wanted = max(self._wanted, count)
            return None
        start = self._start
        self._start += count
        return self._memory[start : start + count]

    def take_record(self) -> memoryview | None:
        """The body of the next whole record, or None while it is incomplete."""
        start, memory = self._start, self._memory
        if self._end - start < 2:
            return None
        stop = start + 2 + (memory[start] << 8 | memory[start + 1])
        if stop > self._end:
            if stop - start > len(memory):
                self._wanted = max(self._wanted, RECORD_SPACE)
            return None
        self._start = stop
        return memory[start + 2 : stop]

    def trim(self) -> None:
        """Go back to a small buffer at the next `space`, if nothing large is held then.

        Not at once: a read into what `space` gave may be under way.
        """
        if len(self) <= SMALL < len(self._memory):
            self._wanted = SMALL
            self._trimming = True

    def _resize(self, size: int) -> None:
        held = len(self)
        self._trimming = False
        memory = memoryview(bytearray(max(size, held)))
        memory[:held] = self._memory[self._start : self._end]
        self._memory, self._start, self._end = memory, 0, held
