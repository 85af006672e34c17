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
MESSAGES_AT_ONCE = 64

PieceRequest = tuple[ManifestId, int]


class Outbox:
    """Filled by anyone, emptied by the link's writer, and of pieces by those of its lanes."""

    def __init__(self) -> None:
        self._messages: deque[tuple[Message, bytes | None]] = deque()
        # The value tells whether somebody waits for the piece: such ones go first.
        self._pieces: dict[PieceRequest, bool] = {}
        self._urgent = 0
        self._wake = trio.Event()
        self._wake_lanes = trio.Event()

    @property
    def pieces_asked(self) -> int:
        """How many pieces the remote has asked for that have not been begun."""
        return len(self._pieces)

    def put(self, message: Message, document: bytes | None = None) -> None:
        """Queue a message, with the bytes it announces if it is a header."""
        if len(self._messages) >= MOST_MESSAGES:
            raise RemoteProtocolError("the remote does not read what it is sent")
        self._messages.append((message, document))
        self._wake.set()

    def put_piece(self, request: PieceRequest, *, urgent: bool = False) -> None:
        """Queue a piece; RemoteProtocolError when far too many are asked for at once."""
        if len(self._pieces) >= MOST_PIECES:
            raise RemoteProtocolError(f"more than {MOST_PIECES} pieces asked for at once")
        if not self._pieces.get(request, False):
            # Asked for once more it only becomes more urgent.
            self._pieces[request] = urgent
            self._urgent += urgent
            self._wake.set()
            self._wake_lanes.set()

    def cancel_piece(self, request: PieceRequest) -> None:
        """Forget a piece that has not been begun."""
        self._urgent -= self._pieces.pop(request, False)

    def next_message(self) -> tuple[Message, bytes | None] | None:
        """The oldest message, or None."""
        return self._messages.popleft() if self._messages else None

    def next_messages(self) -> list[Message]:
        """The oldest messages that announce no bytes, as many as go well together."""
        found: list[Message] = []
        while self._messages and self._messages[0][1] is None and len(found) < MESSAGES_AT_ONCE:
            found.append(self._messages.popleft()[0])
        return found

    def next_piece(self) -> tuple[PieceRequest, bool] | None:
        """The oldest piece asked for, and whether it is urgent; urgent ones first."""
        if not self._pieces:
            return None
        urgent = self._urgent > 0
        request = (
            next(r for r, u in self._pieces.items() if u) if urgent else next(iter(self._pieces))
        )
        self._urgent -= self._pieces.pop(request)
        return request, urgent

    def requeue(self, request: PieceRequest, *, urgent: bool) -> None:
        """Put back, in front, what was taken and not begun."""
        # The remote may have asked for it again meanwhile.
        again = self._pieces.pop(request, False)
        self._pieces = {request: urgent or again, **self._pieces}
        self._urgent += urgent and not again

    async def wait_piece(self) -> None:
        """Return when there may be a piece to take. Any number of tasks may wait."""
        while not self._pieces:
            if self._wake_lanes.is_set():
                self._wake_lanes = trio.Event()
            await self._wake_lanes.wait()

    async def wait_filled(self) -> None:
        """Return when there may be something to take. For one task."""
        if not self._messages and not self._pieces:
            self._wake = trio.Event()
            await self._wake.wait()
