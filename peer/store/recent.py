"""The manifests in use: kept in memory up to a number of bytes, and not for long when idle."""

from collections import OrderedDict
from collections.abc import Callable

from peer.store.layout import Layout
from protocol.ids import ManifestId
from protocol.manifest import Manifest

MANIFEST_BYTES = 24 << 20
"""Three of the largest, or hundreds of usual ones."""
FILE_BYTES = 600
"""What one file of a folder takes in memory: its record, its place, its stat."""

Opened = tuple[Manifest, Layout]


class RecentManifests:
    """Manifests with their layouts, the least recently used dropped first; never the newest."""

    def __init__(self, on_dropped: Callable[[ManifestId], None]) -> None:
        self._on_dropped = on_dropped
        self._opened: OrderedDict[ManifestId, Opened] = OrderedDict()
        self._bytes = 0
        self._used: set[ManifestId] = set()
        """Those asked for since the last `trim`."""

    def find(self, manifest: ManifestId) -> Opened | None:
        """A manifest that is in memory, which is in use then."""
        opened = self._opened.get(manifest)
        if opened is not None:
            self._opened.move_to_end(manifest)
            self._used.add(manifest)
        return opened

    def put(self, manifest: Manifest, layout: Layout) -> Opened:
        """Keep a manifest, dropping others for it."""
        self.drop(manifest.id)
        opened = self._opened[manifest.id] = (manifest, layout)
        self._used.add(manifest.id)
        self._bytes += _cost(manifest)
        while self._bytes > MANIFEST_BYTES and len(self._opened) > 1:
            self.drop(next(iter(self._opened)))
        return opened

    def drop(self, manifest: ManifestId) -> None:
        """Forget one."""
        opened = self._opened.pop(manifest, None)
        if opened is not None:
            self._bytes -= _cost(opened[0])
            self._on_dropped(manifest)

    def trim(self) -> None:
        """Forget all that nobody asked for since this was called last."""
        for manifest in self._opened.keys() - self._used:
            self.drop(manifest)
        self._used.clear()


def _cost(manifest: Manifest) -> int:
    several = len(manifest.files) + len(manifest.geometry.short)
    return len(manifest.encoded) + FILE_BYTES * several
