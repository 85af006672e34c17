"""The book of requests sent and not yet answered: hands out call numbers, matches replies. Pure."""

from typing import Generic, TypeVar

from protocol.errors import RemoteProtocolError
from protocol.messages.base import Reply

_Waiter = TypeVar("_Waiter")


class CallBook(Generic[_Waiter]):
    """Maps call numbers to whoever waits for the reply; a number is in use at most once."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, _Waiter] = {}

    def open(self, waiter: _Waiter) -> int:
        """A fresh call number for this waiter."""
        while self._next in self._waiting:
            self._next = (self._next + 1) % (1 << 32)
        number = self._next
        self._next = (self._next + 1) % (1 << 32)
        self._waiting[number] = waiter
        return number

    def find(self, number: int) -> _Waiter | None:
        """Who waits under this number, without closing it (for progress)."""
        return self._waiting.get(number)

    def close(self, reply: Reply) -> _Waiter | None:
        """Who waits for this reply; None when it gave up. RemoteProtocolError if never asked."""
        if reply.call not in self._waiting and reply.call >= self._next:
            raise RemoteProtocolError(f"a reply to call {reply.call}, which was never made")
        return self._waiting.pop(reply.call, None)

    def forget(self, number: int) -> None:
        """Stop waiting, after a time-out or a cancel."""
        self._waiting.pop(number, None)

    def drain(self) -> list[_Waiter]:
        """Everybody still waiting, when the connection is gone."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        return waiting
