"""A folder as a zip archive, made while it is being sent: nothing compressed, nothing kept.

Bytes go in at one end and archive bytes come out at the other. Zip64 where sizes need it.
"""

import re
import time
import zipfile
from pathlib import PurePosixPath
from typing import IO

from protocol.paths import check_relative_path, clean_name

_FIRST, _LAST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)
"""The moments a zip can say."""
_FAKING = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What other systems take for the end of a folder's name, or what a name is faked with."""
_REGULAR = 0o100644 << 16


class _Outlet:
    """Where zipfile writes: it cannot seek, so sizes follow the content."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, content: bytes | bytearray | memoryview) -> int:
        self._written.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


class FolderZip:
    """One archive: for each file begin, add any number of times, end; then finish."""

    def __init__(self, folder: str, created: int) -> None:
        """All paths lie in `folder`; `created` (milliseconds since 1970) is every file's time."""
        self._folder = clean_name(folder)
        self._moment = max(_FIRST, min(_LAST, time.gmtime(created / 1000)[:6]))
        self._outlet = _Outlet()
        self._zip = zipfile.ZipFile(self._outlet, "w", zipfile.ZIP_STORED)  # type: ignore[call-overload]
        self._member: IO[bytes] | None = None

    def begin(self, path: str, size: int) -> bytes:
        """Start a file of `size` bytes; the archive bytes to send now. ValueError: unsafe path."""
        name = self._free_name(f"{self._folder}/{_FAKING.sub('_', check_relative_path(path))}")
        about = zipfile.ZipInfo(name, self._moment)
        about.external_attr = _REGULAR
        about.file_size = size
        self._member = self._zip.open(about, "w")
        return self._outlet.take()

    def add(self, content: bytes) -> bytes:
        """More of the file begun; the archive bytes to send now."""
        if self._member is None:
            raise RuntimeError("no file was begun")
        self._member.write(content)
        return self._outlet.take()

    def end(self) -> bytes:
        """The file is complete; the archive bytes to send now."""
        if self._member is None:
            raise RuntimeError("no file was begun")
        self._member.close()
        self._member = None
        return self._outlet.take()

    def finish(self) -> bytes:
        """The last bytes of the archive."""
        self._zip.close()
        return self._outlet.take()

    def _free_name(self, name: str) -> str:
        """This name, or one like it: one of two files would be written over by the other."""
        path, free, number = PurePosixPath(name), name, 1
        while free in self._zip.NameToInfo:
            number += 1
            free = f"{path.parent}/{path.stem} ({number}){path.suffix}"
        return free
