"""Where each peer may be reached: on this network if it is here, then what it advertises, then
what other members say.

What it advertises is kept on disk for when the tracker is away. What others say only when the
peer's key has been proven there; an address where it was not is not tried again for a while, so
nobody can make members dial a stranger again and again.
"""

from ipaddress import ip_address

import msgspec
import structlog
import trio

from peer.database import Database
from peer.errors import PeerError
from protocol.address import Address
from protocol.errors import InvalidTextError
from protocol.ids import PeerId

log = structlog.get_logger()

MOST_ADDRESSES = 8
MOST_HEARD = 4
"""Addresses that others have told of one peer."""
MOST_FAILED = 1_000
NOT_AGAIN_FOR = 600.0
"""Seconds for which an address that only others told of is not tried again."""
MOST_VOUCHED = 200


class AddressBook:
    """Addresses by peer, in the order they should be tried."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[PeerId, tuple[Address, ...]] = {}
        self._near: dict[PeerId, tuple[Address, ...]] = {}
        self._heard: dict[PeerId, tuple[Address, ...]] = {}
        self._failed: dict[tuple[PeerId, Address], float] = {}
        self._vouched: dict[PeerId, tuple[str, ...]] = {}

    def load(self) -> None:
        """Read the addresses of an earlier run."""
        rows = self._database.connection.execute("SELECT peer, addresses FROM addresses")
        for peer, text in rows:
            self._known[PeerId(peer)] = _parse(msgspec.json.decode(text, type=list[str]))

    def candidates(self, peer: PeerId) -> tuple[Address, ...]:
        """Addresses to try, best first; none when the peer is unknown."""
        known = self._near.get(peer, ()) + self._known.get(peer, ()) + self._heard.get(peer, ())
        return tuple(dict.fromkeys(known))

    def vouched(self) -> list[tuple[PeerId, tuple[str, ...]]]:
        """Where peers were reached in this run, or said they are: the newest first."""
        return list(self._vouched.items())[::-1]

    def hear(
        self, peer: PeerId, addresses: tuple[str, ...], *, loopback: bool, itself: bool = False
    ) -> bool:
        """Another member, or `itself`, says where a peer is; whether that is worth passing on.

        `loopback`: it speaks from this very machine, so that its loopback is ours.
        """
        now = trio.current_time()
        told = [each for each in _parse(addresses) if _may_be(each, loopback=loopback)]
        fresh = [each for each in told if self._failed.get((peer, each), now) <= now]
        known = self._known.get(peer, ())
        before = () if itself else self._heard.get(peer, ())
        heard = dict.fromkeys([*before, *(each for each in fresh if each not in known)])
        self._heard[peer] = tuple(heard)[:MOST_HEARD]
        if not itself or not told:
            return False
        texts = tuple(str(each) for each in told)
        news = self._vouched.get(peer) != texts
        self._vouch(peer, texts)
        return news

    async def proven(self, peer: PeerId, address: Address) -> None:
        """The peer itself answered at an address."""
        self._vouch(peer, (str(address),))
        if address in self._heard.get(peer, ()):
            self._heard[peer] = tuple(each for each in self._heard[peer] if each != address)
            known = (address, *self._known.get(peer, ()))
            await self.learn(peer, tuple(str(each) for each in known))

    def failed(self, peer: PeerId, address: Address) -> None:
        """The peer did not answer there. What only others said of it is forgotten."""
        heard = self._heard.get(peer, ())
        if address in heard:
            self._heard[peer] = tuple(each for each in heard if each != address)
            self._failed[(peer, address)] = trio.current_time() + NOT_AGAIN_FOR
            while len(self._failed) > MOST_FAILED:
                del self._failed[next(iter(self._failed))]

    def _vouch(self, peer: PeerId, addresses: tuple[str, ...]) -> None:
        self._vouched.pop(peer, None)
        self._vouched[peer] = addresses
        while len(self._vouched) > MOST_VOUCHED:
            del self._vouched[next(iter(self._vouched))]

    def found_near(self, peer: PeerId, addresses: tuple[Address, ...]) -> None:
        """Where a peer is on this network now; not kept on disk, for it may be elsewhere soon."""
        self._near[peer] = addresses

    async def learn(self, peer: PeerId, addresses: tuple[str, ...]) -> None:
        """Replace what is known of a peer; unusable addresses are passed over."""
        parsed = _parse(addresses)
        if not parsed or parsed == self._known.get(peer):
            return
        self._known[peer] = parsed
        text = msgspec.json.encode([str(address) for address in parsed]).decode()
        try:
            await self._database.run(
                lambda c: c.execute("INSERT OR REPLACE INTO addresses VALUES (?, ?)", (peer, text))
            )
        except PeerError as error:
            # Known for this run at least: no reason to fail whoever only passed them on.
            log.warning("addresses cannot be kept", error=str(error))


def _parse(addresses: list[str] | tuple[str, ...]) -> tuple[Address, ...]:
    parsed = []
    for text in addresses[:MOST_ADDRESSES]:
        try:
            address = Address.parse(text)
        except InvalidTextError:
            continue
        if address.port:
            parsed.append(address)
    return tuple(parsed)


def _may_be(address: Address, *, loopback: bool) -> bool:
    """Whether another may send us there: not to ourselves, nor to all of a network."""
    try:
        ip = ip_address(address.host.partition("%")[0])
    except ValueError:
        return address.host != "localhost" or loopback
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return loopback
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified)
