"""Notices when the tracker says less than it said before, and shows it to this machine's owner.

Each thing that a tracker says is checked where it comes in; what cannot be seen there is age, as
all that was ever signed is true. So what it said is remembered: which database it has, up to which
change, and which records it listed. What looks older is looked at a second time, a minute later:
news may have crossed, and of several trackers one may be behind.
"""

import sqlite3
from collections.abc import Callable, Iterable

import msgspec
import structlog
import trio

from peer import records
from peer.database import Database
from peer.errors import NotFoundError, PeerError
from peer.tracker_link import TrackerLink
from protocol.entry import Entry, read_record, supersedes
from protocol.errors import RemoteProtocolError
from protocol.ids import EntryId
from protocol.messages.operating import NoticeView
from protocol.messages.tracking import GetEntry, Listings, Presented
from protocol.signing import Signed

log = structlog.get_logger()

SHOWN_FOR = 7 * 24 * 3600 * 1000
"""Milliseconds for which it is shown."""
AGAIN_AFTER = 60.0
LOOK_EVERY = 3600.0
"""Seconds between looks at one entry that is held here and was listed."""
MOST_SUSPECT = 100
_LONGEST_NAME = 60


class _Kept(msgspec.Struct):
    """What is remembered of the tracker: in the database as one fact."""

    epoch: bytes = b""
    change: int = 0
    since: int = 1
    """When this database was first met, in milliseconds: what was listed before counts no more."""
    told: dict[str, tuple[int, str]] = {}
    """The newest notice of each kind, and when."""


class Rollbacks:
    """`note_*` when something came; `run` looks a second time. `wall` gives milliseconds."""

    def __init__(self, database: Database, tracker: TrackerLink, wall: Callable[[], int]) -> None:
        self._database = database
        self._tracker = tracker
        self._wall = wall
        self._kept = _Kept()
        self._suspect: dict[EntryId, None] = {}
        self._wake = trio.Event()

    def load(self) -> None:
        """Read what an earlier run remembered."""
        row = self._database.connection.execute(
            "SELECT value FROM facts WHERE name = 'tracker'"
        ).fetchone()
        if row:
            self._kept = msgspec.msgpack.decode(row[0], type=_Kept)

    def notices(self) -> list[NoticeView]:
        """What was noticed lately."""
        late = self._wall() - SHOWN_FOR
        told = self._kept.told.values()
        return [NoticeView(when=w, text=text, about="tracker") for w, text in told if w > late]

    async def note_presented(self, presented: Presented, roster: int) -> bool:
        """The tracker said what it knows; whether its database was set back since.

        `roster` is the number of ours.
        """
        kept, set_back = self._kept, False
        if presented.epoch != kept.epoch:
            if kept.epoch:
                await self.note(
                    "database",
                    "the tracker has another database than before: lost, or restored from a "
                    "backup; it is given what this machine knows",
                )
            kept.epoch, kept.since = presented.epoch, self._wall()
        elif presented.change < kept.change:
            set_back = True
            await self.note(
                "change",
                f"the tracker's database was set back: it knows {presented.change} changes, and "
                f"knew {kept.change}; it is given what this machine knows",
            )
            kept.since = self._wall()
        elif presented.roster < roster:
            await self.note(
                "roster",
                f"the tracker knew an older list of members ({presented.roster}) than this "
                f"machine ({roster}), and was given that",
            )
        kept.change = presented.change
        await self._save()
        return set_back

    def note_change(self, change: int) -> None:
        """The tracker told of a change; kept with the next that is written."""
        self._kept.change = max(self._kept.change, change)

    async def note(self, kind: str, text: str) -> None:
        """Show this, in place of what was last noted of its kind."""
        log.error("the tracker cannot be believed", what=text)
        self._kept.told[kind] = (self._wall(), text)
        await self._save()

    async def note_listed(self, listed: Iterable[Signed]) -> None:
        """The tracker listed records: remembered; what is older than it was, looked at again."""
        every, now, since = list(listed), self._wall(), self._kept.since
        older = await self._database.run(
            lambda c: [each for signed in every for each in _note_one(c, signed, now, since)]
        )
        for entry in older:
            self.suspect(entry)

    def suspect(self, entry: EntryId) -> None:
        """The tracker did not say of an entry what is known here: it is asked again later."""
        if len(self._suspect) < MOST_SUSPECT:
            self._suspect[entry] = None
            self._wake.set()

    async def run(self) -> None:
        """Look again at what is suspect, and now and then at something that is not, for ever."""
        while True:
            with trio.move_on_after(LOOK_EVERY):
                await self._wake.wait()
            self._wake = trio.Event()
            suspect, self._suspect = list(self._suspect), {}
            if suspect:
                await trio.sleep(AGAIN_AFTER)
            elif self._tracker.connected:
                suspect = await self._database.run(lambda c: _some_held(c, self._kept.since))
            for entry in suspect:
                try:
                    await self._look(entry)
                except PeerError as error:
                    log.debug("the tracker was not asked again", reason=str(error))

    async def _look(self, entry: EntryId) -> None:
        try:
            reply, _ = await self._tracker.call(
                lambda call: GetEntry(call=call, prefix=entry), Listings
            )
            told = [listing.record for listing in reply.listings]
        except NotFoundError:
            told = []
        since = self._kept.since
        kind, name = await self._database.run(lambda c: _what_is_wrong(c, entry, told, since))
        if kind == "older":
            text = f"the tracker lists an older version of {name} than it did before"
        elif kind == "hidden":
            text = f"the tracker no longer lists {name}, which was not deleted; it is still here"
        else:
            return
        await self.note(kind, text)

    async def _save(self) -> None:
        encoded = msgspec.msgpack.encode(self._kept)
        await self._database.run(
            lambda c: c.execute("INSERT OR REPLACE INTO facts VALUES ('tracker', ?)", (encoded,))
        )


def _note_one(
    connection: sqlite3.Connection, signed: Signed, now: int, since: int
) -> Iterable[EntryId]:
    """The entry, if the tracker listed a newer record of it before."""
    try:
        record = read_record(signed.body)
    except RemoteProtocolError:
        return
    row = connection.execute(
        "SELECT told, body FROM records WHERE entry = ?", (record.id,)
    ).fetchone()
    if row is None:
        return
    known = read_record(row[1])
    if row[0] >= since and supersedes(known, record):
        yield record.id
    elif row[0] < since and row[1] == signed.body:
        records.confirm(connection, record.id, record.sequence, now)


def _some_held(connection: sqlite3.Connection, since: int) -> list[EntryId]:
    """One entry by chance that the tracker listed, and whose content is here."""
    rows = connection.execute(
        "SELECT entry FROM records AS r JOIN contents AS c USING (manifest) "
        "WHERE dead = 0 AND told >= ? AND trashed IS NULL ORDER BY random() LIMIT 1",
        (since,),
    )
    return [EntryId(row[0]) for row in rows]


def _what_is_wrong(
    connection: sqlite3.Connection, entry: EntryId, told: Iterable[Signed], since: int
) -> tuple[str, str]:
    """What the tracker's answer lacks, and the name of the entry; "" for nothing."""
    row = connection.execute(
        "SELECT body, told, EXISTS (SELECT 1 FROM contents AS c "
        "WHERE c.manifest = r.manifest AND trashed IS NULL) FROM records AS r WHERE entry = ?",
        (entry,),
    ).fetchone()
    if row is None or row[1] < since:
        return "", ""
    known = read_record(row[0])
    name = known.name[:_LONGEST_NAME] if isinstance(known, Entry) else entry.hex()[:12]
    for signed in told:
        try:
            record = read_record(signed.body)
        except RemoteProtocolError:
            continue
        if record.id == entry:
            return ("older" if supersedes(known, record) else ""), name
    # Of deletions only who holds the content is told, so only there it must still be listed.
    return ("hidden" if row[2] and isinstance(known, Entry) else ""), name
