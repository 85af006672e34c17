"""One open connection to another peer: what it says is understood here and handed on.

One reader, one writer, one nursery; the link ends as a whole. Whatever the remote does wrong ends
only its own link.
"""

import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog
import trio

from peer.errors import PeerError, PieceLostError
from peer.rpc import Calls
from peer.swarm.outbox import Outbox, PieceRequest
from peer.swarm.services import PeerServices
from protocol.connection import BATCH_PAYLOAD, Ended
from protocol.drivers.on_trio import SEALED_LENGTH, ConnectionLostError, TrioChannel
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.geometry import Geometry
from protocol.ids import ManifestId, PeerId
from protocol.messages.base import Failed, Message, Ping, Reply
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
)
from protocol.messages.shared import (
    GetManifest,
    Locate,
    Located,
    ManifestDocument,
    RosterDocument,
)

log = structlog.get_logger()

PING_EVERY = 5.0
SILENT_AFTER = 15.0
UNREAD_AFTER = 60.0
BUFFER_WAIT = 1.0
"""Seconds to wait for a buffer before looking whether there is something else to say."""
PIECES_BYTES = BATCH_PAYLOAD - (64 << 10)
"""Pieces are sent together until they are about a batch: every link's turn is alike."""
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
        dialled: bool,
    ) -> None:
        self.peer = peer
        self.name = name
        self.dialled = dialled
        self.followed: set[ManifestId] = set()
        self.outbox = Outbox()
        self.calls = Calls(self.put, name)
        self.channel = channel
        self.closed = False
        self.ended = trio.Event()
        self.downloads = 0
        """How many downloads have this link as a source."""
        self._held_up_for = 0.0
        self._held_up_since = math.inf
        self._cancelled = 0
        self._services = services
        self._sealed: memoryview | None = None
        self._scope = trio.CancelScope()
        self._reason = ""

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
    def held_up_for(self) -> float:
        """Seconds, in all, for which we have let what it sends wait."""
        return self._held_up_for + max(0.0, trio.current_time() - self._held_up_since)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """While we let what it sends wait, its silence is ours."""
        self._held_up_since = trio.current_time()
        try:
            yield
        finally:
            self._held_up_for = self.held_up_for
            self._held_up_since = math.inf
            self.channel.last_received = self.channel.last_bytes = trio.current_time()

    def cut(self, reason: str) -> None:
        """End the link soon, saying why."""
        self._reason = self._reason or reason
        self._scope.cancel()

    async def run(self) -> None:
        """Serve the link until it ends; the reason goes to the log, not to the caller."""
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._watch)
                    await self._read()
                    nursery.cancel_scope.cancel()
            except* (RemoteProtocolError, RefusedError, ConnectionLostError, PeerError) as group:
                self._reason = self._reason or first_reason(group)
        self.closed = True
        self.calls.lose()
        log.info("link ended", peer=self.name, reason=self._reason or "closed")
        await self.channel.aclose(self._reason)
        self.ended.set()

    # Reading

    async def _read(self) -> None:
        while True:
            event = await self.channel.receive()
            if isinstance(event, Ended):
                self._reason = event.reason or "closed by the other side"
                return
            message = event.message
            if isinstance(message, Piece):
                await self._services.pieces.receive(self, message)
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
            case CancelPiece(manifest=manifest, piece=piece):
                self.outbox.cancel_piece((manifest, piece))
            case Holds() | Have() | NoPiece():
                pieces.note(self, message)
            case Follow(manifest=manifest):
                self._follow(manifest)
                pieces.note(self, message)
            case Unfollow(manifest=manifest):
                self.followed.discard(manifest)
            case Offer():
                await self._answer_offer(message)
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
            elif not await self._send_pieces():
                await self.outbox.wait_filled()

    async def _send_pieces(self) -> bool:
        """Send the next piece, or several small ones together; False when none is asked for."""
        pool = self._services.serving
        parts: list[tuple[Message, memoryview]] = []
        buffers: list[mmap.mmap] = []
        size, any_urgent, waits = 0, False, False
        try:
            while size < PIECES_BYTES and (queued := self.outbox.next_piece()) is not None:
                request, urgent = queued
                geometry = await self._geometry(request)
                if geometry is None:
                    continue
                # Who holds buffers must not wait for more: all could.
                buffer = pool.take_now(geometry.piece_length)
                if buffer is None and not buffers:
                    with trio.move_on_after(BUFFER_WAIT):
                        buffer = await pool.take(geometry.piece_length)
                if buffer is None:
                    self.outbox.requeue(request, urgent=urgent)
                    waits = True
                    break
                buffers.append(buffer)
                target = memoryview(buffer)[: geometry.piece_size(request[1])]
                if not await self._read_piece(request, target):
                    continue
                manifest, piece = request
                parts.append((Piece(length=len(target), manifest=manifest, piece=piece), target))
                size += len(target)
                any_urgent |= urgent
            if parts:
                await self._send_parts(parts, size, urgent=any_urgent)
        finally:
            for buffer in buffers:
                pool.give_back(buffer)
        return bool(buffers) or waits

    async def _geometry(self, request: PieceRequest) -> Geometry | None:
        """The geometry of what a piece is asked of; None, and the remote told, if not here."""
        manifest, piece = request
        content = self._services.contents.get(manifest)
        if content is not None and piece in content.bits:
            with suppress(KeyError, PeerError):
                return (await self._services.contents.manifest(manifest)).geometry
        self.put(NoPiece(manifest=manifest, piece=piece))
        return None

    async def _read_piece(self, request: PieceRequest, target: memoryview) -> bool:
        manifest, piece = request
        content = self._services.contents.get(manifest)
        try:
            if content is not None:
                await self._services.store.read_piece(content, piece, target)
                return True
        except PieceLostError as error:
            log.warning("piece lost", error=str(error))
        self.put(NoPiece(manifest=manifest, piece=piece))
        return False

    async def _send_parts(
        self, parts: list[tuple[Message, memoryview]], size: int, *, urgent: bool
    ) -> None:
        if self._sealed is None:
            self._sealed = memoryview(bytearray(SEALED_LENGTH))
        pacing, out, pace = self._services.pacing, self._sealed, None
        if pacing.limited(self.peer, "up"):
            out = out[: pacing.portion(self.peer, "up")]

            async def pace(count: int) -> None:
                await pacing.wait_turn(self.peer, "up", count, urgent=urgent)

        await self.channel.send_many(parts, out, pace)
        self._services.traffic.sent(self.peer, size)

    async def receive_piece(self, target: memoryview, *, urgent: bool) -> None:
        """Take the bytes of a piece off the link, as fast as the limits allow."""
        pacing = self._services.pacing
        if not pacing.limited(self.peer, "down"):
            await self.channel.receive_bytes(target)
            return

        async def pace(count: int) -> None:
            with self.held_up():
                await pacing.wait_turn(self.peer, "down", count, urgent=urgent)

        await self.channel.receive_bytes(target, pace, pacing.portion(self.peer, "down"))

    # Watching

    async def _watch(self) -> None:
        """Ping while quiet; cut when the other side has been silent too long."""
        while True:
            await trio.sleep(PING_EVERY)
            silent = trio.current_time() - self.channel.last_received
            if silent > SILENT_AFTER and self._held_up_since == math.inf:
                raise ConnectionLostError(f"silent for {math.floor(silent)} s")
            if trio.current_time() - self.channel.writing_since > UNREAD_AFTER:
                raise ConnectionLostError(
                    f"it took nothing of what it asked for in {UNREAD_AFTER} s"
                )
            self.put(Ping())
            if silent > PING_EVERY:
                self._sealed = None
                self.channel.connection.trim()
