"""Where each peer may be reached: on this network if it is here, then what it advertises.

What it advertises is kept on disk for when the tracker is away.
"""

import msgspec
import structlog

from peer.database import Database
from peer.errors import PeerError
from protocol.address import Address
from protocol.errors import InvalidTextError
from protocol.ids import PeerId

log = structlog.get_logger()

MOST_ADDRESSES = 8


class AddressBook:
    """Addresses by peer, in the order they should be tried."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[PeerId, tuple[Address, ...]] = {}
        self._near: dict[PeerId, tuple[Address, ...]] = {}

    def load(self) -> None:
        """Read the addresses of an earlier run."""
        rows = self._database.connection.execute("SELECT peer, addresses FROM addresses")
        for peer, text in rows:
            self._known[PeerId(peer)] = _parse(msgspec.json.decode(text, type=list[str]))

    def candidates(self, peer: PeerId) -> tuple[Address, ...]:
        """Addresses to try, best first; none when the peer is unknown."""
        return tuple(dict.fromkeys(self._near.get(peer, ()) + self._known.get(peer, ())))

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
