"""All open connections to other peers, one for each peer, and the one way to reach a peer.

When two peers dial each other at the same time, both keep the connection that the one with the
lower id opened.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import structlog
import trio

from peer.errors import NotNowError, UnreachableError
from peer.store.contents import Content
from peer.swarm.address_book import AddressBook
from peer.swarm.lanes import Lane, await_taken
from peer.swarm.peer_link import PeerLink
from peer.swarm.services import PeerServices
from protocol.address import Address
from protocol.drivers.on_trio import ConnectionLostError, TrioChannel, open_channel
from protocol.errors import RefusedError, RemoteProtocolError
from protocol.hello import Credentials
from protocol.hello import Lane as LaneUse
from protocol.ids import ManifestId, PeerId
from protocol.messages.peering import Have, Holds
from protocol.messages.shared import RosterDocument

log = structlog.get_logger()

DIAL_TIMEOUT = 5.0
LANE_TIMEOUT = 20.0
"""More than the other side's for the handshake: a lane that it has taken must not be given up."""
HAVE_AT_ONCE = 4000


class Links:
    """Open links by peer. `credentials_for(peer, lane)` admits nobody but that peer."""

    def __init__(
        self,
        me: PeerId,
        addresses: AddressBook,
        credentials_for: Callable[[PeerId, LaneUse], Credentials],
        name_of: Callable[[bytes], str],
    ) -> None:
        self._me = me
        self._addresses = addresses
        self._credentials_for = credentials_for
        self._name_of = name_of
        self._by_peer: dict[PeerId, PeerLink] = {}
        self._dialling: dict[PeerId, trio.Lock] = defaultdict(trio.Lock)
        self._nursery: trio.Nursery | None = None
        self.services: PeerServices | None = None
        self.on_opened: Callable[[PeerLink], None] = lambda _: None
        self.on_closed: Callable[[PeerLink], None] = lambda _: None
        self.roster: Callable[[], tuple[int, bytes]] = lambda: (0, b"")

    def start(self, nursery: trio.Nursery) -> None:
        """Links run in this nursery from now on."""
        self._nursery = nursery

    def all(self) -> list[PeerLink]:
        """Every open link."""
        return list(self._by_peer.values())

    @property
    def lanes(self) -> int:
        """How many further connections carry pieces, on all links."""
        return sum(len(link.lanes.open) for link in self.all())

    def find(self, peer: PeerId) -> PeerLink | None:
        """The open link to a peer."""
        return self._by_peer.get(peer)

    def adopt(
        self,
        channel: TrioChannel,
        peer: PeerId,
        their_roster: int,
        *,
        dialled_at: Address | None = None,
    ) -> PeerLink | None:
        """Take over an opened channel; None when another connection to that peer is kept.

        `dialled_at` is the address we dialled, None if they dialled us.
        """
        dialled = dialled_at is not None
        if self.services is None or self._nursery is None:
            return None
        known = self._by_peer.get(peer)
        if known is not None and not known.closed:
            # Mine is the one I dialled if my id is lower, theirs if theirs is.
            keep_dialled = self._me < peer
            if known.dialled == keep_dialled and dialled != keep_dialled:
                return None
            known.cut("replaced by a newer connection")
        dial_lane = partial(self._dial_lane, peer, dialled_at) if dialled_at else None
        name = self._name_of(peer)
        link = PeerLink(channel, peer, name, self.services, dial_lane=dial_lane)
        self._by_peer[peer] = link
        number, encoded = self.roster()
        if number > their_roster:
            link.put(RosterDocument(length=len(encoded), number=number), encoded)
        self._nursery.start_soon(self._run, link)
        return link

    def adopt_lane(self, channel: TrioChannel, peer: PeerId, use: LaneUse) -> Lane:
        """Take over a lane of a link that they dialled; RefusedError when there is none."""
        link = self._by_peer.get(peer)
        if link is None:
            raise RefusedError("no link that this lane could be of")
        return link.lanes.adopt(channel, use)

    async def connect(self, peer: PeerId) -> PeerLink:
        """The link to a peer, dialled if need be. UnreachableError when it cannot be had."""
        async with self._dialling[peer]:
            known = self._by_peer.get(peer)
            if known is not None and not known.closed:
                return known
            failures = []
            for address in self._addresses.candidates(peer):
                try:
                    link = await self._dial(peer, address)
                except (ConnectionLostError, RemoteProtocolError, RefusedError) as error:
                    failures.append(str(error))
                except NotNowError as error:
                    failures.append(str(error))
                    continue
                except trio.TooSlowError:
                    failures.append(f"{address} did not answer")
                else:
                    return link
                self._addresses.failed(peer, address)
            known = self._by_peer.get(peer)
            if known is not None and not known.closed:
                # It dialled us meanwhile, and that connection is the one that is kept.
                return known
        name = self._name_of(peer)
        raise UnreachableError(f"cannot reach {name}: {'; '.join(failures) or 'no address known'}")

    def cut_outside(self, outside: frozenset[PeerId]) -> None:
        """End every link to a machine that is no member any more."""
        for peer in outside & self._by_peer.keys():
            self._by_peer[peer].cut("no member any more")

    def followers(self, manifest: ManifestId) -> list[PeerId]:
        """The peers that follow a manifest here."""
        return [link.peer for link in self.all() if manifest in link.followed]

    def tell_have(self, manifest: ManifestId, pieces: list[int]) -> None:
        """Tell everyone who follows a manifest of new pieces."""
        for link in self.all():
            if manifest in link.followed:
                for start in range(0, len(pieces), HAVE_AT_ONCE):
                    part = tuple(pieces[start : start + HAVE_AT_ONCE])
                    link.put(Have(manifest=manifest, pieces=part))

    def tell_holds(self, content: Content) -> None:
        """Tell everyone who follows a manifest what is left of it here."""
        for link in self.all():
            if content.id in link.followed:
                link.put(Holds(manifest=content.id, bits=content.bits.to_wire()))

    def tell_roster(self, number: int, encoded: bytes) -> None:
        """Pass a new roster on."""
        for link in self.all():
            link.put(RosterDocument(length=len(encoded), number=number), encoded)

    async def _dial(self, peer: PeerId, address: Address) -> PeerLink:
        with trio.fail_after(DIAL_TIMEOUT):
            host = await self._addresses.way_to(peer, address)
            credentials = self._credentials_for(peer, "")
            channel = await open_channel(host, address.port, credentials)
        log.debug("dialled", peer=self._name_of(peer), address=str(address))
        link = self.adopt(channel, peer, 0, dialled_at=address) or self._by_peer.get(peer)
        if link is None:
            await channel.aclose()
            raise ConnectionLostError("the daemon is stopping")
        if link.channel is not channel:
            await channel.aclose("another connection is kept")
        await self._addresses.proven(peer, address, host)
        return link

    async def _dial_lane(self, peer: PeerId, address: Address, use: LaneUse) -> TrioChannel:
        credentials = self._credentials_for(peer, use)
        try:
            with trio.fail_after(LANE_TIMEOUT):
                channel = await open_channel(address.host, address.port, credentials)
                try:
                    await await_taken(channel)
                except BaseException:
                    await trio.aclose_forcefully(channel.stream)
                    raise
        except trio.TooSlowError:
            raise UnreachableError(f"{address} did not answer") from None
        except (ConnectionLostError, RemoteProtocolError, RefusedError) as error:
            raise UnreachableError(str(error)) from None
        return channel

    async def _run(self, link: PeerLink) -> None:
        self.on_opened(link)
        try:
            await link.run()
        finally:
            if self._by_peer.get(link.peer) is link:
                del self._by_peer[link.peer]
            self.on_closed(link)
