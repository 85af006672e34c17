"""Reads pieces that count again, from the disk itself, and deals with those that have rotted.

A user's file that looks different was changed by somebody: that is for the file watch. One that
looks as it did and has other bytes has rotted, as has anything else in our own content files.
"""

import mmap
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial

import structlog
import trio

from peer.errors import PeerError, PieceLostError, PieceUnreadError
from peer.store.cold_reading import read_cold, read_range
from peer.store.contents import Content
from peer.store.layout import Layout, Segment
from peer.store.piece_store import PieceStore
from peer.store.quarantine import Quarantine
from peer.store.read_errors import LOOK_AGAIN_AFTER, UNDECIDED, Fault, fault_of
from protocol.hashing import hash_piece
from protocol.ids import ManifestId
from protocol.manifest import Manifest

log = structlog.get_logger()


class State(Enum):
    """How a piece was found."""

    GOOD = "good"
    CHANGED = "changed"
    """By somebody, in a user's file."""
    ROTTEN = "rotten"
    """The bytes are others."""
    UNREADABLE = "unreadable"
    """The disk does not give them."""
    GONE = "gone"
    """Our own content file is too short, or not there."""
    AWAY = "away"
    """It cannot be come at: not permitted, or what it lies on is not there."""
    SKIPPED = "skipped"
    """It could not be read for a reason of our own, such as too many open files."""


LOST = (State.ROTTEN, State.UNREADABLE, State.GONE)


@dataclass(frozen=True)
class Bad:
    """Pieces that were found bad: all, and how many of them the disk is to blame for.

    `device` is the st_dev of that disk, `path` something that lies on it.
    """

    pieces: list[int]
    by_disk: int
    device: int
    path: str


class _ChangedError(Exception):
    pass


class Rechecking:
    """Checks pieces for whoever asks; `wall` tells milliseconds since 1970."""

    def __init__(self, store: PieceStore, quarantine: Quarantine, wall: Callable[[], int]) -> None:
        self._store = store
        self._contents = store.contents
        self._quarantine = quarantine
        self._wall = wall
        self._to_heal: dict[ManifestId, set[int]] = defaultdict(set)
        self.bytes = 0
        self.bad = 0
        self.healed = 0
        """Since the start: bytes read, pieces found bad, those of them that were fetched again."""
        self.on_bad: Callable[[Content, Bad], Awaitable[None]] = _nothing
        """Called after pieces were found bad, which no longer count."""
        self.on_healed: Callable[[int], None] = lambda _: None
        """Called with how many of them have come back."""

    async def check(self, content: Content, pieces: list[int]) -> list[int]:
        """Read pieces from the disk; those that are bad, which no longer count. PeerError."""
        found = await self.look(content, pieces)
        return [piece for piece in pieces if found.get(piece) in LOST]

    async def is_good(self, content: Content, piece: int) -> bool:
        """Whether a piece counts, and is on the disk as it should be. PeerError."""
        found = await self.look(content, [piece])
        return found.get(piece) is State.GOOD and piece in content.bits

    async def look(self, content: Content, pieces: list[int]) -> dict[int, State]:
        """How pieces are on the disk; those that are bad, or away, no longer count. PeerError.

        Nothing of what is not held any more. What the disk does not give is read once more, some
        seconds later.
        """
        try:
            manifest, layout = await self._contents.opened(content.id)
        except KeyError:
            return {}
        now = self._wall()

        async def read(some: list[int]) -> dict[int, State]:
            return await self._store.in_thread(self._look, content, manifest, layout, some, now)

        found = await read(pieces)
        if failed := [piece for piece in pieces if found[piece] is State.UNREADABLE]:
            await trio.sleep(LOOK_AGAIN_AFTER)
            found |= await read(failed)
        if self._contents.get(content.id) is not content:
            return {}
        if away := [p for p in pieces if found[p] is State.AWAY and p in content.bits]:
            await self._store.withhold(content, away, f"{layout.root} cannot be read")
        if bad := [piece for piece in pieces if self._is_news(content, piece, found[piece])]:
            await self._lose(content, layout, bad, found)
        return found

    def _is_news(self, content: Content, piece: int, state: State) -> bool:
        """Whether a piece has to be dealt with: it counts and is lost, or is the disk's fault."""
        known = piece in self._to_heal.get(content.id, ())
        unknown_fault = state is State.UNREADABLE and not known
        return (state in LOST and piece in content.bits) or unknown_fault

    async def regain(self, content: Content, pieces: list[int]) -> None:
        """Count again pieces that did not, and were just found good. PeerError."""
        self._to_heal[content.id].difference_update(pieces)
        self.recorded(content.id, [])
        await self._contents.record(content, pieces)
        self._store.on_regained(content)

    async def read_part(self, content: Content, piece: int, start: int, length: int) -> bytes:
        """Bytes of a piece that counts, as they lie on the disk, unchecked.

        PieceLostError when they are gone or changed, PieceUnreadError when they cannot be read for
        now, PeerError when they are beyond the piece.
        """
        try:
            manifest, layout = await self._contents.opened(content.id)
        except KeyError:
            raise PieceLostError("it is not held any more") from None
        geometry = manifest.geometry
        if start + length > geometry.piece_size(piece):
            raise PeerError("the piece is shorter")
        offset = piece * geometry.piece_length + start
        look = partial(_check_looks, content)
        try:
            return await self._store.in_thread(read_range, layout, offset, length, look)
        except (OSError, EOFError, _ChangedError) as error:
            self._store.on_unread(content, [piece])
            passing = isinstance(error, OSError) and fault_of(error) in UNDECIDED
            kind = PieceUnreadError if passing else PieceLostError
            raise kind(f"the piece cannot be read: {error}") from None

    def recorded(self, manifest: ManifestId, pieces: list[int]) -> None:
        """Pieces have come and count: those that were bad before are healed."""
        if manifest in self._to_heal:
            healed = self._to_heal[manifest].intersection(pieces)
            self.healed += len(healed)
            if healed:
                self.on_healed(len(healed))
            self._to_heal[manifest] -= healed
            if not self._to_heal[manifest]:
                del self._to_heal[manifest]

    async def _lose(
        self, content: Content, layout: Layout, bad: list[int], found: dict[int, State]
    ) -> None:
        self.bad += len(bad)
        self._to_heal[content.id].update(bad)
        by_disk = [p for p in bad if found[p] is not State.GONE]
        if back := [p for p in bad if found[p] is not State.ROTTEN]:
            # A disk that was pulled out may come back, with the only copy.
            self._store.on_unread(content, back)
        device = await self._store.in_thread(_device_of, layout)
        path = str(content.path or layout.root.parent.parent)
        try:
            await self._store.lose(content, bad, "other bytes, or none, were found on the disk")
        finally:
            await self.on_bad(content, Bad(bad, len(by_disk), device, path))

    def _look(
        self,
        content: Content,
        manifest: Manifest,
        layout: Layout,
        pieces: list[int],
        now: int,
    ) -> dict[int, State]:
        """How each piece is; blocking."""
        found = {}
        with memoryview(mmap.mmap(-1, manifest.geometry.piece_length)) as buffer:
            for piece in pieces:
                state = self._state(content, manifest, layout, piece, buffer)
                if state in LOST and state is not State.UNREADABLE:
                    # Twice, as memory and cables fail too, and a file may be just being changed.
                    state = self._state(content, manifest, layout, piece, buffer)
                if state is State.ROTTEN and layout.own and piece in content.bits:
                    size = manifest.geometry.piece_size(piece)
                    self._set_aside(content, piece, buffer[:size], now)
                found[piece] = state
                self.bytes += manifest.geometry.piece_size(piece)
        return found

    def _state(
        self,
        content: Content,
        manifest: Manifest,
        layout: Layout,
        piece: int,
        buffer: memoryview,
    ) -> State:
        try:
            read = read_cold(layout, piece, buffer, partial(_check_looks, content))
        except _ChangedError:
            return State.CHANGED
        except EOFError:
            return State.GONE if layout.own else State.CHANGED
        except OSError as error:
            return _state_after(error, layout)
        with read:
            return State.GOOD if _is_good(read, manifest, piece) else State.ROTTEN

    def _set_aside(self, content: Content, piece: int, rotten: memoryview, now: int) -> None:
        try:
            self._quarantine.keep(content.id, piece, rotten, now)
        except OSError as error:
            # To be healed is worth more than to be looked at.
            log.warning("damaged bytes not kept", piece=piece, error=str(error))


def _is_good(read: memoryview, manifest: Manifest, piece: int) -> bool:
    return hash_piece(read) == manifest.piece_hash(piece)


def _check_looks(content: Content, segment: Segment, found: os.stat_result) -> None:
    if content.path is None:
        return
    expected = content.stats.get(segment.file)
    looks = (found.st_size, found.st_mtime_ns)
    if expected is None or looks != (expected.size, expected.mtime):
        raise _ChangedError


def _state_after(error: OSError, layout: Layout) -> State:
    fault = fault_of(error)
    if fault is Fault.DISK:
        log.error("the disk cannot read", file=str(error.filename or layout.root), error=str(error))
        return State.UNREADABLE
    if fault is Fault.GONE:
        return State.GONE if layout.own else State.CHANGED
    log.warning("not read", file=str(layout.root), error=str(error))
    return State.AWAY if fault is Fault.AWAY else State.SKIPPED


def _device_of(layout: Layout) -> int:
    for path in (layout.root, layout.root.parent, layout.root.parent.parent):
        with suppress(OSError):
            return path.stat().st_dev
    return 0


async def _nothing(_: Content, __: Bad) -> None:
    return None
