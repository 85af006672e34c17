"""Connections that wait for their next message, thousands of them, watched all at once.

A task that waits on a socket costs the event loop far more than what a Ping needs. Here one task
watches all sockets; it reads and opens Pings itself, answers some of them, and wakes a connection's
own task only for anything else.
"""

import os
import select
from collections.abc import Callable
from dataclasses import dataclass

import outcome
import trio

from protocol.connection import PINGED, Ended, NeedData, Received
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.errors import ProtocolError
from protocol.messages.base import Ping

PING = Ping()
PAUSE = 0.025
"""Seconds between looks: what a connection that rested asks first may wait so long."""
MANY = 2_500
"""Connections up to which it is; of more, longer in proportion, as each look costs the same."""
LONGEST_PAUSE = 0.1
_ROOM = 4096
_AT_ONCE = 512
"""Sockets that are looked at before others have a turn."""


@dataclass(eq=False)
class _Place:
    channel: TrioChannel
    answers: Callable[[float], bool]
    task: trio.lowlevel.Task | None = None


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
        self._watched.modify(number, select.EPOLLIN)

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
            for number, _ in found:
                place = self._places.get(number)
                if place is not None and place.task is not None:
                    self._look(number, place, place.task, now)
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

    def _take_out(self, number: int, place: _Place) -> None:
        place.task = None
        self._watched.modify(number, 0)


def _read(number: int, place: _Place, now: float) -> Received | Ended | None:
    """Read what has come; the first message that its task has to see."""
    channel, connection = place.channel, place.channel.connection
    received = os.read(number, _ROOM)
    if not received:
        connection.received(0)
    channel.last_received = now
    event = connection.take_in(received)
    while not isinstance(event, NeedData):
        if event is not PINGED:
            return event if isinstance(event, Received | Ended) else None
        # Bytes that still wait to be sent show life as well.
        if _can_write(number) and place.answers(now) and channel.send_now([PING]):
            raise ConnectionLostError("it does not read what it is sent")
        if connection.holds_nothing:
            return None
        event = connection.next_event()
    return None


def _can_write(number: int) -> bool:
    looking = select.poll()
    looking.register(number, select.POLLOUT)
    return bool(looking.poll(0))
