"""Where each peer may be reached: on this network if it is here, where its key was proven before,
where it says that it is (itself, or by way of the tracker), then what other members say.

All but what other members say is kept on disk. Whoever tells an address may lie: where a key was
proven is not forgotten for it, loopback and the like count from this machine only, and dials are
counted (`DialAllowance`), so that nobody can make members dial a stranger again and again.
"""

import socket
from ipaddress import ip_address

import msgspec
import structlog
import trio

from peer.database import Database
from peer.errors import NotNowError, PeerError
from peer.swarm.dial_allowance import DialAllowance
from protocol.address import Address
from protocol.drivers.on_trio import ConnectionLostError
from protocol.errors import InvalidTextError
from protocol.ids import PeerId

log = structlog.get_logger()

MOST_ADDRESSES = 8
MOST_HEARD = 4
"""Addresses that others have told of one peer."""
MOST_OLDER = 2
"""Addresses of before that are kept beside those that a peer says it has now."""
MOST_FAILED = 1_000
NOT_AGAIN_FOR = 600.0
"""Seconds for which an address that only others told of is not tried again."""
MOST_VOUCHED = 200
MOST_PROVEN = 2
"""Addresses of one peer where its key was proven, the newest first."""


class AddressBook:
    """Addresses by peer, in the order they should be tried."""

    def __init__(self, database: Database, allowance: DialAllowance | None = None) -> None:
        self._database = database
        self._allowance = allowance or DialAllowance()
        self._known: dict[PeerId, tuple[Address, ...]] = {}
        self._proven: dict[PeerId, tuple[Address, ...]] = {}
        self._no_more: set[tuple[PeerId, Address]] = set()
        """Where a key was proven, and did not answer when it was last tried."""
        self._near: dict[PeerId, tuple[Address, ...]] = {}
        self._heard: dict[PeerId, tuple[Address, ...]] = {}
        self._failed: dict[tuple[PeerId, Address], float] = {}
        self._vouched: dict[PeerId, tuple[str, ...]] = {}
        self._unkept: set[PeerId] = set()

    def load(self) -> None:
        """Read the addresses of an earlier run."""
        rows = self._database.connection.execute("SELECT peer, addresses, proven FROM addresses")
        for peer, *texts in rows:
            known, proven = (_parse(msgspec.json.decode(text, type=list[str])) for text in texts)
            self._known[PeerId(peer)], self._proven[PeerId(peer)] = known, proven

    def candidates(self, peer: PeerId) -> tuple[Address, ...]:
        """Addresses to try, best first; none when the peer is unknown."""
        proven = self._proven.get(peer, ())
        answering = tuple(each for each in proven if (peer, each) not in self._no_more)
        known = self._near.get(peer, ()) + answering + self._known.get(peer, ())
        return tuple(dict.fromkeys(known + self._heard.get(peer, ()) + proven))

    async def way_to(self, peer: PeerId, address: Address) -> str:
        """The host to dial for an address, now. NotNowError when it may not be, or not again yet.

        ConnectionLostError when there is no such name.
        """
        if address in self._proven.get(peer, ()):
            self._take(address.host, address, proven=True)
            return address.host
        for host in await look_up(address.host):
            # What was told was looked at when it was; a name may mean anything by now.
            if host == address.host or may_be(Address(host=host, port=1), loopback=False):
                self._take(host, address)
                return host
        raise NotNowError(f"{address} is none that others may send us to")

    def hope(self, peer: PeerId) -> None:
        """A peer is said to be there: it may be tried sooner than otherwise."""
        for address in self._known.get(peer, ()):
            self._allowance.hope(address.host, address.port)

    def _take(self, host: str, address: Address, *, proven: bool = False) -> None:
        if not self._allowance.take(host, address.port, trio.current_time(), proven=proven):
            raise NotNowError(f"{address} was tried in vain, and is not tried again so soon")

    def vouched(self) -> list[tuple[PeerId, tuple[str, ...]]]:
        """Where peers were reached in this run, or said they are: the newest first."""
        return list(self._vouched.items())[::-1]

    def hear(self, peer: PeerId, addresses: tuple[str, ...], *, loopback: bool) -> None:
        """Another member says where a peer is.

        `loopback`: it speaks from this very machine, so that its loopback is ours.
        """
        now = trio.current_time()
        told = [each for each in _parse(addresses) if may_be(each, loopback=loopback)]
        fresh = [each for each in told if self._failed.get((peer, each), now) <= now]
        known = self._known.get(peer, ())
        before = self._heard.get(peer, ())
        heard = dict.fromkeys([*before, *(each for each in fresh if each not in known)])
        self._heard[peer] = tuple(heard)[:MOST_HEARD]

    def hear_itself(self, peer: PeerId, addresses: tuple[str, ...], *, loopback: bool) -> bool:
        """A peer says where it is itself; whether that is worth passing on.

        As good as what the tracker says, which has it from that peer too; `loopback` as for `hear`.
        """
        told = tuple(each for each in _parse(addresses) if may_be(each, loopback=loopback))
        if not told:
            return False
        texts = tuple(str(each) for each in told)
        news = self._vouched.get(peer) != texts
        self._vouch(peer, texts)
        # The tracker may not know of it yet, and say something older.
        self._heard[peer] = told[:MOST_HEARD]
        before = self._known.get(peer, ())
        older = [each for each in before if each not in told]
        known = (*told, *older[:MOST_OLDER])
        if known != before:
            self._known[peer] = known
            self._unkept.add(peer)
        return news

    async def keep_heard(self, peer: PeerId) -> None:
        """Put on disk what a peer has said of itself, unless it is there."""
        if peer not in self._unkept:
            return
        self._unkept.discard(peer)
        try:
            await self._keep(peer)
        except BaseException:
            # The link was cut meanwhile: it is said again on the next.
            self._unkept.add(peer)
            raise

    async def proven(self, peer: PeerId, address: Address, host: str) -> None:
        """The peer itself answered at an address, which was dialled as a host."""
        self._vouch(peer, (str(address),))
        self._allowance.answered(host, address.port)
        self._no_more.discard((peer, address))
        self._heard[peer] = tuple(each for each in self._heard.get(peer, ()) if each != address)
        before = self._proven.get(peer, ())
        if before[:1] != (address,) and address not in self._near.get(peer, ()):
            self._proven[peer] = tuple(dict.fromkeys((address, *before)))[:MOST_PROVEN]
            await self._keep(peer)

    def failed(self, peer: PeerId, address: Address) -> None:
        """The peer did not answer there. What only others said of it is forgotten."""
        if address in self._proven.get(peer, ()):
            self._no_more.add((peer, address))
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

    async def told(self, peer: PeerId, addresses: tuple[str, ...], *, loopback: bool) -> None:
        """The tracker says where a peer is; `loopback` as for `hear`."""
        allowed = [str(each) for each in _parse(addresses) if may_be(each, loopback=loopback)]
        await self.learn(peer, tuple(allowed))

    async def learn(self, peer: PeerId, addresses: tuple[str, ...]) -> None:
        """Replace what is known of a peer; unusable addresses are passed over."""
        parsed = _parse(addresses)
        if parsed and parsed != self._known.get(peer):
            self._known[peer] = parsed
            await self._keep(peer)

    async def _keep(self, peer: PeerId) -> None:
        texts = [
            msgspec.json.encode([str(address) for address in addresses.get(peer, ())]).decode()
            for addresses in (self._known, self._proven)
        ]
        try:
            await self._database.run(
                lambda c: c.execute(
                    "INSERT OR REPLACE INTO addresses (peer, addresses, proven) VALUES (?, ?, ?)",
                    (peer, *texts),
                )
            )
        except PeerError as error:
            # Known for this run at least: no reason to fail whoever only passed them on.
            log.warning("addresses cannot be kept", error=str(error))


async def look_up(host: str) -> tuple[str, ...]:
    """What a host's name stands for; an address for itself. ConnectionLostError for nothing."""
    try:
        return (str(ip_address(host.partition("%")[0])) and host,)
    except ValueError:
        pass
    try:
        found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectionLostError(f"cannot find {host}: {error}") from None
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


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


def may_be(address: Address, *, loopback: bool) -> bool:
    """Whether another may send us there: not to this machine, nor to all of a network."""
    try:
        ip = ip_address(address.host.partition("%")[0])
    except ValueError:
        return address.host != "localhost" or loopback
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_loopback:
        return loopback
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified)
