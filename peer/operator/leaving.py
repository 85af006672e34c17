"""`leave`: waits until what this machine holds is elsewhere, and only then goes.

Moving is not done here: a leaving machine is out of the ring, so all it holds is offered to those
who are in it. An interruption changes nothing of that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
import trio

from peer.errors import PeerError, UnreachableError
from peer.presence import Presence
from peer.roster_book import RosterBook
from peer.standing import Standing
from peer.store.contents import Content, Contents
from peer.swarm.locator import Locator
from peer.swarm.locking import Locking, Need
from peer.swarm.promises import Promises, SpanKey
from peer.swarm.replication import Replication
from protocol.bitfield import bitfield_untrusted
from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.messages.base import Done, Reply
from protocol.messages.operating import Progress
from protocol.messages.standing import Leave, Left
from protocol.placement import spans_by_size

log = structlog.get_logger()

LOOK_EVERY = 1.0
Tell = Callable[[Progress], None]


@dataclass
class Tally:
    """How well others hold what is here, in contents: each is short, fewer, lost, or well held."""

    counted: set[ManifestId] = field(default_factory=set)
    entries: int = 0
    size: int = 0
    fewer: int = 0
    lost: int = 0
    short: dict[ManifestId, int] = field(default_factory=dict)
    """Those that others should still get, and their bytes."""
    alone: int = 0
    """How many of those nobody else has yet."""
    partial: list[Content] = field(default_factory=list)
    """Those of which only some pieces are here."""
    waiting_for: set[PeerId] = field(default_factory=set)
    needs: dict[SpanKey, Need] = field(default_factory=dict)
    """Who must be bound to keep what is well held."""


class Leaving:
    """Answers `Leave`. `left` is set when this machine is no member any more."""

    def __init__(
        self,
        contents: Contents,
        replication: Replication,
        standing: Standing,
        rosters: RosterBook,
        presence: Presence,
        locator: Locator,
        locking: Locking,
        promises: Promises,
    ) -> None:
        self._contents = contents
        self._replication = replication
        self._standing = standing
        self._rosters = rosters
        self._presence = presence
        self._locator = locator
        self._locking = locking
        self._promises = promises
        self.left = trio.Event()
        self.keeps_stored = False
        """Whether what is stored stays on the disk afterwards."""

    async def answer(self, request: Leave, tell: Tell) -> Reply:
        """Leave, or stay after all. PeerError when entries would be lost, and without a tracker."""
        if request.cancel:
            await self._standing.leaving(on=False)
            return Done(call=request.call)
        await self._standing.leaving(on=True)
        self._replication.ask_full_again()
        if request.force:
            with self._promises.all_going():
                await self._wait_for_promises(request.call, tell)
                left = await self._go_when_safe(request, tell)
        else:
            left = await self._go_when_safe(request, tell)
        log.info("left the swarm", entries=left.entries, fewer=left.fewer, lost=left.lost)
        self.keeps_stored = request.keep
        self.left.set()
        return left

    async def _wait_for_promises(self, call: int, tell: Tell) -> None:
        """Until nobody drops its copy because we promised to keep ours: 100 s at most."""
        total = self._promises.relied_on(trio.current_time())
        while left := self._promises.relied_on(trio.current_time()):
            text = f"{left} promised to machines that are about to drop theirs"
            _tell(tell, call, max(0, total - left), total, text)
            await trio.sleep(LOOK_EVERY)

    async def _go_when_safe(self, request: Leave, tell: Tell) -> Left:
        while True:
            roster = self._rosters.number
            tally = self._tally()
            if not request.force:
                if tally.short:
                    await self._wait(tally, request.call, tell)
                    continue
                tally.lost += await self._only_here(tally.partial)
                if tally.lost:
                    raise PeerError(_would_lose(tally.lost))
            if await self._go(roster, tally, request, tell):
                # Short ones are left behind only by force; then nobody has looked at partial ones.
                fewer = tally.fewer + len(tally.short) - tally.alone
                lost = tally.lost + tally.alone
                return Left(call=request.call, entries=tally.entries, fewer=fewer, lost=lost)

    async def _go(self, roster: int, tally: Tally, request: Leave, tell: Tell) -> bool:
        """Stop being a member, while those who hold what is here are bound to keep it."""
        async with self._locking.lock({} if request.force else tally.needs) as lock:
            if tally.needs and not request.force and not lock.holds():
                _tell(
                    tell, request.call, tally.size, tally.size, "asking the others to keep theirs"
                )
                await trio.sleep(LOOK_EVERY)
                return False
            if not request.force and self._counted() != tally.counted:
                # Something was added since, or its pieces came.
                return False
            try:
                await self._standing.leave(roster)
            except UnreachableError as error:
                _tell(tell, request.call, tally.size, tally.size, f"all is elsewhere, but {error}")
                await trio.sleep(LOOK_EVERY)
                return False
            except PeerError:
                if self._rosters.number == roster:
                    raise
                return False
            lock.dropped = True
            return True

    def _tally(self) -> Tally:
        """Look at everything: too much to be done often."""
        tally, now = Tally(), trio.current_time()
        for content in self._contents.all():
            found = self._replication.offering.elsewhere(content, now)
            if not found.wanted or (content.pieces and not content.bits.count):
                continue
            tally.counted.add(content.id)
            tally.entries += 1
            tally.size += content.size
            if found.missing:
                tally.short[content.id] = content.size
                tally.alone += not found.copies
                tally.waiting_for |= found.missing
            elif not found.copies:
                tally.lost += 1
            elif found.partial:
                tally.partial.append(content)
            elif found.copies < found.wanted:
                tally.fewer += 1
            if found.copies:
                tally.needs |= self._needs(content, found.copies)
        return tally

    def _counted(self) -> set[ManifestId]:
        """What a tally counts, by what is here now."""
        offering, now = self._replication.offering, trio.current_time()
        held = (c for c in self._contents.all() if c.bits.count or not c.pieces)
        return {content.id for content in held if offering.elsewhere(content, now).wanted}

    def _needs(self, content: Content, keepers: int) -> dict[SpanKey, Need]:
        """For each span that is here in full: as many as hold it must be bound to keep it."""
        said = self._replication.confirmed(content.id)
        spans = spans_by_size(content.id, content.pieces, content.size)
        order = self._rosters.ring.order
        return {
            (content.id, number): Need(
                tuple(peer for peer in order(span.partition) if peer in said), keepers
            )
            for number, span in enumerate(spans)
            if content.complete or all(piece in content.bits for piece in span.pieces)
        }

    async def _wait(self, tally: Tally, call: int, tell: Tell) -> None:
        """Until nobody is being offered what was short; then it is time to look at everything."""
        total = sum(tally.short.values())
        book = self._replication.offering.book
        left = dict(tally.short)
        while left:
            short = sum(left.values())
            entries = "1 entry" if len(left) == 1 else f"{len(left)} entries"
            text = f"{entries} short elsewhere{self._waiting(tally)}"
            _tell(tell, call, total - short, total, text)
            await trio.sleep(LOOK_EVERY)
            left = {each: size for each, size in left.items() if book.is_wanted(each)}

    def _waiting(self, tally: Tally) -> str:
        """Whom nothing can be moved to now, though it should be."""
        away = [p for p in tally.waiting_for if self._presence.state(p) != "live"]
        names = sorted(self._rosters.name_of(peer) for peer in away)
        return f", waiting for {' and '.join(names)} to be there" if names else ""

    async def _only_here(self, partial: list[Content]) -> int:
        """Of contents that are here in part: how many have pieces that nobody else has."""
        lost = 0
        for content in partial:
            held = set(content.bits)
            for place in await self._locator.find(content.id):
                if self._presence.state(place.peer) == "live":
                    held -= _pieces(place.bits, content)
            lost += bool(held)
        return lost


def _tell(tell: Tell, call: int, done: int, total: int, text: str) -> None:
    tell(Progress(call=call, stage="leaving", done=done, total=total, text=text))


def _pieces(bits: bytes | None, content: Content) -> set[int]:
    """What a holder has; nothing that we would not have heard of."""
    try:
        return set(bitfield_untrusted(bits, content.pieces)) if bits != b"" else set()
    except RemoteProtocolError:
        return set()


def _would_lose(entries: int) -> str:
    exist = "1 entry exists" if entries == 1 else f"{entries} entries exist"
    return (
        f"{exist} only here: no other machine is there that has room. Make room elsewhere and run "
        "'twofold leave' again, give them up with --force, or stay with --cancel"
    )
