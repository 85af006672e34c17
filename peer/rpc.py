"""Requests and replies over a connection that others write to: the waiting side of CallBook."""

import math
from collections.abc import Callable
from typing import TypeVar

import trio

from peer.errors import UnreachableError, error_of
from protocol.calls import CallBook
from protocol.messages.base import Failed, Message, Reply

_R = TypeVar("_R", bound=Reply)

CALL_TIMEOUT = 30.0


class _Waiter:
    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.reply: Reply | None = None
        self.document = b""


class Calls:
    """Sends requests through `put` and hands each reply to whoever waits for it."""

    def __init__(self, put: Callable[..., None], whom: str) -> None:
        self._put = put
        self._whom = whom
        self._book: CallBook[_Waiter] = CallBook()
        self._lost = False
        self._waiting: dict[int, float] = {}

    @property
    def waiting_since(self) -> float:
        """When the oldest request was sent that is not answered; infinite if all are."""
        return min(self._waiting.values(), default=math.inf)

    async def call(
        self,
        make: Callable[[int], Message],
        reply: type[_R],
        *,
        document: bytes | None = None,
    ) -> tuple[_R, bytes]:
        """Send the request `make(call)` and wait; the reply and the bytes that followed it.

        Raises the PeerError a Failed reply stands for, UnreachableError on loss or time-out.
        """
        if self._lost:
            raise UnreachableError(f"{self._whom} is not connected")
        waiter = _Waiter()
        number = self._book.open(waiter)
        try:
            self._put(make(number), document)
            self._waiting[number] = trio.current_time()
            with trio.fail_after(CALL_TIMEOUT):
                await waiter.arrived.wait()
        except trio.TooSlowError:
            raise UnreachableError(
                f"{self._whom} did not answer within {CALL_TIMEOUT:g} s"
            ) from None
        finally:
            self._book.forget(number)
            self._waiting.pop(number, None)
        if isinstance(waiter.reply, Failed):
            raise error_of(waiter.reply)
        if not isinstance(waiter.reply, reply):
            raise UnreachableError(f"the connection to {self._whom} was lost")
        return waiter.reply, waiter.document

    def deliver(self, reply: Reply, document: bytes = b"") -> None:
        """Hand a reply over; RemoteProtocolError when it answers nothing that was asked."""
        waiter = self._book.close(reply)
        if waiter is not None:
            waiter.reply, waiter.document = reply, document
            waiter.arrived.set()

    def lose(self) -> None:
        """The connection is gone: everybody waiting gets UnreachableError."""
        self._lost = True
        for waiter in self._book.drain():
            waiter.arrived.set()
