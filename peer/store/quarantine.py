"""Damaged bytes, set aside before they are written over: whoever lost something may look at them.

Blocking; call it in a thread.
"""

from pathlib import Path

from protocol.ids import ManifestId

MOST_BYTES = 256 << 20
"""Beyond this the oldest go first: a dying disk must not fill itself."""
KEPT = 30 * 86_400_000
"""Milliseconds."""


class Quarantine:
    """A folder with one file for each damaged piece: manifest, piece, and when it was found."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, manifest: ManifestId, piece: int, content: memoryview, now: int) -> None:
        """Set bytes aside; `now` in milliseconds since 1970. OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        files = self._oldest_first()
        room = MOST_BYTES - len(content) - sum(size for _, size, _ in files)
        for _, size, path in files:
            if room >= 0:
                break
            path.unlink(missing_ok=True)
            room += size
        (self._folder / f"{manifest.hex()}-{piece}-{now}").write_bytes(content)

    def tidy(self, now: int) -> None:
        """Delete what has been here for 30 days. OSError."""
        for when, _, path in self._oldest_first():
            if when < now - KEPT:
                path.unlink(missing_ok=True)

    def _oldest_first(self) -> list[tuple[int, int, Path]]:
        """When, how many bytes, and where; what is not ours is passed over."""
        found = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            when = path.name.rpartition("-")[2]
            if when.isdigit():
                found.append((int(when), path.stat().st_size, path))
        return sorted(found)
