"""Who is asked for which piece: fills every source's window, and takes back what is late.

Decides at once and without waiting; the picker says which piece, each Source how many.
"""

import random

import structlog
import trio

from peer.swarm.peer_link import PeerLink
from peer.swarm.picker import Picker, PieceState
from peer.swarm.source import Source
from protocol.bitfield import Bitfield
from protocol.ids import PeerId
from protocol.manifest import Manifest
from protocol.messages.peering import CancelPiece, Follow, GetPiece, Unfollow

log = structlog.get_logger()

SILENT = 15.0
"""Seconds without a byte of what was asked for after which a link is cut."""
MOST_ASKED = 200
"""Pieces asked of one link by all downloads together; past 256 the other side cuts it."""
WORTH_TWICE = 0.25
"""Seconds that a piece must hold up the end for, before it is asked for twice."""
READERS = 2
"""So many who wait are served, the newest first: of most others the browser has gone elsewhere."""
SPARED, SPARED_TIMES = 2.0, 4.0
"""Others who fetch the same may take two seconds and four times as long as the source would."""


class Asking:
    """The requests of one download over all its links."""

    def __init__(
        self, manifest: Manifest, wanted: list[int], me: PeerId, name: str, chance: random.Random
    ) -> None:
        self.picker = Picker(manifest.pieces, wanted, chance)
        self.sources: dict[PeerLink, Source] = {}
        self._takers: set[PeerLink] = set()
        """Those of the sources that fetch the same: they have not everything, as we have not."""
        self._manifest = manifest
        self._me = me
        self._name = name

    @property
    def under_way(self) -> bool:
        """Whether anybody has been asked for anything that has not come."""
        return any(source.asked for source in self.sources.values())

    # Sources

    def add(self, link: PeerLink) -> None:
        """Ask a link what it holds."""
        source = self.sources[link] = Source(self._manifest.geometry.piece_length)
        source.excuse(link.held_up_for)
        link.downloads += 1
        link.put(Follow(manifest=self._manifest.id))

    def drop(self, link: PeerLink) -> None:
        """A link is gone: its pieces are needed again."""
        source = self.sources.pop(link, None)
        self.picker.drop_source(link)
        if source is not None:
            link.downloads -= 1
            for piece in list(source.asked):
                self._unask(piece)
        self._share_out()

    def leave_all(self) -> None:
        """The end: sources need send nothing more."""
        for link, source in self.sources.items():
            link.downloads -= 1
            for piece in source.asked:
                link.put(CancelPiece(manifest=self._manifest.id, piece=piece))
            link.put(Unfollow(manifest=self._manifest.id))
        self.sources.clear()

    def holds(self, link: PeerLink, held: Bitfield) -> None:
        """All a source holds."""
        self.picker.set_source(link, held)
        self._share_out()

    def gained(self, link: PeerLink, pieces: tuple[int, ...]) -> None:
        """Pieces a source has gained."""
        self.picker.add_to_source(link, pieces)
        if link in self._takers and self.picker.has_all(link):
            self._share_out()

    def lacks(self, link: PeerLink, piece: int) -> None:
        """A source will not send a piece it was asked for."""
        self.picker.take_from_source(link, piece)
        source = self.sources.get(link)
        if source is not None and piece in source.asked:
            source.give_up(piece)
            self._unask(piece)

    def _share_out(self) -> None:
        """Take our part among all who fetch this now."""
        self._takers = {link for link in self.sources if not self.picker.has_all(link)}
        rank = sum(link.peer < self._me for link in self._takers)
        self.picker.take_share(rank, len(self._takers) + 1)

    # Requests

    def begin_to_read(self, positions: list[int]) -> None:
        """Readers wait at these pieces, the last is new: what they do not wait for comes after.

        What is on its way all the same counts when it comes.
        """
        self.read_from(positions)
        if self.picker.state(positions[-1]) is not PieceState.NEEDED:
            return
        served = positions[-READERS:]
        for link, source in self.sources.items():
            for asked in set(source.asked).difference(served):
                self._cancel(link, source, asked)
                self._unask(asked)

    def read_from(self, positions: list[int]) -> None:
        """Readers wait at these pieces, or the last did: ask for those, and on from there."""
        self.picker.read_from(reversed(positions[-READERS:]))

    def ask(self, now: float, *, fill: bool, urgent: bool) -> None:
        """Ask every source for as much as it has room for; without `fill`, for one at a time."""
        for link, source in self.sources.items():
            source.excuse(link.held_up_for)
            share = MOST_ASKED // max(1, link.downloads) if fill else 1
            own = self._is_spared(link, source)
            for _ in range(source.room(share, link.connections)):
                piece = self.picker.pick(link, own=own)
                if piece is None:
                    piece = self._pick_twice(link, source)
                if piece is None:
                    break
                source.ask(piece, now)
                link.put(GetPiece(manifest=self._manifest.id, piece=piece, urgent=urgent))

    def cancel(self, piece: int) -> None:
        """A piece has come: whoever else was asked for it need not send it."""
        for link, source in self.sources.items():
            if piece in source.asked:
                self._cancel(link, source, piece)

    def do_without(self, link: PeerLink, source: Source, now: float) -> None:
        """A source is late: others get its pieces, as far as they have them."""
        silent = source.silent_for(now)
        if min(silent, now - link.last_bytes) > SILENT:
            log.info("source sends nothing", peer=link.name, pieces=len(source.asked))
            link.cut("stalled: sends nothing of what was asked for")
            self.drop(link)
            return
        others = [other for other in self.sources if other is not link]
        given = [p for p in source.asked if any(self.picker.has(other, p) for other in others)]
        if not given:
            return
        if source.stalled and silent > SILENT:
            # What drips in holds a buffer that others could fill.
            log.info("source is too slow", peer=link.name, entry=self._name)
            link.cut("too slow: a piece was given to others long ago and has not come")
            self.drop(link)
            return
        log.info("source is late", peer=link.name, pieces=len(given), entry=self._name)
        source.stalled = True
        for piece in given:
            self._cancel(link, source, piece)
            self._unask(piece)

    def take_back_late(self) -> None:
        """Look for sources that are late, by their own history."""
        now = trio.current_time()
        for link, source in list(self.sources.items()):
            source.excuse(link.held_up_for)
            if source.is_late(now):
                self.do_without(link, source, now)

    def _cancel(self, link: PeerLink, source: Source, piece: int) -> None:
        source.cancel(piece)
        link.put(CancelPiece(manifest=self._manifest.id, piece=piece))

    def _unask(self, piece: int) -> None:
        """Back to NEEDED unless another source has been asked for it too."""
        if any(piece in source.asked for source in self.sources.values()):
            return
        if self.picker.state(piece) is PieceState.ASKED:
            self.picker.put_back(piece)

    def _is_spared(self, link: PeerLink, source: Source) -> bool:
        """Whether a source that has everything is asked only for our share of it.

        While others fetch the same at the same time and bring their shares fast enough, it need
        not send each of us all of it.
        """
        if link in self._takers or not self.under_way:
            return False
        # Who has nothing to bring just now must not count: the rest would wait for the slowest.
        bringing = [
            self.sources[taker]
            for taker in self._takers
            if self.sources[taker].asked or self.picker.useful(taker)
        ]
        rate = sum(taker.rate for taker in bringing)
        if not rate or not source.rate:
            return bool(rate)
        # What they have been asked for comes before what they could be asked for now.
        pieces = self.picker.needed + sum(len(taker.asked) for taker in bringing)
        left = pieces * self._manifest.geometry.piece_length
        return left / rate < SPARED + SPARED_TIMES * left / source.rate

    def _pick_twice(self, link: PeerLink, source: Source) -> int | None:
        """Near the end: a piece that a slower source has been asked for and may hold up."""
        if self.picker.needed or source.asked or not source.rate:
            return None
        ours = self._manifest.geometry.piece_length / source.rate
        best, most = None, max(WORTH_TWICE, 2.0 * ours)
        for other, book in self.sources.items():
            if other is link or not book.asked:
                continue
            for place, piece in enumerate(book.asked, start=1):
                left = place * book.piece_length / book.rate if book.rate else 60.0
                if left > most and self.picker.has(link, piece):
                    best, most = piece, left
        return best
