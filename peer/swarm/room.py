"""Whether this machine takes more pieces to keep: its capacity, its disk, and whether it may.

What a person fetches is not asked about here: the last of the disk is theirs.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from peer.roster_book import RosterBook
from peer.store.contents import Contents
from protocol.ids import PeerId

FREE_BYTES = 1 << 30
FREE_PART = 50
"""Of each disk one part in so many stays free, and at least `FREE_BYTES`."""
LET_BE_PART = 8
"""Nothing goes before one part in so many of that is in use."""


class Disk(NamedTuple):
    """Bytes of the disk, and of those the ones that may still be written."""

    size: int
    free: int


def room(*, capacity: int, stored: int, disk: Disk) -> int:
    """How many more bytes may be kept: within the capacity, and above what a disk keeps free."""
    floor = max(FREE_BYTES, disk.size // FREE_PART)
    return max(0, min(capacity - stored, disk.free - floor))


def excess(*, capacity: int, kept: int, disk: Disk, begun: bool) -> int:
    """How many of the bytes kept must go: beyond the capacity, or on what a disk keeps free.

    A little of the latter is let be until the going has `begun`: the free part of a disk that
    others write on too goes up and down.
    """
    floor = max(FREE_BYTES, disk.size // FREE_PART)
    short = floor - disk.free
    if not begun and short <= floor // LET_BE_PART:
        short = 0
    return max(0, kept - capacity, short)


class Room:
    """The room on this machine now."""

    def __init__(
        self, me: PeerId, contents: Contents, rosters: RosterBook, capacity: Callable[[], int]
    ) -> None:
        self._me = me
        self._contents = contents
        self._rosters = rosters
        self._capacity = capacity
        self.look: Callable[[Path], Disk] = look_at_disk

    def takes_new(self) -> bool:
        """Whether content may come that is not here yet: not while draining or leaving."""
        return self._rosters.state_of(self._me) == "active"

    def left(self) -> int:
        """Bytes that may still be kept here."""
        disk = self.look(self._contents.folder)
        return room(capacity=self._capacity(), stored=self._contents.stored_bytes(), disk=disk)

    def excess(self, *, begun: bool) -> int:
        """Bytes that must go from the store; see `excess`."""
        disk = self.look(self._contents.folder)
        kept = self._contents.own_bytes()
        return excess(capacity=self._capacity(), kept=kept, disk=disk, begun=begun)

    def disk_is_low(self) -> bool:
        """Whether nothing more may be kept, whatever the capacity."""
        disk = self.look(self._contents.folder)
        return room(capacity=disk.size, stored=0, disk=disk) == 0


def look_at_disk(folder: Path) -> Disk:
    """The disk a folder is on. OSError when it cannot be looked at."""
    found = os.statvfs(folder)
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)
