"""Asks linked peers, now and then, to prove that they have what they say they hold.

A copy that is only claimed would be missed when the other one is lost. What fails no longer counts
here, its holder and the tracker are told, and the ring's next is offered it. Nobody fails before
our own piece was read and is good.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio

from peer.catalogue import Catalogue
from peer.errors import NotFoundError, PeerError, UnreachableError
from peer.roster_book import RosterBook
from peer.store.contents import Content, Contents
from peer.store.rechecking import Rechecking
from peer.swarm.audits import AuditBook, Question
from peer.swarm.links import Links
from peer.swarm.peer_link import PeerLink
from peer.swarm.replication import Replication
from protocol.hashing import hash_audit
from protocol.ids import ManifestId, PeerId
from protocol.manifest import Manifest
from protocol.messages.keeping import Audit, Audited, Doubt
from protocol.placement import pieces_to_keep, spans_of

log = structlog.get_logger()

LOOK_EVERY = 5.0
LACKS = "it does not have the piece"
SILENT = "no answer"
EXCUSED = "it cannot answer"
WRONG = "a wrong digest"


class Auditing:
    """One task, and one for each audit under way."""

    def __init__(
        self,
        contents: Contents,
        rechecking: Rechecking,
        catalogue: Catalogue,
        rosters: RosterBook,
        links: Links,
        replication: Replication,
        book: AuditBook,
    ) -> None:
        self._contents = contents
        self._rechecking = rechecking
        self._catalogue = catalogue
        self._rosters = rosters
        self._links = links
        self._replication = replication
        self._book = book
        self.on_failed: Callable[[PeerId, ManifestId, str], Awaitable[None]] = _nothing
        """Called when a peer failed an audit: which, of what, and why."""

    def distrusted(self, manifest: ManifestId) -> frozenset[PeerId]:
        """Peers that are not believed to hold a manifest, whatever they say."""
        return self._book.distrusted(manifest, trio.current_time())

    async def run(self) -> None:
        """Audit every linked peer about once a minute."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(LOOK_EVERY)
                now = trio.current_time()
                for link in self._links.all():
                    # Behind pieces that it sends us its answer would be late, and honest.
                    if not link.downloads and self._book.is_due(link.peer, now):
                        nursery.start_soon(self._audit, link)

    async def _audit(self, link: PeerLink) -> None:
        try:
            found = await self._question(link.peer)
            if found is not None:
                await self._ask(link, *found)
        except PeerError as error:
            log.warning("audit not made", peer=link.name, error=str(error))

    async def _question(self, peer: PeerId) -> tuple[Content, Question] | None:
        claimed = []
        for manifest_id in sorted(self._replication.confirmed_by(peer)):
            content = self._contents.get(manifest_id)
            if content is not None and content.bits.count:
                claimed.append((manifest_id, content.pieces))
        chosen = self._book.choose(peer, claimed, trio.current_time())
        content = self._contents.get(chosen) if chosen is not None else None
        if content is None:
            return None
        try:
            manifest = await self._contents.manifest(content.id)
        except KeyError:
            return None
        pieces = [p for p in self._pieces_of(peer, manifest) if p in content.bits]
        size_of = manifest.geometry.piece_size
        question = self._book.question(peer, manifest.id, pieces, size_of)
        return None if question is None else (content, question)

    def _pieces_of(self, peer: PeerId, manifest: Manifest) -> list[int]:
        """The pieces a peer must have that says it holds all it should of a manifest."""
        spans = spans_of(manifest.id, manifest.geometry)
        if len(spans) == 1:
            return list(spans[0].pieces)
        copies = self._catalogue.copies_wanted(manifest.id)
        return pieces_to_keep(spans, self._rosters.ring, peer, copies, frozenset())

    async def _ask(self, link: PeerLink, content: Content, question: Question) -> None:
        q = question
        try:
            reply, _ = await link.calls.call(
                lambda call: Audit(
                    call=call,
                    manifest=q.manifest,
                    piece=q.piece,
                    start=q.start,
                    length=q.length,
                    nonce=q.nonce,
                ),
                Audited,
            )
        except UnreachableError:
            # A link that ended, or has become busy, proves nothing.
            if not link.closed and not link.downloads and self._book.said_nothing(link.peer):
                await self._failed(link, content, question, SILENT)
        except NotFoundError:
            await self._lacks(link, content, question)
        except PeerError:
            if self._book.could_not(link.peer, question):
                await self._failed(link, content, question, EXCUSED)
        else:
            await self._compare(link, content, question, reply.digest)

    async def _compare(
        self, link: PeerLink, content: Content, question: Question, digest: bytes
    ) -> None:
        q = question
        ours = await self._rechecking.read_part(content, q.piece, q.start, q.length)
        if hash_audit(q.nonce, ours) == digest:
            self._book.passed(link.peer, question)
            return
        await self._failed(link, content, question, WRONG)

    async def _lacks(self, link: PeerLink, content: Content, question: Question) -> None:
        if self._book.lacked(link.peer, question.manifest, trio.current_time()):
            await self._failed(link, content, question, LACKS)
            return
        # What it claimed was true once, perhaps: it is offered what it lacks, and no more believed.
        log.info("no longer held", peer=link.name, manifest=question.manifest.hex()[:12])
        link.put(Doubt(manifest=question.manifest, piece=question.piece))
        self._replication.dropped(link.peer, question.manifest)

    async def _failed(self, link: PeerLink, content: Content, question: Question, why: str) -> None:
        # One of the two is wrong, and it may be ours.
        if not await self._rechecking.is_good(content, question.piece):
            return
        given_up = self._book.failed(link.peer, question, trio.current_time())
        name = question.manifest.hex()[:12]
        log.warning("audit failed", peer=link.name, manifest=name, why=why, not_believed=given_up)
        link.put(Doubt(manifest=question.manifest, piece=question.piece))
        self._replication.dropped(link.peer, question.manifest)
        await self.on_failed(link.peer, question.manifest, why)


async def _nothing(_: PeerId, __: ManifestId, ___: str) -> None:
    return None
