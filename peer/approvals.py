"""Held deletions, and what people decided about them: kept on disk, gone by, passed on."""

import sqlite3
from collections.abc import Callable

import structlog

from peer import brake
from peer.catalogue import Catalogue
from peer.database import Database
from peer.errors import NotPermittedError, PeerError
from peer.roster_book import RosterBook
from protocol.approval import Approval, may_decide, open_approval_untrusted
from protocol.errors import RemoteProtocolError
from protocol.ids import EntryId, PeerId
from protocol.signing import Signed

log = structlog.get_logger()

KEPT = 200
"""Approvals that are kept, to tell members of that have not heard of them."""
TOLD = 20
"""Of those, how many a peer is told of when a link opens."""


class Approvals:
    """Goes by every approval whose signer may decide. `now` gives milliseconds since 1970."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        rosters: RosterBook,
        now: Callable[[], int],
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._rosters = rosters
        self._now = now
        self.newest: list[Signed] = []
        """The approvals to tell a peer of, the oldest first."""
        self.on_decided: Callable[[Signed], None] = lambda _: None
        """Called with an approval that is new, before anything comes of it."""

    def load(self) -> None:
        """Read what an earlier run learnt."""
        rows = self._database.connection.execute(
            "SELECT body, signature FROM approvals ORDER BY kept DESC LIMIT ?", (TOLD,)
        )
        self.newest = [Signed(*row) for row in rows][::-1]

    async def learn(self, signed: Signed, *, mine: bool = False) -> None:
        """Check an approval, keep it if it is new, and do what it says.

        RemoteProtocolError when it is forged, NotPermittedError when its signer may not decide.
        """
        approval = open_approval_untrusted(signed)
        self.check_may_decide(approval.signer, approval.deleter)
        now = self._now()

        def keep(connection: sqlite3.Connection) -> bool:
            fresh = connection.execute(
                "INSERT OR IGNORE INTO approvals (signature, body, kept, published) "
                "VALUES (?, ?, ?, ?)",
                (signed.signature, signed.body, now, not mine),
            )
            if not fresh.rowcount:
                return False
            brake.keep_verdicts(connection, approval, now)
            connection.execute(
                "DELETE FROM approvals WHERE published AND signature NOT IN "
                "(SELECT signature FROM approvals ORDER BY kept DESC LIMIT ?)",
                (KEPT,),
            )
            return True

        if await self._database.run(keep):
            self._log(approval)
            self.newest = [*self.newest[1 - TOLD :], signed]
            self.on_decided(signed)
            await self.settle()

    def check_may_decide(self, signer: bytes, deleter: bytes) -> None:
        """NotPermittedError unless `signer` may decide about the deletions of `deleter`."""
        roster = self._rosters.roster
        if roster is None or not may_decide(signer, deleter, roster):
            raise NotPermittedError(
                f"deletions by {self._rosters.name_of(deleter)} are for an admin to approve, or "
                "where there is none for another machine; or on the tracker's: "
                "twofold-tracker approve"
            )

    async def settle(self) -> None:
        """Let the held deletions that somebody has approved come to effect; rejected ones wait."""
        for entry in await self._database.run(brake.mark_rejected):
            self._catalogue.released(entry)
        for entry, signed, published in await self._database.run(brake.approved):
            try:
                await self._catalogue.learn(signed, mine=not published)
            except (PeerError, RemoteProtocolError) as error:
                log.warning("approved deletion not done", reason=str(error))
            await self._drop(entry, signed)

    async def _drop(self, entry: EntryId, signed: Signed) -> None:
        """It waits no longer, also when a newer record of the entry has beaten it."""

        def drop(connection: sqlite3.Connection) -> bool:
            brake.drop(connection, entry, signed)
            return brake.waits(connection, entry)

        try:
            if not await self._database.run(drop):
                self._catalogue.released(entry)
        except PeerError as error:
            log.error("a held deletion cannot be settled", reason=str(error))

    async def bursts(self, most: int, examples: int) -> list[brake.Burst]:
        """Whose deletions are held here, those with the most."""
        return await self._database.run(lambda c: brake.bursts(c, most, examples))

    async def signers(self) -> list[PeerId]:
        """Everybody whose deletions are held here."""
        return await self._database.run(brake.signers)

    async def hashes(self, signer: PeerId) -> list[bytes]:
        """What names the deletions of one signer that are held here."""
        return await self._database.run(lambda c: brake.hashes(c, signer))

    async def held_unpublished(self, after: bytes) -> list[Signed]:
        """A page, by entry id, of held deletions that the tracker does not have."""
        return await self._database.run(lambda c: brake.unpublished(c, after))

    async def unpublished(self) -> list[Signed]:
        """Approvals made here that no tracker has confirmed."""
        rows = await self._database.run(
            lambda c: c.execute(
                "SELECT body, signature FROM approvals WHERE published = 0 ORDER BY kept"
            ).fetchall()
        )
        return [Signed(*row) for row in rows]

    async def mark_published(self, signed: Signed) -> None:
        """The tracker has this approval."""
        await self._database.run(
            lambda c: c.execute(
                "UPDATE approvals SET published = 1 WHERE signature = ?", (signed.signature,)
            )
        )

    def _log(self, approval: Approval) -> None:
        name_of = self._rosters.name_of
        log.info(
            "deletions approved" if approval.approved else "deletions rejected",
            by=name_of(approval.signer),
            of=name_of(approval.deleter),
            entries=len(approval.tombstones),
        )
