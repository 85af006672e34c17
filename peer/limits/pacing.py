"""Where whoever moves pieces waits for its turn."""

import math
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Literal

import trio

from peer.limits.rates import Rates
from peer.limits.turns import Turn, Turns
from protocol.ids import PeerId

Direction = Literal["up", "down"]


class Pacing:
    """Without limits until it is given some. Needs no task of its own: who waits keeps the time."""

    def __init__(self) -> None:
        self._up = _Line()
        self._down = _Line()

    def limited(self, peer: PeerId, direction: Direction) -> bool:
        """Whether a limit holds for this peer now. Cheap."""
        return self._line(direction).turns.limits(peer)

    def portion(self, peer: PeerId, direction: Direction) -> int:
        """Bytes to move at one go: about 0.1 s worth, from 16 KiB to 1 MiB."""
        return self._line(direction).turns.portion(peer)

    async def wait_turn(
        self, peer: PeerId, direction: Direction, size: int, *, urgent: bool = False
    ) -> None:
        """Wait until `size` bytes may move. Urgent: somebody waits for just these.

        They count as moved from then on. A limit that changes meanwhile holds at once.
        """
        await trio.lowlevel.checkpoint()
        await self._line(direction).wait_turn(peer, size, urgent=urgent)

    def set_limits(self, whole: Rates, peers: Mapping[PeerId, Rates], exempt: Set[PeerId]) -> None:
        """From now on these limits: the whole daemon's, single peers', and for whom none hold."""
        up = {peer: rates.up for peer, rates in peers.items() if rates.up is not None}
        down = {peer: rates.down for peer, rates in peers.items() if rates.down is not None}
        self._up.set_rates(whole.up, up, exempt)
        self._down.set_rates(whole.down, down, exempt)

    def _line(self, direction: Direction) -> "_Line":
        return self._up if direction == "up" else self._down


class _Line:
    """One direction. One of those who wait has the alarm; the others wait for it to wake them."""

    def __init__(self) -> None:
        self.turns = Turns()
        self._wakers: dict[Turn, trio.Event] = {}
        self._alarm: trio.CancelScope | None = None
        self._next = math.inf

    def set_rates(
        self, whole: int | None, by_peer: Mapping[PeerId, int], exempt: Set[PeerId]
    ) -> None:
        self.turns.set_rates(whole, by_peer, exempt, trio.current_time())
        self._give()

    async def wait_turn(self, peer: PeerId, size: int, *, urgent: bool) -> None:
        turn = self.turns.join(peer, size, urgent=urgent)
        try:
            self._give()
            while not turn.given:
                waker = self._wakers[turn] = trio.Event()
                with self._keeping_time():
                    await waker.wait()
                self._give()
        finally:
            self._wakers.pop(turn, None)
            self.turns.leave(turn)
            if self._alarm is None:
                self._wake_one()

    @contextmanager
    def _keeping_time(self) -> Iterator[None]:
        """Have the alarm, unless somebody else has it."""
        if self._alarm is not None:
            yield
            return
        with trio.CancelScope(deadline=self._next) as self._alarm:
            try:
                yield
            finally:
                self._alarm = None

    def _wake_one(self) -> None:
        """Somebody has to take the alarm over."""
        for waker in self._wakers.values():
            waker.set()
            break

    def _give(self) -> None:
        given, self._next = self.turns.give(trio.current_time())
        for turn in given:
            if turn in self._wakers:
                self._wakers[turn].set()
        if self._alarm is not None:
            self._alarm.deadline = self._next
