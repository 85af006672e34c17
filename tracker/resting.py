"""Connections that wait for their next message, thousands of them, watched all at once.

A task that waits on a socket costs the event loop far more than what a Ping needs. Here one task
watches all sockets; it wakes a connection's own task only for what is no Ping. A Ping is known by
its length, which no other message has: it shows life as it comes, and stays in the kernel until
some can be opened together.
"""

import fcntl
import os
import select
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass

import outcome
import trio

from protocol.connection import NEED_DATA, PINGED, SEALED_PING, Ended, Event, Received
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.errors import ProtocolError
from protocol.messages.base import Ping

PING = Ping()
PAUSE = 0.025
"""Seconds between looks: what a connection that rested asks first may wait so long."""
MANY = 1_250
"""Connections up to which it is; of more, longer in proportion, as each look costs the same."""
LONGEST_PAUSE = 0.2
TOGETHER = 12
"""Pings of one connection that are read, opened and answered at once."""
_ROOM = 4096
_AT_ONCE = 512
"""Sockets that are looked at before others have a turn."""
_NEWS = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_LENGTHS = [(number * SEALED_PING).to_bytes(4, sys.byteorder) for number in range(TOGETHER)]
"""What the kernel says is there after so many Pings."""
_NOTHING = bytes(4)


@dataclass(eq=False)
class _Place:
    channel: TrioChannel
    answers: Callable[[float], bool]
    task: trio.lowlevel.Task | None = None
    unread: int = 0
    """Pings that have come and are in the kernel."""


class Resting:
    """`receive` in place of a channel's own; `run` does the watching."""

    def __init__(self) -> None:
        self._watched = select.epoll()
        self._places: dict[int, _Place] = {}

    @property
    def watched(self) -> int:
        """How many connections have a place here."""
        return len(self._places)

    async def receive(
        self, channel: TrioChannel, answers: Callable[[float], bool]
    ) -> Received | Ended:
        """The next message, as `TrioChannel.receive`; but Pings that come alone stay here.

        `answers`: whether a Ping that came now is answered with one, without a wait.
        """
        if not isinstance(channel.stream, trio.SocketStream):
            return await channel.receive()
        event = channel.connection.next_event()
        if isinstance(event, Received | Ended):
            await trio.lowlevel.checkpoint()
            return event
        number = channel.stream.socket.fileno()
        place = self._places.get(number)
        if place is None or place.channel is not channel:
            place = self._places[number] = _Place(channel, answers)
            self._watched.register(number, 0)
        place.task = trio.lowlevel.current_task()
        # Behind half a message comes the other half.
        place.unread = 0 if channel.connection.holds_nothing else TOGETHER
        self._watched.modify(number, _NEWS)

        def leave(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            self._take_out(number, place)
            return trio.lowlevel.Abort.SUCCEEDED

        found: Received | Ended = await trio.lowlevel.wait_task_rescheduled(leave)
        return found

    def forget(self, channel: TrioChannel) -> None:
        """A connection is about to be closed."""
        if isinstance(channel.stream, trio.SocketStream):
            number = channel.stream.socket.fileno()
            place = self._places.get(number)
            if place is not None and place.channel is channel:
                del self._places[number]
                self._watched.unregister(number)

    async def run(self) -> None:
        """Watch, for ever."""
        while True:
            found = self._watched.poll(0, _AT_ONCE)
            if not found:
                await trio.lowlevel.wait_readable(self._watched.fileno())
                continue
            now = trio.current_time()
            for number, events in found:
                place = self._places.get(number)
                if place is None or place.task is None:
                    continue
                if events == select.EPOLLIN and _has_pinged(number, place):
                    place.channel.last_received = now
                else:
                    self._look(number, place, place.task, now)
            if len(found) == _AT_ONCE:
                await trio.lowlevel.checkpoint()
                continue
            # To wake for each would cost more than what it brings.
            await trio.sleep(min(LONGEST_PAUSE, PAUSE * max(1.0, len(self._places) / MANY)))

    def _look(self, number: int, place: _Place, task: trio.lowlevel.Task, now: float) -> None:
        try:
            event = _read(number, place, now)
        except (OSError, ProtocolError, ConnectionLostError) as error:
            self._take_out(number, place)
            lost = error if isinstance(error, ProtocolError) else ConnectionLostError(str(error))
            trio.lowlevel.reschedule(task, outcome.Error(lost))
            return
        if event is not None:
            self._take_out(number, place)
            trio.lowlevel.reschedule(task, outcome.Value(event))
            return
        place.unread = 0 if place.channel.connection.holds_nothing else TOGETHER
        self._watched.modify(number, _NEWS)  # tells again if more is there

    def _take_out(self, number: int, place: _Place) -> None:
        place.task = None
        self._watched.modify(number, 0)


def _has_pinged(number: int, place: _Place) -> bool:
    """Whether a Ping has come since the last look and nothing else; not if it is time to read."""
    unread = place.unread + 1
    if unread < TOGETHER and fcntl.ioctl(number, termios.FIONREAD, _NOTHING) == _LENGTHS[unread]:
        place.unread = unread
        return True
    return False


def _read(number: int, place: _Place, now: float) -> Received | Ended | None:
    """Read what has come; the first message that its task has to see."""
    channel, connection = place.channel, place.channel.connection
    received = os.read(number, _ROOM)
    if not received:
        connection.received(0)
    channel.last_received = now
    event: Event = connection.take_in(received)
    pinged = False
    while event is PINGED:
        pinged = True
        event = NEED_DATA if connection.holds_nothing else connection.next_event()
    # Bytes that still wait to be sent show life as well.
    answered = pinged and not isinstance(event, Ended) and _can_write(number) and place.answers(now)
    if answered and channel.send_now([PING]):
        raise ConnectionLostError("it does not read what it is sent")
    return event if isinstance(event, Received | Ended) else None


def _can_write(number: int) -> bool:
    looking = select.poll()
    looking.register(number, select.POLLOUT)
    return bool(looking.poll(0))
