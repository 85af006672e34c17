"""Disks that forget: what was written to a content file and not synced is lost at a crash."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from peer.store.files import FileCache


class UnsyncedWrites:
    """Notes every write and sync of the store; `lose` undoes what a crash would."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._dirty: defaultdict[Path, list[tuple[int, int]]] = defaultdict(list)
        write, sync_all = FileCache.write, FileCache.sync_all

        def noted_write(cache: FileCache, path: Path, position: int, content: Any) -> None:
            self._dirty[path].append((position, len(content)))
            write(cache, path, position, content)

        def noted_sync(cache: FileCache, paths: set[Path]) -> None:
            sync_all(cache, paths)
            for path in paths:
                self._dirty.pop(path, None)

        patch.setattr(FileCache, "write", noted_write)
        patch.setattr(FileCache, "sync_all", noted_sync)

    def lose(self, folder: Path) -> int:
        """Turn unsynced bytes of all files in a folder to zeros; how many that were."""
        lost = 0
        for path in [path for path in self._dirty if path.is_relative_to(folder)]:
            parts = self._dirty.pop(path)
            if path.exists():
                with path.open("r+b") as file:
                    for position, length in parts:
                        file.seek(position)
                        file.write(bytes(length))
                        lost += length
        return lost
