"""What of our holdings the tracker has not been told: collected, then announced as differences."""

from peer.store.contents import Contents
from protocol.ids import ManifestId
from protocol.inventory import inventory_digest
from protocol.messages.tracking import Holding

ANNOUNCE_BYTES = 30_000
"""One more holding, of 32 KiB at most, still fits a message of 64 KiB."""


class Announcer:
    """Marks manifests that changed; hands out announces that fit a message."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._changed: set[ManifestId] = set()

    def mark(self, manifest: ManifestId) -> None:
        """What is held of this manifest is not what was announced."""
        self._changed.add(manifest)

    def mark_all(self) -> None:
        """The tracker knows nothing: announce everything."""
        self._changed = {content.id for content in self._contents.all()}

    def clear(self) -> None:
        """The tracker has proven to know it all."""
        self._changed.clear()

    @property
    def pending(self) -> bool:
        """Whether there is anything to announce."""
        return bool(self._changed)

    def take(self) -> tuple[Holding, ...]:
        """The next batch; put it back with `mark` when it was not delivered."""
        batch: list[Holding] = []
        size = 0
        while self._changed and size < ANNOUNCE_BYTES and len(batch) < 1000:
            holding = self._holding(self._changed.pop())
            size += 64 + len(holding.bits or b"")
            batch.append(holding)
        return tuple(batch)

    def digest(self) -> bytes:
        """The digest of everything held."""
        return inventory_digest(
            (c.id, c.bits.to_wire()) for c in self._contents.all() if c.bits.count or not c.pieces
        )

    def _holding(self, manifest: ManifestId) -> Holding:
        content = self._contents.get(manifest)
        if content is None or (content.pieces and not content.bits.count):
            return Holding(manifest=manifest, bits=b"")
        return Holding(manifest=manifest, bits=content.bits.to_wire())
