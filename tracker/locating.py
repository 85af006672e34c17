"""Who holds a manifest: kept in memory for what was asked lately, as most questions are about it.

What transactions touch is forgotten as soon as they are on disk, so an answer is as new as one from
the database. States and addresses are as members were last told.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from protocol import codec
from protocol.ids import ManifestId
from protocol.messages.shared import Holder
from tracker import manifests
from tracker.database import Database
from tracker.holdings import Held, load_holders
from tracker.listing import MAX_HOLDERS, REPLY_SPACE, by_usefulness
from tracker.presence import Presence
from tracker.touched import Touched

MOST = 200_000
"""Holders that are remembered, of all manifests together: about 200 bytes each."""


@dataclass
class _Known:
    """What the database says of a manifest, and what was answered when `version` was told."""

    pieces: int | None
    held: list[Held]
    version: int = -1
    holders: tuple[Holder, ...] = ()


class Locating:
    """Answers who holds what."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence
        self._lock = threading.Lock()
        self._known: dict[ManifestId, _Known] = {}
        self._size = 0
        self._turn = 0
        database.notes.listeners.append(self.forget)

    async def holders(self, manifest: ManifestId) -> tuple[Holder, ...]:
        """Who holds pieces of a manifest, the most useful first; also holders that are doubted.

        Bits that would not fit the message are sent as b"": that holder has to be asked itself.
        """
        known = self._known.get(manifest) or await self._load(manifest)
        version = self._presence.version
        if known.version != version:
            known.holders = told(known.pieces, known.held, self._presence)
            known.version = version
        return known.holders

    async def _load(self, manifest: ManifestId) -> _Known:
        turn = self._turn

        def look(connection: Connection) -> _Known:
            pieces = manifests.load_pieces(connection, [manifest]).get(manifest)
            return _Known(pieces, load_holders(connection, [manifest])[manifest])

        found = await self._database.read(look)
        with self._lock:
            # Before its manifest comes nobody notes that it did.
            if turn == self._turn and found.pieces is not None:
                self._remember(manifest, found)
        return found

    def _remember(self, manifest: ManifestId, found: _Known) -> None:
        self._drop(manifest)
        self._known[manifest] = found
        self._size += 1 + len(found.held)
        while self._size > MOST:
            self._drop(next(iter(self._known)))

    def forget(self, touched: Touched) -> None:
        """What a transaction changed is read again; for any thread."""
        if not touched:
            return
        with self._lock:
            self._turn += 1
            if touched.everything or touched.peers:
                self._known.clear()
                self._size = 0
            for manifest in touched.manifests:
                self._drop(ManifestId(manifest))

    def _drop(self, manifest: ManifestId) -> None:
        old = self._known.pop(manifest, None)
        if old is not None:
            self._size -= 1 + len(old.held)


def told(pieces: int | None, held: Sequence[Held], presence: Presence) -> tuple[Holder, ...]:
    """The holders as they are told, as many as fit one message."""
    where = {one.peer: found for one in held if (found := presence.told(one.peer)) is not None}
    states = {peer: state for peer, (state, _) in where.items()}
    space = REPLY_SPACE
    holders = []
    for one in by_usefulness(held, pieces, states)[:MAX_HOLDERS]:
        state, addresses = where[one.peer]
        holder = Holder(peer=one.peer, state=state, addresses=addresses, bits=b"")
        space -= len(codec.encode(holder))
        if one.bits is None or len(one.bits) < space:
            holder = Holder(peer=one.peer, state=state, addresses=addresses, bits=one.bits)
            space -= len(one.bits or b"")
        if space < 0:
            break
        holders.append(holder)
    return tuple(holders)
