"""The connection to the tracker, kept open: presents this peer, announces, asks, takes pushes.

Everything here may fail at any time without harm: what was not said is said after the next
connect.
"""

import math
import random
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import TypeVar

import structlog
import trio

from peer.announcer import Announcer
from peer.errors import BusyError, NotPermittedError, PeerError, UnreachableError
from peer.lan import remote_ip
from peer.reconnecting import LONGEST_PAUSE, Reconnecting
from peer.rpc import Calls
from peer.swarm.outbox import Outbox
from peer.swarm.peer_link import first_reason
from protocol.address import Address
from protocol.connection import Ended, Received
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel, open_channel
from protocol.errors import InvalidTextError, RefusedError, RemoteProtocolError
from protocol.hello import Credentials
from protocol.liveness import SILENT_AFTER, TRACKER_PING_EVERY, TRACKER_SILENT_AFTER
from protocol.messages.base import Done, Message, Ping, Reply
from protocol.messages.deleting import ApprovalPassedOn
from protocol.messages.rebuilding import HandRoster
from protocol.messages.shared import RosterDocument
from protocol.messages.tending import ComeBack
from protocol.messages.tracking import (
    Announce,
    EntryChanged,
    PeerChanged,
    PeersChanged,
    Present,
    Presented,
)
from protocol.signing import Signed

log = structlog.get_logger()

CONNECT_TIMEOUT = 10.0
ANNOUNCE_PAUSE = 0.3
MOVES_WITHIN = 2.0
"""Seconds within which the peers of a tracker that sends them away try another."""
_WATCH_EVERY = 4.0
PATIENCE = 20.0
"""Seconds for which a request is made again, as the tracker says when, before it is given up."""
_R = TypeVar("_R", bound=Reply)


class TrackerLink:
    """Keeps trying the tracker's addresses; `connected` tells whether one answers now."""

    def __init__(
        self,
        credentials: Callable[[], Credentials],
        addresses: Callable[[], tuple[str, ...]],
        announcer: Announcer,
        present: Callable[[int], Present],
        chance: random.Random,
    ) -> None:
        self._credentials = credentials
        self._addresses = addresses
        self._announcer = announcer
        self._chance = chance
        self._again = Reconnecting(chance)
        self._calls: Calls | None = None
        self._outbox: Outbox | None = None
        self._marked = trio.Event()
        self.from_here = False
        """Whether the tracker of the newest connection is on this very machine."""
        self.shown_roster = 0
        """The number of our roster when we connected."""
        self.may_dial: Callable[[Address], bool] = lambda _: True
        self.answered: Callable[[Address], Awaitable[None]] = _ignore
        """Called with where the tracker has proven to be one."""
        self.gone: Callable[[str], None] = lambda _: None
        """Called with an address where no tracker answers, or none any more."""
        self.refused = ""
        """Why the tracker turned this machine away, if it did at the last attempt."""
        self._present = present
        self.stored: Callable[[], int] = lambda: 0
        self.take_roster: Callable[[bytes], Awaitable[None]] = _ignore
        self.take_entry: Callable[[EntryChanged], Awaitable[None]] = _ignore
        self.take_approval: Callable[[Signed], Awaitable[None]] = _ignore
        self.take_peer: Callable[[PeerChanged], Awaitable[None]] = _ignore
        self.on_connected: Callable[[Presented], Awaitable[None]] = _ignore
        self.roster: Callable[[], tuple[int, bytes]] = lambda: (0, b"")
        """The number of our roster, and the roster."""
        self.is_lacking: Callable[[Presented], bool] = lambda _: False
        """Whether the tracker does not know what it once did."""

    @property
    def connected(self) -> bool:
        """Whether the tracker is there and knows this peer."""
        return self._calls is not None

    async def run(self) -> None:
        """Connect, serve, reconnect, for ever."""
        while True:
            await self._try_each()
            await trio.sleep(self._again.next_wait())

    async def call(
        self,
        make: Callable[[int], Message],
        reply: type[_R],
        document: bytes | None = None,
    ) -> tuple[_R, bytes]:
        """Ask the tracker, as `Calls.call`; again when it says so, if it has too much to do.

        UnreachableError when it is away, NotPermittedError when it turned this machine away.
        """
        began = trio.current_time()
        while True:
            try:
                return await self._ask(make, reply, document)
            except BusyError as error:
                if trio.current_time() + error.again > began + PATIENCE:
                    raise
                log.info("the tracker is busy", again=error.again)
                await trio.sleep(error.again)

    async def _ask(
        self, make: Callable[[int], Message], reply: type[_R], document: bytes | None
    ) -> tuple[_R, bytes]:
        if self._calls is None:
            if self.refused:
                raise NotPermittedError(self.refused)
            raise UnreachableError("the tracker cannot be reached")
        return await self._calls.call(make, reply, document=document)

    def mark(self) -> None:
        """There is something to announce."""
        self._marked.set()

    async def _try_each(self) -> None:
        """Each address once, by the newest list."""
        tried: set[str] = set()
        while left := [each for each in self._addresses() if each not in tried]:
            if self._again.pause:
                # By one tracker: the others are not to have all of its peers at the same moment.
                most = self._chance.uniform(0, MOVES_WITHIN)
                await trio.sleep(min(self._again.pause, most))
            tried.add(left[0])
            await self._try(left[0])
            self.gone(left[0])

    async def _try(self, text: str) -> None:
        """One connection from dial to end."""
        # As it is now: the tracker may give us one that says less.
        number, roster = self.roster()
        self.shown_roster = number
        try:
            address = Address.parse(text)
            if not self.may_dial(address):
                log.debug("tracker not tried again so soon", address=text)
                return
            with trio.fail_after(CONNECT_TIMEOUT):
                channel = await open_channel(address.host, address.port, self._credentials())
        except (ConnectionLostError, RemoteProtocolError, InvalidTextError) as error:
            log.debug("tracker not reached", address=text, error=str(error))
            return
        except trio.TooSlowError:
            log.debug("tracker did not answer", address=text)
            return
        except RefusedError as error:
            self.refused = f"the tracker refused this machine: {error}"
            log.error("refused by the tracker", reason=str(error))
            return
        ip = remote_ip(channel.stream)
        self.from_here = ip is not None and ip_address(ip).is_loopback
        await self.answered(address)
        reason = await self._serve(channel, number, roster)
        log.info("tracker connection ended", address=text, reason=reason)

    async def _serve(self, channel: TrioChannel, number: int, roster: bytes) -> str:
        self._outbox = outbox = Outbox()
        calls = Calls(outbox.put, "the tracker")
        reason = "closed by the tracker"
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_write, channel, outbox)
                nursery.start_soon(_watch, channel, outbox, calls)
                nursery.start_soon(self._introduce, calls, number, roster)
                await self._read(channel, calls)
                nursery.cancel_scope.cancel()
        except* (RemoteProtocolError, ConnectionLostError, PeerError) as group:
            reason = first_reason(group)
        except* RefusedError as group:
            reason = first_reason(group)
            self.refused = f"the tracker refused this machine: {reason}"
            log.error("refused by the tracker", reason=reason)
        finally:
            self._calls = None
            calls.lose()
            await channel.aclose()
        return reason

    async def _introduce(self, calls: Calls, number: int, roster: bytes) -> None:
        presented = await self._say_present(calls)
        if roster and (number > presented.roster or self.is_lacking(presented)):
            try:
                await calls.call(
                    lambda call: HandRoster(call=call, length=len(roster)), Done, document=roster
                )
            except NotPermittedError:
                raise
            except PeerError as error:
                log.error("the tracker will not have our roster", reason=str(error))
        if not presented.listed:
            presented = await self._say_present(calls)
        if not presented.in_sync:
            self._announcer.mark_all()
            await self._announce(calls, reset=True)
        self.refused = ""
        self._again.taken_in()
        self._calls = calls
        log.info("tracker connected", in_sync=presented.in_sync)
        await self.on_connected(presented)
        announced = -math.inf
        while True:
            if not self._announcer.pending:
                self._marked = trio.Event()
                await self._marked.wait()
            # After a pause it is told at once: who asks for what was just added must find it.
            await trio.sleep_until(announced + ANNOUNCE_PAUSE)
            await self._announce(calls, reset=False)
            announced = trio.current_time()

    async def _say_present(self, calls: Calls) -> Presented:
        # Cleared in the same step that takes the digest: what changes later is marked anew.
        self._announcer.clear()
        presented, _ = await calls.call(self._present, Presented)
        return presented

    async def _announce(self, calls: Calls, *, reset: bool) -> None:
        while self._announcer.pending or reset:
            holdings = self._announcer.take()
            stored, first = self.stored(), reset
            await _call_until_taken(
                calls,
                lambda call, h=holdings, s=stored, r=first: Announce(  # type: ignore[misc]
                    call=call, reset=r, stored=s, holdings=h
                ),
            )
            reset = False

    async def _read(self, channel: TrioChannel, calls: Calls) -> None:
        while True:
            event = await channel.receive()
            if isinstance(event, Ended):
                return
            await self._understand(channel, calls, event)

    async def _understand(self, channel: TrioChannel, calls: Calls, event: Received) -> None:
        following = event.following
        document = await channel.receive_document(following) if following else b""
        match event.message:
            case Ping():
                pass
            case RosterDocument():
                await self.take_roster(document)
            case Reply() as reply:
                calls.deliver(reply, document)
            case EntryChanged() as changed:
                await self.take_entry(changed)
            case ApprovalPassedOn(approval=approval):
                await self.take_approval(approval)
            case PeerChanged() as changed:
                await self.take_peer(changed)
            case PeersChanged(peers=peers):
                for peer, state, addresses in peers:
                    await self.take_peer(PeerChanged(peer=peer, state=state, addresses=addresses))
            case ComeBack(after=after, spread=spread, why=why):
                self._stay_away(after, spread, why)
            case other:
                raise RemoteProtocolError(f"a tracker may not send {type(other).__name__}")

    def _stay_away(self, after: int, spread: int, why: str) -> None:
        pause = self._again.stay_away(after, spread)
        log.info("the tracker asks to come back later", why=why, seconds=round(pause, 1))


async def _call_until_taken(calls: Calls, make: Callable[[int], Message]) -> None:
    """What must be told before anything else may: however long the tracker puts it off."""
    while True:
        try:
            await calls.call(make, Done)
        except BusyError as error:
            log.info("the tracker is busy", again=error.again)
            await trio.sleep(min(LONGEST_PAUSE, error.again))
        else:
            return


async def _write(channel: TrioChannel, outbox: Outbox) -> None:
    while True:
        queued = outbox.next_message()
        if queued is None:
            await outbox.wait_filled()
            continue
        message, document = queued
        if document is None:
            await channel.send(message)
        else:
            await channel.send_bytes(message, document)


async def _watch(channel: TrioChannel, outbox: Outbox, calls: Calls) -> None:
    """Ping, and notice when the tracker is gone: soon if something was asked of it."""
    if isinstance(channel.stream, trio.SocketStream):
        # A host that is gone acknowledges nothing.
        channel.stream.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENT_AFTER * 1000)
        )
    pinged = -math.inf
    while True:
        now, heard = trio.current_time(), channel.last_received
        awaited = max(heard, calls.waiting_since)
        if now - heard > TRACKER_SILENT_AFTER or now - awaited > SILENT_AFTER:
            raise ConnectionLostError("the tracker is silent")
        if now >= pinged + TRACKER_PING_EVERY:
            outbox.put(Ping())
            channel.connection.trim()
            pinged = now
        await trio.sleep(_WATCH_EVERY)


async def _ignore(_: object) -> None:
    return None
