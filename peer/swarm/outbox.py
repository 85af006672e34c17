"""What one connection still has to say: control messages in order, then pieces asked for.

Bounded both ways: a remote that does not read what it asked for is cut, never waited for.
"""

from collections import deque

import trio

from protocol.errors import RemoteProtocolError
from protocol.ids import ManifestId
from protocol.messages.base import Message

MOST_MESSAGES = 4096
MOST_PIECES = 256

PieceRequest = tuple[ManifestId, int]


class Outbox:
    """Filled by anyone, emptied by the connection's one writer task."""

    def __init__(self) -> None:
        self._messages: deque[tuple[Message, bytes | None]] = deque()
        self._pieces: deque[PieceRequest] = deque()
        self._wake = trio.Event()

    def put(self, message: Message, document: bytes | None = None) -> None:
        """Queue a message, with the bytes it announces if it is a header."""
        if len(self._messages) >= MOST_MESSAGES:
            raise RemoteProtocolError("the remote does not read what it is sent")
        self._messages.append((message, document))
        self._wake.set()

    def put_piece(self, request: PieceRequest) -> None:
        """Queue a piece; RemoteProtocolError when far too many are asked for at once."""
        if len(self._pieces) >= MOST_PIECES:
            raise RemoteProtocolError(f"more than {MOST_PIECES} pieces asked for at once")
        if request not in self._pieces:
            self._pieces.append(request)
            self._wake.set()

    def cancel_piece(self, request: PieceRequest) -> None:
        """Forget a piece that has not been begun."""
        if request in self._pieces:
            self._pieces.remove(request)

    def next_message(self) -> tuple[Message, bytes | None] | None:
        """The oldest message, or None."""
        return self._messages.popleft() if self._messages else None

    def next_piece(self) -> PieceRequest | None:
        """The oldest piece asked for, or None."""
        return self._pieces.popleft() if self._pieces else None

    async def wait_filled(self) -> None:
        """Return when there may be something to take."""
        if not self._messages and not self._pieces:
            self._wake = trio.Event()
            await self._wake.wait()
