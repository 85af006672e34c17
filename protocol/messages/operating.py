"""What an operator (the command line, the web page) and its daemon say to each other."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from protocol.fields import (
    MAX_TAGS,
    Bits,
    Caption,
    Copies,
    Count,
    Label,
    Name,
    PathText,
)
from protocol.kinds import ContentKind
from protocol.messages.base import Message, Reply, Request
from protocol.messages.finding import MAX_CURSOR, Filters, ReplacedWords, SearchWords, Sort
from protocol.messages.health import Safety
from protocol.messages.limiting import RatesView
from protocol.messages.picture_views import PictureView, RenditionView
from protocol.messages.scrubbing import DiskView, ScrubView
from protocol.messages.shared import PeerState
from protocol.messages.standing import Standing
from protocol.pictures import Picture

EntryText = Annotated[str, Meta(min_length=1, max_length=300)]
"""A link, an id, or a unique beginning of an id (at least 6 hex digits), as a person gave it."""
Hex = Annotated[str, Meta(max_length=64)]
MAX_PATTERNS = 64
Patterns = Annotated[tuple[PathText, ...], Meta(max_length=MAX_PATTERNS)]
"""Of paths inside a folder, as a shell has them: `*.jpg`, `docs/**`, `a/b.txt`."""


class CopiesView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`have` counts live holders of the worst-held piece; `want` is what the author asked for."""

    have: Count
    want: Count


class HolderView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine by name, the number of pieces it holds, and whether it is there."""

    peer: str
    pieces: Count
    state: PeerState


class EntryView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry as people and programs are shown it; `created` is milliseconds since 1970.

    `here` is how many of its pieces this machine holds.
    """

    id: Hex
    link: str
    name: str
    kind: Literal["file", "folder"]
    size: Count
    files: Count
    author: str
    caption: str
    tags: tuple[str, ...]
    created: Count
    edited: Count = 0
    """Milliseconds since 1970; 0 for never."""
    version: Count = 1
    """Its sequence number: each edit, deletion and restoration takes one."""
    restored_by: str = ""
    """The admin that brought it back as it is; "" if none did."""
    pieces: Count
    here: Count
    copies: CopiesView
    holders: tuple[HolderView, ...]
    notice: str = ""
    """What happened to the files shared here, for their owner; "" for nothing."""
    held: bool = False
    """Whether a deletion of it waits for somebody's approval."""
    content: ContentKind = "other"
    """What is in it, by the name's ending."""
    safety: Safety = "safe"
    safety_text: str = ""
    """The same for a person, with what to do about it."""
    picture: PictureView | None = None
    renditions: tuple[RenditionView, ...] = ()
    """The smaller versions there are of a picture, the largest first."""
    inside: str = ""
    """Of a folder that a search did not find by its own words: the name in it that was met, in
    lower case."""


class GetStatus(Request, frozen=True, kw_only=True, tag=True):
    """Ask how the daemon is."""


class PeerView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """This machine."""

    id: Hex
    name: str
    version: str
    listen: str
    standing: Standing = "active"
    """What the roster says of it."""


class TrackerView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the tracker is connected now."""

    state: Literal["connected", "unreachable"]


class SwarmView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The group: its name, the number of its newest roster, how many peers are members."""

    name: str
    roster: Count
    members: Count


class StoreView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes kept for the group, bytes offered, pieces held, and bytes for which there is room.

    `room` is 0 when the capacity is used up or the disk nearly full.
    """

    bytes: Count
    capacity: Count
    pieces: Count
    room: Count


class NoticeView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something the machine's owner should know; `when` is milliseconds since 1970.

    It is about `files` that were shared where they lie, this `machine`, or its `tracker`.
    """

    when: Count
    text: str
    about: Literal["files", "machine", "tracker"] = "machine"


class TransferView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One download under way. `rate` is bytes a second; `left` seconds, None when unknown.

    `purpose`: "get" for a person, "keep" because the ring says so.
    """

    id: Hex
    name: str
    purpose: Literal["get", "keep"]
    size: Count
    done: Count
    rate: Count
    left: Count | None
    sources: tuple[str, ...]


class Status(Reply, frozen=True, kw_only=True, tag=True):
    """How the daemon is; `limits` are those of the whole daemon that are in force now."""

    peer: PeerView
    web: str | None
    tracker: TrackerView
    swarm: SwarmView
    store: StoreView
    transfers: tuple[TransferView, ...]
    notices: tuple[NoticeView, ...] = ()
    """Newest first; the oldest are left out when there are many."""
    scrub: ScrubView
    disks: tuple[DiskView, ...] = ()
    """Disks that should be replaced."""
    limits: RatesView
    congestion: tuple[str, ...]
    """What the kernel controls our connections to peers by, as it calls them: ("bbr",)."""
    lanes: Count
    """How many further connections carry pieces, where one would be slow."""
    uploaded: Count
    downloaded: Count
    fetched_twice: Count
    """Pieces that came whole and were here already: nearly always the last ones of a download."""


class Progress(Message, frozen=True, kw_only=True, tag=True):
    """Sent any number of times before the reply to a long request. Bytes."""

    call: Count
    stage: Literal[
        "hashing", "copying", "downloading", "verifying", "replicating", "leaving", "dropping"
    ]
    done: Count
    total: Count
    text: str = ""


class Add(Request, frozen=True, kw_only=True, tag=True):
    """Share one file or folder, given by absolute path.

    What is `owned` lies in the daemon's spool and becomes the store's own: after the reply whoever
    put it there removes it. `keep` copies into the store, so that the files may change or go
    afterwards; others are shared where they lie. With `wait`, the reply comes when the wanted
    copies exist. `picture` is what was found by looking at it; of a rendition it names an entry of
    this machine's own, and the rendition goes when that is deleted.
    """

    path: PathText
    name: Name | None = None
    copies: Copies | None = None
    caption: Caption = ""
    tags: Annotated[tuple[str, ...], Meta(max_length=MAX_TAGS)] = ()
    owned: bool = False
    keep: bool = False
    wait: bool = False
    picture: Picture | None = None


class Added(Reply, frozen=True, kw_only=True, tag=True):
    """The entry as it stands. `skipped` names what in a folder is neither file nor folder.

    `published` is False while the tracker is away: others hear of the entry when it is back.
    """

    entry: EntryView
    published: bool = True
    skipped: tuple[str, ...] = ()
    seconds: float
    """From the request to the published entry, without the wait for copies."""


class Fetch(Request, frozen=True, kw_only=True, tag=True):
    """Download an entry to an absolute path, or (None) just into this machine's store.

    With `only`, just those files of a folder that one of these patterns matches; that needs a path.
    """

    entry: EntryText
    path: PathText | None
    only: Patterns = ()


class Fetched(Reply, frozen=True, kw_only=True, tag=True):
    """Every piece is here, verified and on disk. `sources` are the machines that sent pieces.

    `files` and `size` count what was asked for: with `only`, the chosen files.
    """

    id: Hex
    path: str | None
    files: Count
    size: Count
    seconds: float
    sources: tuple[str, ...]
    received: Count
    """Bytes of pieces that came over the network."""
    twice: Count = 0
    """Pieces that came twice, from two sources near the end."""


class Find(Request, frozen=True, kw_only=True, tag=True):
    """Search; "" lists everything, newest first. `cursor` is "" for the first page.

    A page may have fewer entries than `limit`, also none, and yet not be the last one.
    """

    words: SearchWords
    filters: Filters = Filters()
    sort: Sort = "relevance"
    cursor: Annotated[str, Meta(max_length=2 * MAX_CURSOR)] = ""
    limit: Annotated[int, Meta(ge=1, le=50)] = 50


class Found(Reply, frozen=True, kw_only=True, tag=True):
    """A page of entries; `local` when the tracker could not be asked; `more` than `total` exist.

    `replaced`: words that nothing has; these are entries that have others like them.
    """

    entries: tuple[EntryView, ...]
    total: Count
    cursor: str
    local: bool
    more: bool = False
    replaced: ReplacedWords = ()


class Show(Request, frozen=True, kw_only=True, tag=True):
    """Ask for one entry."""

    entry: EntryText


class Shown(Reply, frozen=True, kw_only=True, tag=True):
    """One entry."""

    entry: EntryView


class GetFiles(Request, frozen=True, kw_only=True, tag=True):
    """Ask for the files of an entry, from index `start` on."""

    entry: EntryText
    start: Count = 0


class FileView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file: its index in the manifest, path inside the folder ("" for a single file), bytes."""

    index: Count
    path: str
    size: Count


class Files(Reply, frozen=True, kw_only=True, tag=True):
    """At most 200 files; `total` in all."""

    files: tuple[FileView, ...]
    total: Count


class GetPieceMap(Request, frozen=True, kw_only=True, tag=True):
    """Ask which machine holds which pieces of an entry."""

    entry: EntryText


class PieceMapRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One machine's pieces; None for all."""

    peer: str
    state: PeerState
    bits: Bits | None


class PieceMap(Reply, frozen=True, kw_only=True, tag=True):
    """The pieces of an entry, machine by machine, this one first when it holds any."""

    pieces: Count
    rows: tuple[PieceMapRow, ...]


class Remove(Request, frozen=True, kw_only=True, tag=True):
    """Delete an entry for everyone: a signed tombstone."""

    entry: EntryText


class GetPeers(Request, frozen=True, kw_only=True, tag=True):
    """Ask for the machines of the swarm."""


class MachineView(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One machine; `seen` is milliseconds since 1970, 0 for never."""

    id: Hex
    name: str
    zone: Label
    state: PeerState
    addresses: tuple[str, ...]
    capacity: Count
    stored: Count
    seen: Count
    this: bool
    standing: Standing = "active"
    admin: bool = False


class Peers(Reply, frozen=True, kw_only=True, tag=True):
    """The machines, by name; `local` when the tracker could not be asked."""

    peers: tuple[MachineView, ...]
    local: bool
    warnings: tuple[str, ...] = ()
    """What about them endangers copies, and what to do about it."""


class Read(Request, frozen=True, kw_only=True, tag=True):
    """Make bytes of one file readable, fetching them if need be; answers when `offset` is there."""

    entry: EntryText
    file: Count
    offset: Count


class Readable(Reply, frozen=True, kw_only=True, tag=True):
    """`length` verified bytes lie at `position` of the local file `path`; 0 at the file's end."""

    path: str
    position: Count
    length: Count
    size: Count
    complete: bool
    """Whether the whole file is here, verified."""
