"""One open connection to another peer: what it says is understood here and handed on.

One reader, one writer, one nursery, and lanes where they help; the link ends as a whole. Whatever
the remote does wrong ends only its own link.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import structlog
import trio

from peer.errors import PeerError
from peer.lan import remote_ip
from peer.rpc import Calls
from peer.swarm.lanes import UNREAD_AFTER, DialLane, Lanes
from peer.swarm.outbox import Outbox, PieceRequest
from peer.swarm.piece_sending import PieceSending
from peer.swarm.services import PeerServices
from protocol.connection import Ended
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.ids import ManifestId, PeerId
from protocol.liveness import PING_EVERY, SILENT_AFTER
from protocol.messages.base import Failed, Message, Ping, Reply
from protocol.messages.deleting import ApprovalPassedOn, RecordPassedOn
from protocol.messages.keeping import Audit, Doubt, Keep, Release
from protocol.messages.peering import (
    CancelPiece,
    Follow,
    GetPiece,
    Have,
    Holds,
    NoPiece,
    Offer,
    OfferAnswer,
    Piece,
    Unfollow,
    Whereabouts,
    Widen,
)
from protocol.messages.shared import (
    GetManifest,
    Locate,
    Located,
    ManifestDocument,
    RosterDocument,
)

log = structlog.get_logger()

MOST_FOLLOWED = 100_000


def first_reason(group: BaseExceptionGroup[BaseException]) -> str:
    """The text of the first error in a group, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


class PeerLink:
    """A connection to `peer`. `run` it until it ends; `put` may be called by any task."""

    def __init__(
        self,
        channel: TrioChannel,
        peer: PeerId,
        name: str,
        services: PeerServices,
        *,
        dial_lane: DialLane | None = None,
    ) -> None:
        """`dial_lane` is how to open one more connection, for who dialled this one."""
        self.peer = peer
        self.name = name
        self.dialled = dial_lane is not None
        self.followed: set[ManifestId] = set()
        self.outbox = Outbox()
        self.calls = Calls(self.put, name)
        self.channel = channel
        self.closed = False
        self.ended = trio.Event()
        self.downloads = 0
        """How many downloads have this link as a source."""
        self.coming: set[PieceRequest] = set()
        """Pieces whose bytes are being taken off one of its connections."""
        self.sending = PieceSending(channel, peer, self.outbox, services, services.serving)
        self.lanes = Lanes(self, services, dial_lane)
        self._held_up: set[TrioChannel] = set()
        self._held_up_for = 0.0
        self._held_up_since = math.inf
        self._cancelled = 0
        self._services = services
        self._scope = trio.CancelScope()
        self.reason = ""
        """Why it ends, or has ended."""

    def put(self, message: Message, document: bytes | None = None) -> None:
        """Queue a message; a remote that has not read thousands of them is cut."""
        self._cancelled += isinstance(message, CancelPiece)
        try:
            self.outbox.put(message, document)
        except RemoteProtocolError as error:
            self.cut(str(error))

    def forgive_piece(self) -> None:
        """A piece came that nobody waits for: a cancel may have crossed it, once for each."""
        self._cancelled -= 1
        if self._cancelled < 0:
            raise RemoteProtocolError("it sends pieces that were never asked for")

    @property
    def from_here(self) -> bool:
        """Whether the other side is on this very machine."""
        ip = remote_ip(self.channel.stream)
        return ip is not None and ip_address(ip).is_loopback

    @property
    def connections(self) -> int:
        """How many connections bring pieces."""
        return 1 + self.lanes.taking

    @property
    def last_bytes(self) -> float:
        """When bytes that follow a message came last, on any connection."""
        last = self.channel.last_bytes
        return max([last, *(lane.channel.last_bytes for lane in self.lanes.open)])

    @property
    def held_up_for(self) -> float:
        """Seconds, in all, for which we have let what it sends wait."""
        return self._held_up_for + max(0.0, trio.current_time() - self._held_up_since)

    def holds_up(self, channel: TrioChannel) -> bool:
        """Whether we let what comes on this connection wait now."""
        return channel in self._held_up

    @property
    def waits_for_us(self) -> bool:
        """Whether we let what comes on any of its connections wait now."""
        return bool(self._held_up)

    @contextmanager
    def held_up(self, channel: TrioChannel) -> Iterator[None]:
        """While we let what it sends wait, on one connection at least, its silence is ours."""
        if not self._held_up:
            self._held_up_since = trio.current_time()
        self._held_up.add(channel)
        try:
            yield
        finally:
            self._held_up.discard(channel)
            if not self._held_up:
                self._held_up_for = self.held_up_for
                self._held_up_since = math.inf
            channel.last_received = channel.last_bytes = trio.current_time()

    def cut(self, reason: str) -> None:
        """End the link soon, saying why."""
        self.reason = self.reason or reason
        self._scope.cancel()

    async def run(self) -> None:
        """Serve the link until it ends; the reason goes to the log, not to the caller."""
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._watch)
                    nursery.start_soon(self.lanes.watch)
                    self.lanes.start(nursery)
                    await self._read()
                    nursery.cancel_scope.cancel()
            except* (RemoteProtocolError, RefusedError, ConnectionLostError, PeerError) as group:
                self.reason = self.reason or first_reason(group)
        self.closed = True
        self.calls.lose()
        log.info("link ended", peer=self.name, reason=self.reason or "closed")
        await self.channel.aclose(self.reason)
        self.ended.set()

    # Reading

    async def _read(self) -> None:
        while True:
            event = await self.channel.receive()
            if isinstance(event, Ended):
                self.reason = event.reason or "closed by the other side"
                return
            message = event.message
            if isinstance(message, Piece):
                await self._services.pieces.receive(self, message, self.channel)
            elif isinstance(message, RosterDocument):
                document = await self.channel.receive_document(event.following)
                await self._services.take_roster(document)
            elif isinstance(message, Reply):
                following = event.following
                document = await self.channel.receive_document(following) if following else b""
                self.calls.deliver(message, document)
            elif event.following:
                raise RemoteProtocolError(f"a peer may not send {type(message).__name__}")
            else:
                await self._understand(message)

    async def _understand(self, message: Message) -> None:
        pieces = self._services.pieces
        match message:
            case Ping():
                pass
            case GetPiece(manifest=manifest, piece=piece, urgent=urgent):
                self.outbox.put_piece((manifest, piece), urgent=urgent)
                self.lanes.stir()
            case CancelPiece(manifest=manifest, piece=piece):
                self.outbox.cancel_piece((manifest, piece))
            case Holds() | Have() | NoPiece():
                pieces.note(self, message)
            case Follow(manifest=manifest):
                self._follow(manifest)
                pieces.note(self, message)
            case Unfollow(manifest=manifest):
                self.followed.discard(manifest)
            case Widen(lanes=lanes):
                self.lanes.widen(lanes)
            case Whereabouts():
                await self._services.take_whereabouts(self, message)
            case Offer():
                await self._answer_offer(message)
            case Keep():
                self.put(await self._services.copies.answer(self.peer, message))
            case Release():
                self._services.copies.released(self.peer, message)
            case Audit():
                self._services.proofs.audited(self, message)
            case Doubt():
                self._services.proofs.doubted(self, message)
            case RecordPassedOn(record=record):
                await self._services.take_record(record)
            case ApprovalPassedOn(approval=approval):
                await self._services.take_approval(approval)
            case GetManifest():
                await self._send_manifest(message)
            case Locate(call=call, manifest=manifest):
                holders = self._services.locate_here(manifest)
                self.put(Located(call=call, holders=holders))
            case _:
                raise RemoteProtocolError(f"a peer may not send {type(message).__name__}")

    def _follow(self, manifest: ManifestId) -> None:
        if len(self.followed) >= MOST_FOLLOWED:
            raise RemoteProtocolError("too many manifests followed")
        self.followed.add(manifest)
        content = self._services.contents.get(manifest)
        bits = content.bits.to_wire() if content else b""
        self.put(Holds(manifest=manifest, bits=bits))

    async def _answer_offer(self, offer: Offer) -> None:
        try:
            answer = await self._services.consider_offer(self, offer)
            self.put(OfferAnswer(call=offer.call, answer=answer))
        except PeerError as error:
            self.put(Failed(call=offer.call, kind=error.kind, text=str(error)))

    async def _send_manifest(self, request: GetManifest) -> None:
        try:
            manifest = await self._services.contents.manifest(request.manifest)
        except (KeyError, PeerError):
            self.put(Failed(call=request.call, kind="not_found", text="no such manifest here"))
            return
        encoded = manifest.encoded
        header = ManifestDocument(call=request.call, length=len(encoded), manifest=manifest.id)
        self.put(header, encoded)

    # Writing

    async def _write(self) -> None:
        while True:
            messages = self.outbox.next_messages()
            if messages:
                await self.channel.send_all(messages)
            elif (queued := self.outbox.next_message()) is not None:
                message, document = queued
                await self.channel.send_bytes(message, document or b"")
            elif not await self.sending.send_next():
                await self.outbox.wait_filled()

    async def receive_piece(
        self, channel: TrioChannel, target: memoryview, *, urgent: bool
    ) -> None:
        """Take the bytes of a piece off a connection of the link, as fast as the limits allow."""
        pacing = self._services.pacing
        if not pacing.limited(self.peer, "down"):
            await channel.receive_bytes(target)
            return

        async def pace(count: int) -> None:
            with self.held_up(channel):
                await pacing.wait_turn(self.peer, "down", count, urgent=urgent)

        await channel.receive_bytes(target, pace, pacing.portion(self.peer, "down"))

    # Watching

    async def _watch(self) -> None:
        """Ping while quiet; cut when the other side has been silent too long."""
        while True:
            await trio.sleep(PING_EVERY)
            silent = trio.current_time() - self.channel.last_received
            if silent > SILENT_AFTER and not self.holds_up(self.channel):
                raise ConnectionLostError(f"silent for {math.floor(silent)} s")
            if trio.current_time() - self.channel.writing_since > UNREAD_AFTER:
                raise ConnectionLostError(
                    f"it took nothing of what it asked for in {UNREAD_AFTER} s"
                )
            self.lanes.check(trio.current_time())
            self.put(Ping())
            if silent > PING_EVERY:
                self.sending.trim()
                self.channel.connection.trim()
