"""One open connection: a task that reads and serves, and a task that writes.

Everything sent goes through a bounded line to the one writer. Who does not read is cut, and never
holds up another. Known errors of the connection end here; bugs go on to its edge.
"""

import itertools
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
import trio

from protocol.connection import Ended, Received
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel
from protocol.errors import LocalProtocolError, ProtocolError
from protocol.ids import StaticKey
from protocol.liveness import PING_EVERY, TRACKER_ANSWERS_AFTER
from protocol.messages.base import Message
from protocol.roster import Member
from tracker.admission import Role
from tracker.audit import Actor
from tracker.errors import RequestFailedError
from tracker.resting import PING, Resting

LINE = 4096
"""Messages that may wait for a slow reader: more than a swarm's worth of news at once."""
STALLED = 30.0
AT_ONCE = 64
"""Requests of one connection that wait for the disk while more are read."""
BURST = 64
"""Messages that are sent with one call, if so many wait, and served before others have a turn."""
SLOWEST = 64 << 10
"""Bytes a second below which a reader of a document is as good as stalled."""
_AHEAD = 16 << 10
"""Bytes of news that many are told after which no more is sealed with it: of thousands that read
slowly, each keeps some waiting."""
AWAKE = 5.0
"""Seconds after a request before a connection rests: see `Resting`."""
_FAREWELL = 2.0
_log = structlog.get_logger()
_LOST = (
    ProtocolError,
    ConnectionLostError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
)


@dataclass(frozen=True)
class Document:
    """A header and the bytes that follow it; `sent` is set when they have left."""

    header: Message
    content: bytes
    sent: trio.Event = field(default_factory=trio.Event)


_Rest = Callable[[], Awaitable[object]]
Item = Message | bytes | Document | trio.Event
"""What is sent; an event is set when all before it has left."""


class Session:
    """A connection after its handshake. `member` is None for joiners and operators."""

    def __init__(
        self,
        channel: TrioChannel,
        role: Role,
        static: StaticKey,
        member: Member | None,
        host: str | None,
        resting: Resting,
        busy: "set[Session]",
    ) -> None:
        self.channel = channel
        self.role = role
        self.static = static
        """The transport key that the other side has proven."""
        self.member = member
        self.host = host
        """The address the connection comes from, if it comes from one."""
        self._resting = resting
        self._busy = busy
        """Whose `show_life` is called now and then; for all of the tracker."""
        self._silent_until = -math.inf
        self.serving_since = math.inf
        """When what is being served came; infinite while nothing is."""
        self.serving_until = -math.inf
        """Until then more is likely to be asked: it is waited for with a task of its own."""
        self.seen: int | None = None
        """The last change the peer knew when it presented itself."""
        self.caught_up = False
        """Whether it has been told all changes since: from then on they are pushed."""
        self.missed = False
        """Whether a change was not pushed since it last looked for those it was not told."""
        self.catching_up = trio.Lock()
        self._behind: int | None = None
        self._fell_behind = trio.Event()
        self._put, self._line = trio.open_memory_channel[Item](LINE)
        self._waiting: trio.CancelScope | None = None
        self._rests: deque[_Rest] = deque()
        self._answered = trio.Event()
        self._answered_at = math.inf
        self._nursery: trio.Nursery | None = None
        self._finishing = False
        self._scope = trio.CancelScope()
        self._sending = False
        self._reason = ""
        self._refused = False
        self.log = _log.bind(role=role, peer=member.name if member else None, host=host)

    @property
    def actor(self) -> Actor:
        """Who this is, for the audit log."""
        return Actor(self.member.name if self.member else self.role, self.host)

    async def run(
        self,
        serve: Callable[["Session", Received], Awaitable[None]],
        keep_up: Callable[["Session"], Awaitable[None]],
    ) -> None:
        """Serve until either side ends it; `keep_up` tells what `push_change` could not."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    nursery.start_soon(self._guarded, self._write)
                    nursery.start_soon(self._guarded, keep_up, self)
                    await self._guarded(self._read, serve)
                    nursery.cancel_scope.cancel()
        finally:
            await self._close()

    def push(self, item: Message | bytes | Document) -> None:
        """Send this unasked, without waiting; who has not read for long is cut instead."""
        try:
            self._put.send_nowait(item)
        except trio.WouldBlock:
            self.cut("this end does not read what it is sent")

    def push_change(self, number: int, news: Message) -> None:
        """Push the news of a change to who is caught up; with half the line full, not now."""
        if not self.caught_up:
            self.missed = True
            return
        if self._put.statistics().current_buffer_used < LINE // 2:
            self.push(news)
        else:
            self.fall_behind(number - 1)

    def fall_behind(self, number: int) -> None:
        """Changes after this one are not pushed to it: it has to catch up."""
        if self.caught_up:
            self.caught_up = False
            self._behind = number
            self._fell_behind.set()

    async def fallen_behind(self) -> int:
        """Wait until changes were not pushed; the last one that was."""
        while self._behind is None:
            self._fell_behind = trio.Event()
            await self._fell_behind.wait()
        behind, self._behind = self._behind, None
        return behind

    async def send(self, message: Message | bytes) -> None:
        """Send a reply, which may be encoded already, waiting for room in the line."""
        try:
            # The writer need not run for each: what is answered meanwhile leaves with one call.
            self._put.send_nowait(message)
        except trio.WouldBlock:
            await self._put.send(message)

    async def send_document(self, header: Message, content: bytes) -> None:
        """Send a reply with bytes, and wait until it has left: one at a time in memory."""
        document = Document(header, content)
        await self._put.send(document)
        await document.sent.wait()

    async def receive_document(self, length: int) -> bytes:
        """The bytes that follow the message being served."""
        return await self.channel.receive_document(length)

    async def alongside(self, rest: _Rest) -> None:
        """Do the rest of what was asked, in turn, while more is read; waits when that is much."""
        await self._until_fewer(AT_ONCE)
        self._rests.append(rest)
        if len(self._rests) == 1:
            self._answered_at = trio.current_time()
            assert self._nursery is not None
            self._nursery.start_soon(self._guarded, self._do_rests)

    async def alone(self) -> None:
        """Wait until all that was asked before is answered."""
        await self._until_fewer(1)

    async def _do_rests(self) -> None:
        while self._rests:
            await self._rests[0]()
            self._rests.popleft()
            self._answered_at = trio.current_time()
            self._answered.set()

    async def _until_fewer(self, number: int) -> None:
        while len(self._rests) >= number:
            self._answered = trio.Event()
            await self._answered.wait()

    def finish(self, reason: str, last: Message) -> None:
        """End it in good order, when what is being served is answered; members are told `last`."""
        self._reason, self._finishing = reason, True
        if self.role == "member":
            self.push(last)
        if self._waiting is not None:
            self._waiting.cancel()

    def cut(self, reason: str, *, refused: bool = False) -> None:
        """End the connection now, telling the other side why if that is possible."""
        self._reason, self._refused = reason, refused
        self._scope.cancel()

    async def _guarded(self, task: Callable[..., Awaitable[object]], *args: object) -> None:
        try:
            await task(*args)
        except LocalProtocolError:
            raise
        except _LOST as error:
            self.log.info("connection lost", why=str(error) or type(error).__name__)
            self.cut(str(error))
        except RequestFailedError as error:
            # Nobody has asked: the peer does when it is back.
            self.log.warning("a connection is cut", why=error.text)
            self.cut(error.text)

    async def _read(self, serve: Callable[["Session", Received], Awaitable[None]]) -> None:
        for number in itertools.count():
            if not number % BURST:
                await trio.lowlevel.checkpoint()
            event = await self._next_event()
            if event is None:
                await self._send_the_rest()
                return
            if isinstance(event, Ended):
                self.log.debug("connection ended", why=event.reason)
                return
            self.serving_since = self.channel.last_received
            self._busy.add(self)
            await serve(self, event)
            self.serving_since = math.inf
            if not isinstance(event, Received) or event.message != PING:
                self.serving_until = trio.current_time() + AWAKE
            self.channel.connection.trim()

    async def _next_event(self) -> Received | Ended | None:
        """What the other side says next; None when nobody listens any more."""
        if self._finishing:
            return None
        event = self.channel.receive_nowait()
        if event is not None:
            return event
        with trio.CancelScope() as self._waiting:
            with trio.move_on_at(self.serving_until):
                return await self.channel.receive()
            return await self._resting.receive(self.channel, self.answers_ping)
        return None

    async def _send_the_rest(self) -> None:
        await self.alone()
        sent = trio.Event()
        await self._put.send(sent)
        await sent.wait()

    async def _write(self) -> None:
        while True:
            item: Item | None = await self._line.receive()
            messages: list[Message | bytes] = []
            while item is not None:
                if isinstance(item, Message | bytes):
                    messages.append(item)
                else:
                    await self._send(messages)
                    messages = []
                    await self._send_document(item)
                most = len(messages) >= BURST or sum(map(_size, messages)) >= _AHEAD
                item = None if most else self._waiting_item()
            await self._send(messages)

    def _waiting_item(self) -> "Item | None":
        try:
            return self._line.receive_nowait()
        except trio.WouldBlock:
            return None

    async def _send(self, messages: list[Message | bytes]) -> None:
        rest = self.channel.send_now(messages) if messages else None
        if rest:
            # Nearly always the kernel takes all at once: no wait, and no clock for one.
            self._sending = True
            with trio.fail_after(STALLED):
                await self.channel.send_rest(rest)
            self._sending = False

    async def _send_document(self, item: Document | trio.Event) -> None:
        if isinstance(item, trio.Event):
            item.set()
            return
        self._sending = True
        with trio.fail_after(STALLED + len(item.content) / SLOWEST):
            await self.channel.send_bytes(item.header, item.content)
        item.sent.set()
        self._sending = False

    def _is_free(self) -> bool:
        return not (self._sending or self._line.statistics().current_buffer_used)

    def answers_ping(self, now: float) -> bool:
        """Whether a Ping is answered: if nothing else is being sent, and none was lately."""
        if now < self._silent_until or not self._is_free():
            return False
        self._silent_until = now + TRACKER_ANSWERS_AFTER
        return True

    def show_life(self, now: float) -> bool:
        """Send a Ping if the other side waits for an answer that takes long; False if for none."""
        since = min(self.serving_since, self._answered_at if self._rests else math.inf)
        if now - since >= PING_EVERY and self._is_free():
            self._answered_at = now
            if self.serving_since < now:
                self.serving_since = now
            self.push(PING)
        return since < math.inf

    async def _close(self) -> None:
        self._resting.forget(self.channel)
        with trio.move_on_after(_FAREWELL, shield=True):
            # Half a message on the wire can be followed by nothing that would be understood.
            if not (self._sending or self.channel.interrupted):
                await say_farewell(self.channel, self._reason, refused=self._refused)
        self.channel.drop_received()
        await trio.aclose_forcefully(self.channel.stream)


def _size(message: Message | bytes) -> int:
    """Bytes of a message that is encoded already, as large ones are that many are told."""
    return len(message) if isinstance(message, bytes) else 0


async def say_farewell(channel: TrioChannel, reason: str, *, refused: bool) -> None:
    """Say why a connection ends; wait for the refused to hear it, which a reset would prevent."""
    try:
        farewell = channel.connection.close(reason, refused=refused)
        if farewell:
            await channel.stream.send_all(farewell)
        if refused:
            await linger(channel.stream)
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
        pass


async def linger(stream: trio.abc.HalfCloseableStream) -> None:
    """Let the other side read to the end, and close first."""
    await stream.send_eof()
    while await stream.receive_some():
        pass
