"""How safe one entry is, in a word and in words. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from peer.words import duration_text, listed
from protocol.messages.health import Safety
from protocol.messages.operating import CopiesView
from protocol.messages.shared import PeerState


@dataclass(frozen=True)
class NamedHolder:
    """A machine that holds pieces; `out` is in how many seconds it is out of the ring, if known."""

    name: str
    pieces: int
    state: PeerState
    out: float | None = None


@dataclass(frozen=True)
class Found:
    """All there is to know of an entry's copies.

    `fetching` is how many percent of it are here, while this machine makes a copy. `spare`: there
    is a machine that could take one.
    """

    copies: CopiesView
    pieces: int
    holders: Sequence[NamedHolder]
    lost: bool
    fetching: int | None
    spare: bool

    @property
    def safety(self) -> Safety:
        """The class it is counted in."""
        if self.copies.have >= self.copies.want:
            return "safe"
        if self.copies.have:
            return "short" if self._progress() is None else "repairing"
        return "lost" if self.lost else "away"

    @property
    def text(self) -> str:
        """What a person should know and do."""
        have, want = self.copies.have, self.copies.want
        match self.safety:
            case "safe":
                names = listed([holder.name for holder in self._whole() if holder.state == "live"])
                return f"{min(have, want)} of {want} copies" + (f", on {names}" if names else "")
            case "repairing":
                return f"{have} of {want}: being repaired: {self._progress()}%"
            case "short":
                return f"{have} of {want}: {self._when()}"
            case "away":
                away = self._away()
                return "lost for now" + (f": bring back {listed(away)}" if away else "")
            case "lost":
                return "lost: no machine is known to hold all of it"

    def _when(self) -> str:
        waiting = [h for h in self._whole() if h.state == "suspect" and h.out is not None]
        if waiting:
            seconds = min(holder.out for holder in waiting if holder.out is not None)
            return f"repair starts in {duration_text(seconds)}"
        return "about to be copied" if self.spare else "waiting for another machine"

    def _whole(self) -> list[NamedHolder]:
        return [holder for holder in self.holders if holder.pieces >= self.pieces]

    def _away(self) -> list[str]:
        """Any one of those that have it all; else all that have a part."""
        away = [holder for holder in self.holders if holder.state != "live"]
        whole = [holder.name for holder in away if holder.pieces >= self.pieces]
        return whole[:1] or [holder.name for holder in away]

    def _progress(self) -> int | None:
        """How far the copy is that is furthest; None when none is being made."""
        parts = [
            100 * holder.pieces // self.pieces
            for holder in self.holders
            if holder.state == "live" and 0 < holder.pieces < self.pieces
        ]
        if self.fetching is not None:
            parts.append(self.fetching)
        return max(parts, default=None)
