"""Answers the audits of other peers, and looks at what they doubt."""

from collections.abc import Callable

import structlog
import trio

from peer.errors import NotFoundError, PeerError, PieceLostError
from peer.store.contents import Contents
from peer.store.rechecking import Rechecking
from peer.swarm.audits import Budget
from peer.swarm.peer_link import PeerLink
from protocol.hashing import hash_audit
from protocol.ids import ManifestId
from protocol.messages.base import Failed
from protocol.messages.keeping import Audit, Audited, Doubt

log = structlog.get_logger()

AUDITS_AT_ONCE, AUDIT_EVERY = 6, 10.0
"""Others ask once a minute or so. Who asks more often cannot keep our disk busy."""
DOUBTS_AT_ONCE, DOUBT_EVERY = 4, 10.0


class Proving:
    """Given to every link. What it is asked for it does in a task of its own."""

    def __init__(self, contents: Contents, rechecking: Rechecking) -> None:
        self._contents = contents
        self._rechecking = rechecking
        self._audits = Budget(AUDITS_AT_ONCE, AUDIT_EVERY)
        self._doubts = Budget(DOUBTS_AT_ONCE, DOUBT_EVERY)
        self._nursery: trio.Nursery | None = None
        self.on_checked: Callable[[ManifestId], None] = lambda _: None
        """Called when something doubted was checked: what we hold may be believed again."""

    def start(self, nursery: trio.Nursery) -> None:
        """Answer in this nursery from now on."""
        self._nursery = nursery

    def audited(self, link: PeerLink, audit: Audit) -> None:
        """A peer audits us."""
        if self._nursery is None or not self._audits.allows(link.peer, trio.current_time()):
            link.put(Failed(call=audit.call, kind="refused", text="too many audits"))
        else:
            self._nursery.start_soon(self._answer, link, audit)

    def doubted(self, link: PeerLink, doubt: Doubt) -> None:
        """A peer doubts a piece of ours."""
        if self._nursery is not None and self._doubts.allows(link.peer, trio.current_time()):
            self._nursery.start_soon(self._check, link, doubt)

    async def _answer(self, link: PeerLink, audit: Audit) -> None:
        try:
            content = self._contents.get(audit.manifest)
            if content is None or audit.piece not in content.bits:
                raise NotFoundError("that piece is not here")
            read = await self._rechecking.read_part(content, audit.piece, audit.start, audit.length)
        except PieceLostError as error:
            link.put(Failed(call=audit.call, kind="not_found", text=str(error)))
        except PeerError as error:
            link.put(Failed(call=audit.call, kind=error.kind, text=str(error)))
        else:
            link.put(Audited(call=audit.call, digest=hash_audit(audit.nonce, read)))

    async def _check(self, link: PeerLink, doubt: Doubt) -> None:
        manifest, piece = doubt.manifest, doubt.piece
        content = self._contents.get(manifest)
        try:
            if content is not None and piece in content.bits:
                bad = await self._rechecking.check(content, [piece])
                state = "bad" if bad else "good"
                name = manifest.hex()[:12]
                log.info(
                    "doubted piece read", by=link.name, manifest=name, piece=piece, state=state
                )
        except PeerError as error:
            log.error("a doubted piece cannot be checked", error=str(error))
        else:
            self.on_checked(manifest)
