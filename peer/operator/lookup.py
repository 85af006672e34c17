"""Finding entries by what a person gives, and showing them: from the tracker, else from memory."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from peer.catalogue import Catalogue
from peer.errors import NotFoundError, NotPermittedError, UnreachableError, UsageError
from peer.notices import Notices
from peer.operator.fitting import fit
from peer.operator.local_correcting import LocalCorrecting
from peer.operator.local_search import LocalSearch
from peer.operator.rendition_views import picture_view, rendition_views
from peer.operator.safety import Found as FoundCopies
from peer.operator.safety import NamedHolder
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.store.contents import Contents
from peer.swarm.downloads import Downloads
from peer.swarm.replication import Replication
from peer.tracker_link import TrackerLink
from protocol import codec
from protocol.entry import Entry, RestoredEntry, Tombstone, read_record
from protocol.errors import InvalidTextError, RemoteProtocolError
from protocol.ids import EntryId, ManifestId, PeerId, SwarmKey
from protocol.kinds import content_kind
from protocol.link import Link, decode_link, encode_link, swarm_tag
from protocol.messages.finding import Replaced, problem_of
from protocol.messages.operating import (
    CopiesView,
    EntryView,
    Find,
    Found,
    HolderView,
)
from protocol.messages.picture_views import RenditionView
from protocol.messages.tracking import GetEntry, HolderSummary, Listing, Listings, Search
from protocol.signing import Signed
from protocol.words import Words, split_query

SHORTEST_PREFIX = 6


class Lookup:
    """Resolves links and ids, and makes views. Remembers every entry it sees."""

    def __init__(
        self,
        me: PeerId,
        swarm: SwarmKey,
        tracker: TrackerLink,
        catalogue: Catalogue,
        rosters: RosterBook,
        contents: Contents,
        replication: Replication,
        presence: Presence,
        notices: Notices,
        downloads: Downloads,
    ) -> None:
        self._me = me
        self._tag = swarm_tag(swarm)
        self._tracker = tracker
        self._catalogue = catalogue
        self._rosters = rosters
        self._contents = contents
        self._replication = replication
        self._presence = presence
        self._notices = notices
        self._downloads = downloads
        self.settle_trash: Callable[[ManifestId], Awaitable[None]] = _nothing
        """Called when an entry was found whose content may be in the trash here."""
        self.note_listed: Callable[[Iterable[Signed]], Awaitable[None]] = _nothing
        """Called with what the tracker listed."""
        self.suspect: Callable[[EntryId], None] = lambda _: None
        """Called with an entry that is known here, and that the tracker did not give."""

    async def entry(self, text: str) -> Entry:
        """The entry a link, id or beginning of an id names.

        Raises UsageError for text that can be none, NotFoundError, UnreachableError.
        """
        return (await self._find(text))[0]

    async def entry_and_holders(self, text: str) -> tuple[Entry, tuple[PeerId, ...]]:
        """The same, and who is there and said to hold some of it; nobody when that is unknown."""
        entry, listing = await self._find(text)
        holders = listing.holders if listing else ()
        live = (PeerId(holder.peer) for holder in holders if holder.state == "live")
        return entry, tuple(peer for peer in live if peer != self._me)

    async def seen(self, text: str) -> Entry | None:
        """The same as this machine remembers it, without asking anybody; None if it does not."""
        try:
            return await self._catalogue.find_prefix(self.parse(text))
        except (NotFoundError, UsageError):
            return None

    async def view(self, text: str) -> EntryView:
        """The same, as it is shown."""
        found = await self._find(text)
        return (await self._shown([found]))[0]

    def local_view(self, entry: Entry) -> EntryView:
        """An entry as far as this machine alone knows."""
        return self._view(entry, None)

    async def find(self, request: Find) -> Found:
        """A page of the entries that match."""
        problem = problem_of(request.filters)
        if problem:
            raise UsageError(problem)
        cursor = _decode_cursor(request.cursor)
        try:
            reply, _ = await self._tracker.call(
                lambda call: Search(
                    call=call,
                    words=request.words,
                    filters=request.filters,
                    sort=request.sort,
                    limit=request.limit,
                    cursor=cursor,
                ),
                Listings,
            )
        except UnreachableError:
            return await self._find_here(request, cursor)
        found = Found(
            call=request.call,
            entries=await self._views(reply.listings),
            total=reply.total,
            cursor=reply.cursor.hex(),
            local=False,
            more=reply.more,
            replaced=reply.replaced,
        )
        if len(codec.encode(found)) > codec.MAX_CONTROL and request.limit > 1:
            return await self.find(msgspec.structs.replace(request, limit=request.limit // 2))
        return found

    async def _views(self, listings: Iterable[Listing]) -> tuple[EntryView, ...]:
        """What is listed, as it is shown; without what is forged, or deleted as far as we know."""
        listed = list(listings)
        entries = await self._catalogue.learn_listed(listing.record for listing in listed)
        await self.note_listed([listing.record for listing in listed])
        for entry in entries:
            if entry is not None and self._contents.in_trash(entry.manifest):
                await self.settle_trash(entry.manifest)
        pairs = zip(entries, listed, strict=True)
        return await self._shown([(entry, told) for entry, told in pairs if entry is not None])

    async def _shown(self, found: Sequence[tuple[Entry, Listing | None]]) -> tuple[EntryView, ...]:
        renditions = await rendition_views(self._me, self._catalogue, found)
        return tuple(self._view(entry, listing, renditions[entry.id]) for entry, listing in found)

    async def _find_here(self, request: Find, cursor: bytes) -> Found:
        words = split_query(request.words)
        wanted = await self._look_here(request, words, cursor)
        replaced: tuple[Replaced, ...] = ()
        if words and not wanted.total:
            corrected = await LocalCorrecting(words, self._rosters).corrected(self._catalogue)
            if corrected is not None:
                wanted = await self._look_here(request, corrected.words, cursor)
                replaced = corrected.replaced if wanted.total else ()
        found = wanted.found()
        views = await self._shown([(entry, None) for _, entry in found])

        def page(number: int) -> Found:
            last = number == wanted.remaining
            ended = b"" if last or not number else wanted.cursor_after(found[number - 1][0])
            return Found(
                call=request.call,
                entries=views[:number],
                total=wanted.total,
                cursor=ended.hex(),
                local=True,
                replaced=replaced,
            )

        return fit(page, len(views))

    async def _look_here(self, request: Find, words: Words, cursor: bytes) -> LocalSearch:
        wanted = LocalSearch(request, words, cursor, self._rosters, self._holds, self._is_short)
        await wanted.look(self._catalogue)
        return wanted

    def _holds(self, peer: PeerId, manifest: ManifestId) -> bool:
        """Whether a machine holds all of a manifest, as far as this one knows."""
        if peer != self._me:
            return peer in self._replication.confirmed(manifest)
        content = self._contents.get(manifest)
        return content is not None and content.complete

    def _is_short(self, entry: Entry) -> bool:
        holders = self._holders(entry, None)
        live = sum(h.state == "live" and h.pieces >= entry.pieces for h in holders)
        return live < entry.copies

    async def _find(self, text: str) -> tuple[Entry, Listing | None]:
        prefix = self.parse(text)
        try:
            reply, _ = await self._tracker.call(
                lambda call: GetEntry(call=call, prefix=prefix), Listings
            )
        except UnreachableError as error:
            try:
                return await self._catalogue.find_prefix(prefix), None
            except NotFoundError:
                text = f"{error}, and this machine has not seen {prefix.hex()}"
                raise UnreachableError(text) from None
        except NotFoundError:
            reply = Listings(call=0, listings=(), total=0)
        # Whatever else it lists, signed by whomever, is not what was asked for.
        listings = [each for each in reply.listings if _is_of(each.record, prefix)]
        if len(listings) > 1:
            raise UsageError(f"{text} is the beginning of several ids; give more of it")
        if listings:
            entry = await self._learn(listings[0])
            if entry is not None:
                return entry, listings[0]
        found = await self._catalogue.find_prefix(prefix)
        if not listings:
            self.suspect(found.id)
        return found, None

    async def _learn(self, listing: Listing) -> Entry | None:
        """The entry of a listing; None when it is forged, or deleted as far as we know."""
        try:
            record, _ = await self._catalogue.learn(listing.record)
        except (RemoteProtocolError, NotPermittedError):
            return None
        await self.note_listed([listing.record])
        if self._contents.in_trash(record.manifest):
            await self.settle_trash(record.manifest)
        newest = await self._catalogue.find(record.id)
        if isinstance(record, Tombstone) or (newest and isinstance(newest[0], Tombstone)):
            return None
        return record

    def parse(self, text: str) -> bytes:
        """The bytes an entry's id begins with, by link or id; UsageError for other text."""
        stripped = text.strip()
        try:
            if not stripped.lower().startswith("twofold"):
                return _parse_id(stripped)
            link = decode_link(stripped)
        except InvalidTextError as error:
            raise UsageError(str(error)) from None
        if link.swarm_tag != self._tag:
            raise UsageError("this link belongs to another swarm")
        return link.entry

    def _view(
        self, entry: Entry, listing: Listing | None, renditions: tuple[RenditionView, ...] = ()
    ) -> EntryView:
        holders = self._holders(entry, listing)
        have = (
            listing.have
            if listing
            else sum(h.state == "live" and h.pieces >= entry.pieces for h in holders)
        )
        content = self._contents.get(entry.manifest)
        told = any(holder.peer == self._me for holder in holders)
        if listing and content and content.complete and not told:
            # The tracker has not counted what was only just announced.
            me = HolderSummary(peer=self._me, pieces=entry.pieces, state="live")
            holders, have = (me, *holders), have + 1
        copies = CopiesView(have=have, want=entry.copies)
        found = self._copies(entry, copies, holders, lost=listing is not None and listing.lost)
        return EntryView(
            id=entry.id.hex(),
            link=encode_link(Link(swarm_tag=self._tag, entry=entry.id)),
            name=entry.name,
            kind=entry.kind,
            content=content_kind(entry.kind, entry.name),
            size=entry.size,
            files=entry.files,
            author=self._rosters.name_of(entry.author),
            caption=entry.caption,
            tags=entry.tags,
            created=entry.created,
            edited=entry.edited,
            version=entry.sequence,
            restored_by=self._restored_by(entry),
            pieces=entry.pieces,
            here=content.bits.count if content else 0,
            copies=copies,
            holders=tuple(
                HolderView(peer=self._rosters.name_of(h.peer), pieces=h.pieces, state=h.state)
                for h in holders
            ),
            notice=self._notices.about(entry.manifest),
            held=self._catalogue.is_held(entry.id) or (listing is not None and listing.held),
            safety=found.safety,
            safety_text=found.text,
            picture=picture_view(entry),
            renditions=renditions,
            inside=listing.inside if listing is not None else "",
        )

    def _restored_by(self, entry: Entry) -> str:
        return self._rosters.name_of(entry.by) if isinstance(entry, RestoredEntry) else ""

    def _copies(
        self, entry: Entry, copies: CopiesView, holders: tuple[HolderSummary, ...], *, lost: bool
    ) -> FoundCopies:
        presence, rosters = self._presence, self._rosters
        named = [
            NamedHolder(rosters.name_of(h.peer), h.pieces, h.state, presence.out_in(h.peer))
            for h in holders
        ]
        storing = {member.peer for member in rosters.ring.members}
        spare = any(presence.state(p) == "live" for p in storing - {h.peer for h in holders})
        own = self._downloads.find(entry.manifest)
        fetching = None
        if own is not None and own.purpose == "keep":
            fetching = 100 * own.done_bytes // max(1, own.size)
        return FoundCopies(copies, entry.pieces, named, lost, fetching, spare)

    def _holders(self, entry: Entry, listing: Listing | None) -> tuple[HolderSummary, ...]:
        if listing is not None:
            return listing.holders
        holders = []
        content = self._contents.get(entry.manifest)
        if content is not None:
            pieces = content.bits.count
            holders.append(HolderSummary(peer=self._me, pieces=pieces, state="live"))
        for peer in self._replication.confirmed(entry.manifest):
            state = self._presence.state(peer)
            holders.append(HolderSummary(peer=peer, pieces=entry.pieces, state=state))
        return tuple(holders)


def _parse_id(text: str) -> bytes:
    """The bytes an id begins with; an odd last digit is left out, as ids are matched by bytes."""
    try:
        prefix = bytes.fromhex(text[: len(text) // 2 * 2])
        int(text, 16)
    except ValueError:
        raise UsageError(f"{text!r} is neither a link nor an id") from None
    if not SHORTEST_PREFIX <= len(text) <= 32:
        raise UsageError(f"an id has 32 hexadecimal digits; give {SHORTEST_PREFIX} of them or more")
    return prefix


def _decode_cursor(cursor: str) -> bytes:
    try:
        return bytes.fromhex(cursor)
    except ValueError:
        raise UsageError("the page cursor is not one this daemon gave") from None


def _is_of(signed: Signed, prefix: bytes) -> bool:
    """Whether a record is of an entry whose id begins so."""
    try:
        return read_record(signed.body).id.startswith(prefix)
    except RemoteProtocolError:
        return False


async def _nothing(_: object) -> None:
    return None
