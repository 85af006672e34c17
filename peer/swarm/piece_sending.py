"""Takes pieces that were asked for from a link's outbox and sends them over one connection."""

import mmap
from contextlib import suppress

import structlog
import trio

from peer.errors import PeerError, PieceLostError, PieceUnreadError
from peer.store.buffers import BufferPool
from peer.swarm.outbox import Outbox, PieceRequest
from peer.swarm.services import PeerServices
from protocol.connection import BATCH_PAYLOAD
from protocol.drivers.on_trio import SEALED_LENGTH, TrioChannel
from protocol.geometry import Geometry
from protocol.ids import PeerId
from protocol.messages.base import Message
from protocol.messages.peering import NoPiece, Piece

log = structlog.get_logger()

BUFFER_WAIT = 1.0
"""Seconds to wait for a buffer before looking whether there is something else to say."""
PIECES_BYTES = BATCH_PAYLOAD - (64 << 10)
"""Pieces are sent together until they are about a batch: every link's turn is alike."""


class PieceSending:
    """One connection's part in what a link sends. Any number may share an outbox.

    Pieces are sent together until they are `at_once` bytes; `sealed` bytes leave with one call.
    """

    def __init__(
        self,
        channel: TrioChannel,
        peer: PeerId,
        outbox: Outbox,
        services: PeerServices,
        pool: BufferPool,
        *,
        at_once: int = PIECES_BYTES,
        sealed: int = SEALED_LENGTH,
    ) -> None:
        self.at_once = at_once
        self.piece_length = 0
        """Of the piece that was sent last."""
        self._channel = channel
        self._peer = peer
        self._outbox = outbox
        self._services = services
        self._pool = pool
        self._sealed_length = sealed
        self._sealed: memoryview | None = None

    def trim(self) -> None:
        """Give back what memory an idle connection does not need."""
        self._sealed = None

    async def send_next(self) -> bool:
        """Send the next piece, or several small ones together; False when none is asked for."""
        parts: list[tuple[Message, memoryview]] = []
        buffers: list[mmap.mmap] = []
        size, any_urgent, waits = 0, False, False
        try:
            while size < self.at_once and (queued := self._outbox.next_piece()) is not None:
                request, urgent = queued
                geometry = await self._geometry(request)
                if geometry is None:
                    continue
                # Who holds buffers must not wait for more: all could.
                buffer = self._pool.take_now(geometry.piece_length)
                if buffer is None and not buffers:
                    with trio.move_on_after(BUFFER_WAIT):
                        buffer = await self._pool.take(geometry.piece_length)
                if buffer is None:
                    self._outbox.requeue(request, urgent=urgent)
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
                self.piece_length = geometry.piece_length
            if parts:
                await self._send_parts(parts, size, urgent=any_urgent)
        finally:
            for buffer in buffers:
                self._pool.give_back(buffer)
        return bool(buffers) or waits

    async def _geometry(self, request: PieceRequest) -> Geometry | None:
        """The geometry of what a piece is asked of; None, and the remote told, if not here."""
        manifest, piece = request
        content = self._services.contents.get(manifest)
        if content is not None and piece in content.bits:
            with suppress(KeyError, PeerError):
                return (await self._services.contents.manifest(manifest)).geometry
        self._outbox.put(NoPiece(manifest=manifest, piece=piece))
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
        except PieceUnreadError as error:
            # Others may have it; once it can be read, who follows hears that it is here.
            log.warning("piece not read", error=str(error))
        self._outbox.put(NoPiece(manifest=manifest, piece=piece))
        return False

    async def _send_parts(
        self, parts: list[tuple[Message, memoryview]], size: int, *, urgent: bool
    ) -> None:
        if self._sealed is None:
            self._sealed = memoryview(bytearray(self._sealed_length))
        pacing, out, pace = self._services.pacing, self._sealed, None
        if pacing.limited(self._peer, "up"):
            out = out[: pacing.portion(self._peer, "up")]

            async def pace(count: int) -> None:
                await pacing.wait_turn(self._peer, "up", count, urgent=urgent)

        await self._channel.send_many(parts, out, pace)
        self._services.traffic.sent(self._peer, size, trio.current_time())
