"""Search while the tracker is away: every entry this machine has seen is looked at, in portions.

So that others get at the database in between. Goes by what this machine knows of copies and of who
holds what; cursors are the tracker's, so that a list begun with it goes on here, and back. Names
inside folders are not looked at: it would take reading every manifest.
"""

from bisect import insort
from collections.abc import Callable
from typing import NamedTuple

from peer.catalogue import Catalogue
from peer.errors import NotFoundError, UsageError
from peer.roster_book import RosterBook
from protocol.entry import Entry
from protocol.errors import InvalidTextError
from protocol.ids import EntryId, ManifestId, PeerId
from protocol.kinds import content_kind, is_wanted
from protocol.messages.operating import Find
from protocol.naming import keys_called
from protocol.sorting import (
    DESCENDING,
    Place,
    decode_cursor_untrusted,
    encode_cursor,
    settled,
)
from protocol.words import Words, fold, name_key, nearness, searchable, spaced

AT_ONCE = 500

Holds = Callable[[PeerId, ManifestId], bool]


class Match(NamedTuple):
    """An entry that was found, and where it is in the order."""

    place: Place
    entry: Entry


class LocalSearch:
    """One page of one search: `look`, then ask what was found."""

    def __init__(
        self,
        request: Find,
        words: Words,
        cursor: bytes,
        rosters: RosterBook,
        holds: Holds,
        is_short: Callable[[Entry], bool],
    ) -> None:
        self._words = words
        self._filters = request.filters
        self._limit = request.limit
        self._rosters = rosters
        self._holds = holds
        self._is_short = is_short
        self._sort = settled(request.sort, words=bool(self._words))
        try:
            self._after = decode_cursor_untrusted(self._sort, cursor) if cursor else None
        except InvalidTextError as error:
            raise UsageError(str(error)) from None
        self._authors = self._called(self._filters.author)
        self._machines = self._called(self._filters.machine)
        self._best: list[Match] = []
        self.total = 0
        """How many entries match, on whatever page."""
        self.remaining = 0
        """How many of them are on this page or later."""

    async def look(self, catalogue: Catalogue) -> None:
        """Look at every entry."""
        last = EntryId(b"")
        while portion := await catalogue.live_after(last, AT_ONCE):
            last = portion[-1].id
            for entry in portion:
                self._look_at(entry)

    def found(self) -> list[Match]:
        """This page's entries, in order."""
        best = reversed(self._best) if self._sort in DESCENDING else self._best
        return list(best)[: self._limit]

    def cursor_after(self, place: Place) -> bytes:
        """A cursor that goes on after an entry of this page."""
        return encode_cursor(self._sort, place)

    def _look_at(self, entry: Entry) -> None:
        if not self._matches(entry):
            return
        self.total += 1
        place = self._place(entry)
        descending = self._sort in DESCENDING
        if self._after is not None and not (
            place < self._after if descending else place > self._after
        ):
            return
        self.remaining += 1
        insort(self._best, Match(place, entry), key=lambda match: match.place)
        if len(self._best) > self._limit:
            self._best.pop(0 if descending else -1)

    def _matches(self, entry: Entry) -> bool:
        wanted = self._filters
        if wanted.kind and not is_wanted(content_kind(entry.kind, entry.name), wanted.kind):
            return False
        if not _is_within(entry.size, wanted.least, wanted.most):
            return False
        if not _is_within(entry.created, wanted.after, wanted.before):
            return False
        if self._authors is not None and entry.author not in self._authors:
            return False
        if not self._has_words(entry):
            return False
        if self._machines is not None and not any(
            self._holds(PeerId(peer), entry.manifest) for peer in self._machines
        ):
            return False
        return wanted.copies is None or self._is_short(entry) == (wanted.copies == "short")

    def _has_words(self, entry: Entry) -> bool:
        if not self._words:
            return True
        author = self._rosters.name_of(entry.author)
        text = searchable((entry.name, entry.caption, *entry.tags, author))
        return all(any(word in text for word in group) for group in self._words.groups)

    def _place(self, entry: Entry) -> Place:
        if self._sort == "name":
            return Place(name_key(entry.name), entry.id)
        if self._sort in ("largest", "smallest"):
            return Place((entry.size,), entry.id)
        if self._sort == "relevance":
            near = nearness(self._words, name_key(entry.name), spaced(fold(entry.name)))
            return Place((near, entry.created), entry.id)
        return Place((entry.created,), entry.id)

    def _called(self, name: str | None) -> frozenset[bytes] | None:
        if name is None:
            return None
        members = self._rosters.roster.members if self._rosters.roster else ()
        found = keys_called(name, ((member.peer, member.name) for member in members))
        if not found:
            raise NotFoundError(f"no machine of this swarm is called {name!r}")
        return frozenset(found)


def _is_within(number: int, least: int | None, most: int | None) -> bool:
    return (least is None or number >= least) and (most is None or number <= most)
