"""What this machine gives to others although the ring places it here: it is out of the ring for it.

Because a person does not want it here (`twofold drop`), which is kept on disk, or for want of room
(`eviction.py`), which is found anew after a restart.
"""

from collections.abc import Callable, Iterable

from peer.database import Database
from protocol.ids import ManifestId


class HandingOn:
    """The manifests; `is in` this stands for either reason."""

    def __init__(self, database: Database, wall: Callable[[], int]) -> None:
        self._database = database
        self._wall = wall
        self._unwanted: dict[ManifestId, int] = {}
        self._evicted: frozenset[ManifestId] = frozenset()
        self.on_changed: Callable[[ManifestId], None] = lambda _: None
        """Called when a manifest is handed on from now on, or is not any more."""

    def load(self) -> None:
        """Read what people did not want here."""
        rows = self._database.connection.execute("SELECT manifest, since FROM unwanted")
        self._unwanted = {ManifestId(manifest): since for manifest, since in rows}

    def __contains__(self, manifest: ManifestId) -> bool:
        return manifest in self._unwanted or manifest in self._evicted

    def is_unwanted(self, manifest: ManifestId) -> bool:
        """Whether a person does not want it here."""
        return manifest in self._unwanted

    def unwanted(self) -> dict[ManifestId, int]:
        """All that people do not want here, and since when, in milliseconds since 1970."""
        return dict(self._unwanted)

    async def give_up(self, manifest: ManifestId) -> None:
        """A person does not want it here: also after a restart."""
        since = self._unwanted.get(manifest, self._wall())
        await self._database.run(
            lambda c: c.execute("INSERT OR REPLACE INTO unwanted VALUES (?, ?)", (manifest, since))
        )
        self._unwanted[manifest] = since
        self.on_changed(manifest)

    async def want(self, manifest: ManifestId) -> bool:
        """A person wants it here after all, or again; whether that is news."""
        known = manifest in self
        # At once: a drop may be under way.
        self._evicted -= {manifest}
        if self._unwanted.pop(manifest, None) is not None:
            await self._database.run(
                lambda c: c.execute("DELETE FROM unwanted WHERE manifest = ?", (manifest,))
            )
        if known:
            self.on_changed(manifest)
        return known

    def evict(self, manifests: Iterable[ManifestId]) -> None:
        """There is no room for these, and for no others."""
        before, self._evicted = self._evicted, frozenset(manifests)
        for manifest in before ^ self._evicted:
            self.on_changed(manifest)
