"""Answers to searches: what is found, and where it is, in pages that fit one control message.

Found is in memory, mostly; then what of the page is not is read from the database.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from pyroaring import FrozenBitMap

from protocol.correcting import Corrected
from protocol.entry import read_record
from protocol.errors import InvalidTextError
from protocol.inner_names import line_with
from protocol.messages.finding import MAX_INSIDE, Sort
from protocol.messages.tracking import Listing, Search
from protocol.sorting import Place, decode_cursor_untrusted, encode_cursor, settled
from protocol.words import Words, split_query
from tracker import finding, listing, search_index
from tracker.correcting import correct
from tracker.errors import RequestFailedError
from tracker.filtering import meeting, problem_with
from tracker.finding import Hits, Match, Order
from tracker.listing import Page, States
from tracker.page_rows import KnownHolders
from tracker.shelf import Shelf
from tracker.shown_rows import ShownRow, in_turn, load_shown
from tracker.snapshot import MEMORY, NotInMemoryError, Snapshot

_WORDS = 6
"""More may take long to be brought up to date, after many changes."""
_HOLDERS = 1_000
_LETTERS, _LOOKS = 10_000, 3_000
"""Names inside of so many letters, so often looked at, take a millisecond."""


@dataclass(frozen=True)
class Found:
    """A page of entries, and what is known of them, when the shelf was of a `version`."""

    version: int
    sort: Sort
    words: Words
    corrected: Corrected | None
    total: int
    page: Sequence[Match]
    more: bool
    """Whether others come behind it."""
    rows: dict[int, ShownRow]
    lacking: Sequence[int]
    """The entries whose rows are not in memory, and who holds them, if that is known."""
    holders: KnownHolders | None
    inside: dict[int, str]
    """The names in folders that were not found without those."""
    inside_lacking: Sequence[int]

    @property
    def complete(self) -> bool:
        """Whether nothing is to be read."""
        return not (self.lacking or self.inside_lacking)

    @property
    def is_told_at_once(self) -> bool:
        """Whether nothing is to be read, and telling it takes no time that others would notice.

        Long lists of names, and of parts that somebody holds, do.
        """
        if not self.complete or self._looks_long():
            return False
        # Most are held by the same few machines: kept once.
        alike = {id(row.held): row.held for row in self.rows.values()}.values()
        parts = any(one.bits is not None for held in alike for one in held)
        return not parts and sum(len(row.held) for row in self.rows.values()) <= _HOLDERS

    def _looks_long(self) -> bool:
        """Whether each word is looked for in many names inside."""
        texts = self.inside.values()
        if sum(map(len, texts)) > _LETTERS:
            return True
        names = sum(text.count("\n") + 1 for text in texts)
        return names * sum(map(len, self.words.groups)) > _LOOKS


def search(snapshot: Snapshot, request: Search, states: States, now: int, shelf: Shelf) -> Page:
    """One page of what is asked for; of the snapshot nothing was read yet."""
    with shelf.held(snapshot, now):
        found = _find(snapshot, request, states, now, shelf)
    return tell(snapshot, found, states, now, shelf)


def find_in_memory(request: Search, states: States, now: int, shelf: Shelf) -> Found | None:
    """What is to be told, if that can be known at once and without the database."""
    try:
        with shelf.held_as_it_is(now):
            return _find(MEMORY, request, states, now, shelf)
    except NotInMemoryError:
        return None


def tell(snapshot: Snapshot, found: Found, states: States, now: int, shelf: Shelf) -> Page:
    """The page of what was found, reading what is not in memory."""
    rows, inside = _read(snapshot, found, now, shelf)
    # What is deleted at this moment is left out.
    told = in_turn(rows, [match.number for match in found.page])
    listings = listing.fitting(_with_inner(listing.listings_of(told, states), told, inside, found))
    replaced = found.corrected.replaced if found.corrected else ()
    if not listings or (len(listings) == len(told) and not found.more):
        return Page(listings, found.total, b"", replaced=replaced)
    last = told[len(listings) - 1]
    place = Place(dict(found.page)[last.number], read_record(last.record.body).id)
    cursor = encode_cursor(found.sort, place)
    return Page(listings, found.total, cursor, replaced=replaced)


def _find(snapshot: Snapshot, request: Search, states: States, now: int, shelf: Shelf) -> Found:
    words = split_query(request.words)
    sort = settled(request.sort, words=bool(words))
    after = _place_untrusted(sort, request.cursor)
    problem_with(request.filters)
    if len(words.each) > _WORDS:
        snapshot.take_time()
    meet = meeting(snapshot, shelf, request.filters, states, now)
    hits, corrected = _hits(snapshot, shelf, meet, words)
    words = corrected.words if corrected else words
    matches = finding.page(snapshot, shelf, hits, words, Order(sort, after, request.limit + 1))
    page = matches[: request.limit]
    rows, lacking = shelf.rows.get([match.number for match in page])
    met_inside = [match.number for match in page if match.number in hits.inside]
    inside, inside_lacking = shelf.inside.get(met_inside)
    return Found(
        version=shelf.version,
        sort=sort,
        words=words,
        corrected=corrected,
        total=len(hits.all),
        page=page,
        more=len(matches) > request.limit,
        rows=rows,
        lacking=lacking,
        holders=shelf.possession.holders(lacking) if lacking else None,
        inside=inside,
        inside_lacking=inside_lacking,
    )


def _place_untrusted(sort: Sort, cursor: bytes) -> Place | None:
    try:
        return decode_cursor_untrusted(sort, cursor) if cursor else None
    except InvalidTextError as error:
        raise RequestFailedError("invalid", str(error)) from None


def _hits(
    snapshot: Snapshot, shelf: Shelf, meet: FrozenBitMap, words: Words
) -> tuple[Hits, Corrected | None]:
    """What is found, and with which words, if with others than were asked for."""
    hits = finding.having(snapshot, shelf, meet, words)
    if hits.all or not words or not meet:
        return hits, None
    corrected = correct(snapshot, shelf, words)
    if corrected is None:
        return hits, None
    hits = finding.having(snapshot, shelf, meet, corrected.words)
    return hits, corrected if hits.all else None


def _read(
    snapshot: Snapshot, found: Found, now: int, shelf: Shelf
) -> tuple[dict[int, ShownRow], dict[int, str]]:
    """All rows of a page, and the names in folders; what had to be read is remembered."""
    if found.complete:
        return found.rows, found.inside
    rows: dict[int, ShownRow] = {}
    inside: dict[int, str] = {}
    if found.lacking:
        rows = load_shown(snapshot.connection, found.lacking, now, found.holders)
    if found.inside_lacking:
        inside = search_index.texts_inside(snapshot.connection, found.inside_lacking)
    shelf.keep_read(rows, inside, found.version)
    return found.rows | rows, found.inside | inside


def _with_inner(
    listings: Iterator[Listing], rows: Sequence[ShownRow], inside: dict[int, str], found: Found
) -> Iterator[Listing]:
    """Listings, with the name inside that was met where nothing else was."""
    for row, each in zip(rows, listings, strict=True):
        text = inside.get(row.number)
        if text is None:
            yield each
        else:
            line = line_with(text, found.words.groups)
            yield msgspec.structs.replace(each, inside=line[:MAX_INSIDE])
