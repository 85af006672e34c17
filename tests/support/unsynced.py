"""Disks that forget: what was written to content files and not synced is lost at a crash.

It watches the system calls, not the store: whichever way bytes and names come to a content file.
"""

import os
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import trio

CONTENT = "content"


class UnsyncedWrites:
    """Notes every write, new name and sync; `lose` undoes what a crash would."""

    def __init__(self, patch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self._chance = chance
        self._before: defaultdict[Path, dict[int, bytes]] = defaultdict(dict)
        """What was where something has been written since the last sync."""
        self._names: set[Path] = set()
        """Content files whose folder has not been synced since they were made."""
        self._whole: set[Path] = set()
        """Files that were synced, whoever wrote them."""
        self._write, self._open, self._replace = os.pwrite, os.open, os.replace
        self._unlink = os.unlink
        self._latest = Path()
        self._written = trio.Event()
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, self._noted_sync(getattr(os, name)))
        patch.setattr(os, "pwrite", self._noted_write)
        patch.setattr(os, "open", self._noted_open)
        patch.setattr(os, "replace", self._noted_replace)
        patch.setattr(os, "unlink", self._noted_unlink)

    async def next_write(self) -> Path:
        """Wait for something to be written, and return just after: it is not synced yet."""
        await self._written.wait()
        return self._latest

    def lose(self, folder: Path) -> int:
        """Undo some of what is not synced below a folder, by chance; how many bytes that were."""
        lost = 0
        for path in [path for path in self._before if path.is_relative_to(folder)]:
            for position, before in self._before.pop(path).items():
                if path.exists() and self._chance.random() < 0.8:
                    lost += _undo(path, position, before)
        for path in sorted(path for path in self._names if path.is_relative_to(folder)):
            self._names.discard(path)
            path.unlink(missing_ok=True)
        return lost

    def _noted_open(self, path: Any, flags: int, *more: Any, **options: Any) -> int:
        new = flags & os.O_CREAT and _is_content(path) and not os.path.exists(path)
        descriptor = self._open(path, flags, *more, **options)
        if new:
            self._names.add(Path(path))
        return descriptor

    def _noted_write(self, descriptor: int, content: Any, position: int) -> int:
        path = _path_of(descriptor)
        with path.open("rb") as file:
            file.seek(position)
            before = file.read(len(content)).ljust(len(content), b"\0")
        self._before[path].setdefault(position, before)
        self._latest = path
        self._written.set()
        self._written = trio.Event()
        return self._write(descriptor, content, position)

    def _noted_sync(self, sync: Any) -> Any:
        def noted(file: Any) -> None:
            sync(file)
            path = _path_of(file if isinstance(file, int) else file.fileno())
            if path.is_dir():
                self._names -= {name for name in self._names if name.parent == path}
            else:
                self._before.pop(path, None)
                self._whole.add(path)

        return noted

    def _noted_replace(self, source: Any, target: Any) -> None:
        self._replace(source, target)
        source, target = Path(source), Path(target)
        self._forget(target)
        if _is_content(target):
            self._names.add(target)
            if source not in self._whole:
                self._before[target] = {0: bytes(target.stat().st_size)}
        self._forget(source)

    def _noted_unlink(self, path: Any, **options: Any) -> None:
        self._unlink(path, **options)
        if not options:
            self._forget(Path(path))

    def _forget(self, path: Path) -> None:
        self._before.pop(path, None)
        self._names.discard(path)
        self._whole.discard(path)


def _undo(path: Path, position: int, before: bytes) -> int:
    with path.open("r+b") as file:
        file.seek(position)
        changed = file.read(len(before)) != before
        file.seek(position)
        file.write(before)
    return len(before) if changed else 0


def _is_content(path: Any) -> bool:
    return Path(path).parent.parent.name == CONTENT


def _path_of(descriptor: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))
