"""One open connection to another peer: what it says is understood here and handed on.

One reader, one writer, one nursery; the link ends as a whole. Whatever the remote does wrong ends
only its own link.
"""

import math

import structlog
import trio

from peer.errors import PeerError, PieceLostError
from peer.rpc import Calls
from peer.store.buffers import BufferPool
from peer.swarm.outbox import Outbox, PieceRequest
from peer.swarm.services import PeerServices
from protocol.connection import Ended
from protocol.drivers.on_trio import SEALED_LENGTH, ConnectionLostError, TrioChannel
from protocol.errors import RefusedError, RemoteProtocolError
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
            case GetPiece(manifest=manifest, piece=piece):
                self.outbox.put_piece((manifest, piece))
            case CancelPiece(manifest=manifest, piece=piece):
                self.outbox.cancel_piece((manifest, piece))
            case Holds() | Have() | NoPiece():
                pieces.note(self, message)
            case Follow(manifest=manifest):
                self._follow(manifest)
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
            queued = self.outbox.next_message()
            if queued is not None:
                message, document = queued
                if document is None:
                    await self.channel.send(message)
                else:
                    await self.channel.send_bytes(message, document)
                continue
            request = self.outbox.next_piece()
            if request is not None:
                await self._send_piece(request)
                continue
            await self.outbox.wait_filled()

    async def _send_piece(self, request: PieceRequest) -> None:
        manifest, piece = request
        content = self._services.contents.get(manifest)
        if content is None or piece not in content.bits:
            await self.channel.send(NoPiece(manifest=manifest, piece=piece))
            return
        try:
            geometry = (await self._services.contents.manifest(manifest)).geometry
        except (KeyError, PeerError):
            await self.channel.send(NoPiece(manifest=manifest, piece=piece))
            return
        pool: BufferPool = self._services.serving
        buffer = await pool.take(geometry.piece_length)
        try:
            target = memoryview(buffer)[: geometry.piece_size(piece)]
            await self._services.store.read_piece(content, piece, target)
            if self._sealed is None:
                self._sealed = memoryview(bytearray(SEALED_LENGTH))
            header = Piece(length=len(target), manifest=manifest, piece=piece)
            await self.channel.send_bytes(header, target, self._sealed)
            self._services.traffic.sent(self.peer, len(target))
        except PieceLostError as error:
            log.warning("piece lost", error=str(error))
            await self.channel.send(NoPiece(manifest=manifest, piece=piece))
        finally:
            pool.give_back(buffer)

    # Watching

    async def _watch(self) -> None:
        """Ping while quiet; cut when the other side has been silent too long."""
        while True:
            await trio.sleep(PING_EVERY)
            silent = trio.current_time() - self.channel.last_received
            if silent > SILENT_AFTER:
                raise ConnectionLostError(f"silent for {math.floor(silent)} s")
            self.put(Ping())
            if silent > PING_EVERY:
                self._sealed = None
                self.channel.connection.trim()
