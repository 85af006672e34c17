"""Giving parts of a sparse file back to the disk, by fallocate(2)."""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_KEEP_SIZE, _PUNCH_HOLE = 1, 2


def punch_holes(path: Path, parts: Iterable[tuple[int, int]]) -> None:
    """Free parts of a file, each (position, length) in bytes; they read as zeros from then on.

    Raises OSError, with EOPNOTSUPP where the file system has no holes.
    """
    library = ctypes.CDLL(None, use_errno=True)
    fallocate = library.fallocate
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        for position, length in parts:
            if fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, position, length):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
