"""Who holds a manifest: kept in memory for what was asked lately, as most questions are about it.

What transactions touch is forgotten as soon as they are on disk, so an answer is as new as one from
the database. States and addresses are as members were last told.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import trio

from protocol import codec
from protocol.ids import ManifestId
from protocol.messages.shared import Holder
from tracker import manifests
from tracker.database import Database
from tracker.holdings import Held, load_holders
from tracker.listing import MAX_HOLDERS, REPLY_SPACE, by_usefulness
from tracker.presence import Presence
from tracker.rows import AT_ONCE
from tracker.snapshot import Snapshot
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


@dataclass
class _Look:
    """One look at the database for what is asked before it begins, as much as one statement takes.

    What is `stale` changed since: it may be told to who asked before, and not be remembered.
    """

    wanted: dict[ManifestId, None] = field(default_factory=dict)
    stale: set[bytes] = field(default_factory=set)
    all_stale: bool = False
    found: dict[ManifestId, _Known] = field(default_factory=dict)
    error: Exception | None = None
    ended: trio.Event = field(default_factory=trio.Event)

    def is_stale(self, manifest: ManifestId) -> bool:
        return self.all_stale or manifest in self.stale


class Locating:
    """Answers who holds what."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence
        self._lock = threading.Lock()
        self._known: dict[ManifestId, _Known] = {}
        self._size = 0
        self._next: _Look | None = None
        self._current: _Look | None = None
        self._looking = trio.Lock()
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
        look = self._next
        if look is not None and (manifest in look.wanted or len(look.wanted) < AT_ONCE):
            look.wanted[manifest] = None
            await look.ended.wait()
        else:
            look = self._next = _Look({manifest: None})
            # Others wait for it, though this connection may be cut.
            with trio.CancelScope(shield=True):
                await self._look(look)
        if look.error is not None:
            raise look.error
        return look.found[manifest]

    async def _look(self, look: _Look) -> None:
        try:
            async with self._looking:
                if self._next is look:
                    # Who asks from now on needs what is written from now on.
                    self._next = None
                self._current = look
                try:
                    work = partial(_read, wanted=list(look.wanted))
                    look.found = await self._database.look(work)
                finally:
                    self._remember(look)
        except Exception as error:
            look.error = error
        finally:
            look.ended.set()

    def _remember(self, look: _Look) -> None:
        with self._lock:
            self._current = None
            for manifest, found in look.found.items():
                # Before its manifest comes nobody notes that it did.
                if found.pieces is None or look.is_stale(manifest):
                    continue
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
            if touched.everything or touched.peers:
                self._known.clear()
                self._size = 0
            for manifest in touched.manifests:
                self._drop(ManifestId(manifest))
            if self._current is not None:
                self._current.stale |= touched.manifests & self._current.wanted.keys()
                self._current.all_stale |= touched.everything or bool(touched.peers)

    def _drop(self, manifest: ManifestId) -> None:
        old = self._known.pop(manifest, None)
        if old is not None:
            self._size -= 1 + len(old.held)


def _read(snapshot: Snapshot, wanted: list[ManifestId]) -> dict[ManifestId, _Known]:
    pieces = manifests.load_pieces(snapshot.connection, wanted)
    held = load_holders(snapshot.connection, wanted)
    return {manifest: _Known(pieces.get(manifest), held[manifest]) for manifest in wanted}


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
