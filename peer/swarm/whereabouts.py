"""Members tell each other where members are, so that nobody needs the tracker for it.

What is told of others counts for nothing until the key of that member has been proven there by a
handshake: `AddressBook`. Said once when a link opens; what a member says of itself is kept, and
passed on, once a link.
"""

from collections.abc import Callable, Iterable
from weakref import WeakSet

from peer.roster_book import RosterBook
from peer.swarm.address_book import AddressBook
from peer.swarm.links import Links
from peer.swarm.peer_link import PeerLink
from protocol.ids import PeerId
from protocol.messages.peering import MOST_WHEREABOUTS, Whereabouts

_SPACE = 40_000
"""Bytes of addresses in one message, which has 65,519 at most."""


class WhereMembersAre:
    """Tells and takes `Whereabouts`. `own` gives the addresses of this machine."""

    def __init__(
        self,
        me: PeerId,
        book: AddressBook,
        rosters: RosterBook,
        links: Links,
        own: Callable[[], tuple[str, ...]],
    ) -> None:
        self._me = me
        self._book = book
        self._rosters = rosters
        self._links = links
        self._own = own
        self._heard_of_itself: WeakSet[PeerLink] = WeakSet()

    def tell(self, link: PeerLink) -> None:
        """A link has opened: say where we are, and where others are as far as that is proven."""
        others = [each for each in self._book.vouched() if each[0] not in (self._me, link.peer)]
        self._say([link], [(self._me, self._own()), *others])

    async def take(self, link: PeerLink, told: Whereabouts) -> None:
        """A member says where members are."""
        for peer, addresses in told.members:
            if peer == self._me or self._rosters.find(peer) is None:
                continue
            if peer != link.peer:
                self._book.hear(peer, addresses, loopback=link.from_here)
            elif link not in self._heard_of_itself:
                self._heard_of_itself.add(link)
                if self._book.hear_itself(peer, addresses, loopback=link.from_here):
                    others = [each for each in self._links.all() if each is not link]
                    self._say(others, [(peer, addresses)])
                await self._book.keep_heard(peer)

    def _say(
        self, links: Iterable[PeerLink], members: list[tuple[PeerId, tuple[str, ...]]]
    ) -> None:
        said: list[tuple[PeerId, tuple[str, ...]]] = []
        space = _SPACE
        for peer, addresses in members:
            few = addresses[:MOST_WHEREABOUTS]
            space -= 40 + sum(len(address.encode()) + 3 for address in few)
            if space < 0 or len(said) >= 200:
                break
            if few:
                said.append((peer, few))
        for link in links if said else ():
            link.put(Whereabouts(members=tuple(said)))
