"""Further connections of one link, which carry pieces one way and nothing else.

They are for a sender whose one connection cannot fill a long and lossy way. That sender alone
decides how many there are; whoever dialled the link dials them. What goes wrong on one ends the
link. Only the sender closes one in good order.
"""

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog
import trio

from peer.errors import UnreachableError
from peer.swarm.piece_sending import PIECES_BYTES, PieceSending
from peer.swarm.services import LANES_BYTES, PeerServices
from peer.swarm.way import Way
from peer.swarm.widening import PAUSE, Widening
from protocol.connection import Ended
from protocol.drivers.on_trio import UNSENT, ConnectionLostError, TrioChannel, give_ahead
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.hello import Lane as LaneUse
from protocol.liveness import SILENT_AFTER
from protocol.messages.base import Ping
from protocol.messages.peering import MOST_LANES, Piece, Widen

if TYPE_CHECKING:
    from peer.swarm.peer_link import PeerLink

log = structlog.get_logger()

LOOK_EVERY = 0.5
IDLE = 10.0
"""Seconds without a piece after which a lane is closed."""
SEALED, LITTLE = 128 << 10, 32 << 10
"""Bytes that a lane sends with one call, and that the kernel is given ahead on the link's own
connection where that is slow: what else there is to say comes behind them."""
DIALLED_AT_ONCE = 16
DIAL_AGAIN = 60.0
UNREAD_AFTER = 60.0
"""Seconds for which a connection may take nothing of what was asked for."""
DialLane = Callable[[LaneUse], Awaitable[TrioChannel]]
"""Opens one more connection to the peer. UnreachableError where that cannot be done."""


class Lane:
    """One of them. `sends` is what we do on it."""

    def __init__(self, channel: TrioChannel, *, sends: bool) -> None:
        self.channel = channel
        self.sends = sends
        self.ended = trio.Event()


async def await_taken(channel: TrioChannel) -> None:
    """Return when who was dialled says that the lane is one. RefusedError if it will not be."""
    event = await channel.receive()
    if isinstance(event, Ended):
        raise ConnectionLostError("the lane was closed")
    if not isinstance(event.message, Ping):
        raise RemoteProtocolError("a lane begins with Ping")


class Lanes:
    """The lanes of one link, both ways."""

    def __init__(self, link: "PeerLink", services: PeerServices, dial: DialLane | None) -> None:
        self.open: set[Lane] = set()
        self.sending = self.taking = 0
        self._link = link
        self._services = services
        self._dial = dial
        self._nursery: trio.Nursery | None = None
        self._dialling = 0
        self._wanted = 0
        """On how many we want to send."""
        self._undialled_until = -math.inf
        self._widening = Widening()
        self._way = Way(link.channel)
        self._ahead = UNSENT
        self._stirred = trio.Event()

    def start(self, nursery: trio.Nursery) -> None:
        """Lanes run in the link's nursery: what ends one in disorder ends the link."""
        self._nursery = nursery

    # Opening

    def adopt(self, channel: TrioChannel, use: LaneUse) -> Lane:
        """Take over a lane that the other side dialled; RefusedError if it may not have it."""
        if self._nursery is None or self._link.closed or self._dial is not None:
            raise RefusedError("no link that this lane could be of")
        if use == "sends" and not self._link.downloads:
            raise RefusedError("nothing is fetched over this link")
        if use == "sends" and self.taking >= MOST_LANES:
            raise RefusedError(f"more than {MOST_LANES} lanes")
        if use == "takes" and self.sending >= self._wanted:
            raise RefusedError("this lane was not asked for")
        return self._add(self._nursery, channel, sends=use == "takes", tell=True)

    def widen(self, lanes: int) -> None:
        """The other side asks for lanes to send on."""
        if self._dial is None:
            raise RemoteProtocolError("only who dialled a link dials its lanes")
        if self._link.downloads:
            self._dial_until(lanes, "takes")

    def _dial_until(self, wanted: int, use: LaneUse) -> None:
        there = self.sending if use == "sends" else self.taking
        more = wanted - there - self._dialling
        if self._nursery is None or self._dial is None or more <= 0:
            return
        if trio.current_time() >= self._undialled_until:
            self._dialling += more
            self._nursery.start_soon(self._dial_some, self._dial, self._nursery, more, use)

    async def _dial_some(
        self, dial: DialLane, lifetime: trio.Nursery, count: int, use: LaneUse
    ) -> None:
        left = count

        async def dial_in_turn() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                try:
                    channel = await dial(use)
                except UnreachableError as error:
                    log.info("no lane", peer=self._link.name, reason=str(error))
                    self._undialled_until = trio.current_time() + DIAL_AGAIN
                    left = 0
                else:
                    self._add(lifetime, channel, sends=use == "sends")

        try:
            async with trio.open_nursery() as nursery:
                for _ in range(min(count, DIALLED_AT_ONCE)):
                    nursery.start_soon(dial_in_turn)
        finally:
            self._dialling -= count

    # Life

    def _add(
        self, nursery: trio.Nursery, channel: TrioChannel, *, sends: bool, tell: bool = False
    ) -> Lane:
        lane = Lane(channel, sends=sends)
        channel.connection.stay_small()
        give_ahead(channel.stream, SEALED)
        self.open.add(lane)
        self._count()
        nursery.start_soon(self._run, lane, tell)
        return lane

    def _count(self) -> None:
        self.sending = sum(lane.sends for lane in self.open)
        self.taking = len(self.open) - self.sending
        self._narrow()

    async def _run(self, lane: Lane, tell: bool) -> None:
        try:
            if tell:
                # Nothing is lost on a lane that was refused: who dialled waits for this.
                await lane.channel.send(Ping())
            if lane.sends:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._expect_nothing, lane)
                    await self._send(lane)
                    nursery.cancel_scope.cancel()
            else:
                await self._take(lane)
        finally:
            self.open.discard(lane)
            self._count()
            try:
                await lane.channel.aclose(self._link.reason)
            finally:
                lane.ended.set()

    async def _send(self, lane: Lane) -> None:
        """Send pieces until none is asked for, or so many lanes are no longer wanted."""
        outbox, services = self._link.outbox, self._services
        sending = PieceSending(
            lane.channel,
            self._link.peer,
            outbox,
            services,
            services.serving_lanes,
            at_once=1,
            sealed=SEALED,
        )
        while self.sending <= self._wanted:
            if await sending.send_next():
                continue
            with trio.move_on_after(IDLE) as waited:
                await outbox.wait_piece()
            if waited.cancelled_caught:
                self._wanted = self.sending - 1

    async def _expect_nothing(self, lane: Lane) -> None:
        event = await lane.channel.receive()
        if isinstance(event, Ended):
            raise ConnectionLostError(event.reason or "a lane was closed by who takes from it")
        raise RemoteProtocolError("who takes from a lane has nothing to say on it")

    async def _take(self, lane: Lane) -> None:
        link, channel, room = self._link, lane.channel, self._services.lanes_room
        while True:
            event = await channel.receive()
            if isinstance(event, Ended):
                return
            piece = event.message
            if not isinstance(piece, Piece):
                raise RemoteProtocolError("on lanes there are pieces and nothing else")
            with link.held_up(channel):
                await room.take(piece.length)
            try:
                await self._services.pieces.receive(link, piece, channel)
            finally:
                room.give_back(piece.length)

    # Watching

    def stir(self) -> None:
        """Pieces are being sent: see how that goes."""
        self._stirred.set()
        if trio.current_time() - self._way.looked > PAUSE:
            # Before much is given to a slow connection.
            self._look()

    async def watch(self) -> None:
        """While pieces are sent, look how that goes, and have as many lanes as help."""
        main = self._link.channel
        while True:
            await self._stirred.wait()
            self._stirred = trio.Event()
            self._look()
            await trio.sleep(LOOK_EVERY)
            if any(c.writing_since < math.inf for c in (main, *self._senders())):
                self._stirred.set()

    def _senders(self) -> list[TrioChannel]:
        return [lane.channel for lane in self.open if lane.sends]

    def _look(self) -> None:
        now, piece_length = trio.current_time(), self._link.sending.piece_length
        sample = self._way.look(now, self._senders())
        self._narrow()
        if sample is None or not piece_length:
            return
        most = min(MOST_LANES, LANES_BYTES // piece_length)
        self._wanted = wanted = self._widening.look(now, sample, most)
        if wanted > self.sending:
            log.debug("lanes wanted", peer=self._link.name, lanes=wanted)
            if self._dial is not None:
                self._dial_until(wanted, "sends")
            else:
                self._link.put(Widen(lanes=wanted))

    def _narrow(self) -> None:
        """Have little under way on the link's own connection, or as much as goes well together.

        What a slow one has been given keeps all else waiting, and comes last where there are lanes.
        """
        several = self.sending > 0
        self._link.sending.at_once = 1 if several or self._way.slow else PIECES_BYTES
        # Not before there are losses: TCP finds its speed only while it has enough in hand.
        ahead = LITTLE if several or self._way.losing else UNSENT
        if ahead != self._ahead:
            self._ahead = ahead
            give_ahead(self._link.channel.stream, ahead)

    def check(self, now: float) -> None:
        """ConnectionLostError when one of them stands still."""
        for lane in self.open:
            channel = lane.channel
            if now - channel.writing_since > UNREAD_AFTER:
                raise ConnectionLostError(f"it took nothing from a lane in {UNREAD_AFTER} s")
            silent = channel.connection.due and now - channel.last_received > SILENT_AFTER
            if silent and not self._link.holds_up(channel):
                raise ConnectionLostError("a piece on a lane stands still")
