"""Where a tracker has proven to be one, and so may be dialled as often as it takes.

A roster may list any address, a stranger's too: there it is tried as seldom as any that is only
told (`DialAllowance`).
"""

import msgspec
import structlog
import trio

from peer.database import Database
from peer.errors import PeerError
from peer.swarm.address_book import may_be
from peer.swarm.dial_allowance import DialAllowance
from protocol.address import Address
from protocol.errors import InvalidTextError

log = structlog.get_logger()

MOST_KEPT = 16


class TrackerPlaces:
    """`own` are the addresses of the invite: its owner has given them."""

    def __init__(self, database: Database, allowance: DialAllowance, own: tuple[str, ...]) -> None:
        self._database = database
        self._allowance = allowance
        self._own = tuple(filter(None, map(_parse, own)))
        self._proven: tuple[Address, ...] = ()

    def load(self) -> None:
        """Read where it was in an earlier run."""
        row = self._database.connection.execute(
            "SELECT value FROM facts WHERE name = 'tracker places'"
        ).fetchone()
        texts = msgspec.json.decode(row[0], type=list[str]) if row else []
        self._proven = tuple(filter(None, map(_parse, texts)))

    def may_dial(self, address: Address) -> bool:
        """Whether to dial there now."""
        if address in self._own or address in self._proven:
            return True
        loopback = any(not may_be(own, loopback=False) for own in self._own)
        return may_be(address, loopback=loopback) and self._allowance.take(
            address.host, address.port, trio.current_time()
        )

    async def answered(self, address: Address) -> None:
        """A tracker of the swarm has answered there."""
        self._allowance.answered(address.host, address.port)
        if address in self._own or address in self._proven:
            return
        self._proven = (address, *self._proven)[:MOST_KEPT]
        text = msgspec.json.encode([str(each) for each in self._proven])
        try:
            await self._database.run(
                lambda c: c.execute(
                    "INSERT OR REPLACE INTO facts VALUES ('tracker places', ?)", (text,)
                )
            )
        except PeerError as error:
            log.warning("the tracker's address cannot be kept", error=str(error))


def _parse(text: str) -> Address | None:
    try:
        return Address.parse(text)
    except InvalidTextError:
        return None
